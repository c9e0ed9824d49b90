"""The golden messages as pyiso8583 reads and writes them: another opinion on all four dialects.

It needs pyiso8583 and nothing of the product but tests/golden/iso8583:

    python3 -m venv target/interop && target/interop/bin/pip install pyiso8583==4.0.1
    target/interop/bin/python tests/interop/codec.py
"""

import copy
import pathlib
import sys

import iso8583
from iso8583.specs import default as THEIR_SPEC

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "iso8583"

# Where docs/interface.md says something else than pyiso8583's own table: (length of the length, longest value).
OWN_TEXT = {54: (3, 120), 55: (3, 999)}
OWN_BYTES = {52: (0, 8), 64: (0, 8), 96: (0, 8), 112: (3, 999), 113: (3, 999), 114: (3, 999), 115: (3, 999),
             121: (0, 16), 122: (3, 12), 128: (0, 8)}
SIGNED = {28, 29, 30, 31, 97}
TRACKS = {35, 36}
NUMERIC = (set(range(2, 28)) | {32, 33, 49, 50, 51, 53} | set(range(66, 91)) | {99, 100})

# dialect: (characters, bitmaps in hex, packed digits)
DIALECTS = {
    "ascii-1987": ("ascii", True, False),
    "ascii-binary-bitmap-1987": ("ascii", False, False),
    "bcd-1987": ("ascii", False, True),
    "ebcdic-1987": ("cp037", False, False),
}


def spec_of(characters, hex_bitmap, packed):
    """pyiso8583's own table of elements, written as the dialect writes it."""
    spec = copy.deepcopy(THEIR_SPEC)
    for key, row in spec.items():
        row["data_enc"] = characters
        row["len_enc"] = "bcd" if packed else characters
        if key in ("p", "1"):
            row.update(data_enc="ascii", max_len=16) if hex_bitmap else row.update(data_enc="b", max_len=8)
        elif key == "t":
            row.update(data_enc="b" if packed else characters, max_len=2 if packed else 4)
        elif key != "h":
            element(int(key), row, packed)
    return spec


def element(number, row, packed):
    if number in OWN_TEXT:
        row["len_type"], row["max_len"] = OWN_TEXT[number]
    if number in OWN_BYTES:
        row["data_enc"] = "b"
        row["len_type"], row["max_len"] = OWN_BYTES[number]
    elif packed and number in SIGNED:
        # The sign is a character of its own: five or nine bytes in all.
        row.update(data_enc="b", max_len=1 + (row["max_len"] - 1) // 2)
    elif packed and number in NUMERIC | TRACKS:
        row.update(data_enc="b", len_count="nibbles", left_pad="0")
    if packed:
        row["len_type"] = (row["len_type"] + 1) // 2


def theirs(number, value, packed):
    """A canonical value as pyiso8583 wants it: hex digits where the wire has no characters."""
    if number in OWN_BYTES:
        return value.hex().upper()
    text = value.decode("ascii")
    if packed and number in TRACKS:
        return "".join("0123456789ABCDEF"[ord(character) - 0x30] for character in text)
    if packed and number in SIGNED:
        return text[0].encode().hex() + text[1:]
    return text


def sources():
    """messages.txt: name -> (MTI, {element: canonical value})."""
    messages = {}
    for line in (GOLDEN / "messages.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            current = messages.setdefault(line[1:-1], ["", {}])
            continue
        key, value = line.split(" ", 1)
        if key == "mti":
            current[0] = value
        else:
            is_text = value.startswith('"')
            current[1][int(key)] = value[1:-1].encode("ascii") if is_text else bytes.fromhex(value)
    return messages


def goldens(dialect):
    """A dialect's file: name -> bytes."""
    messages = {}
    for line in (GOLDEN / f"{dialect}.txt").read_text().splitlines():
        if line.startswith("["):
            name = line[1:-1]
            messages[name] = b""
        elif line.startswith("> "):
            messages[name] += bytes.fromhex(line[2:])
    return messages


def main():
    wrong = 0
    for dialect, (characters, hex_bitmap, packed) in DIALECTS.items():
        spec = spec_of(characters, hex_bitmap, packed)
        wire = goldens(dialect)
        messages = sources()
        if wire.keys() != messages.keys():
            sys.exit(f"{dialect}.txt has other messages than messages.txt")
        for name, (mti, values) in messages.items():
            expected = {str(number): theirs(number, value, packed) for number, value in values.items()}
            expected["t"] = mti
            decoded, _ = iso8583.decode(wire[name], spec)
            for bitmap in ("h", "p", "1"):
                decoded.pop(bitmap, None)
            encoded, _ = iso8583.encode(dict(expected), spec)
            for what, found, wanted in (("read", decoded, expected), ("written", bytes(encoded), wire[name])):
                if found != wanted:
                    wrong += 1
                    print(f"{dialect} {name} {what}: {found}\ninstead of {wanted}", file=sys.stderr)
        print(f"{dialect}: {len(messages)} messages")
    if wrong:
        sys.exit(f"{wrong} differences")


if __name__ == "__main__":
    main()
