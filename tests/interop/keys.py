"""PIN blocks, MACs, key blocks, check values and DUKPT keys of the crate `keys` beside psec, pydukpt and cryptography.

    KEYS_BY_LINE=…/examples/keys_by_line tests/interop/keys.py [SEED]

It needs psec, pydukpt and cryptography (tests/run has all three) and the example of the crate:

    cargo build -p keys --example keys_by_line

What is random comes from the seed, but for what the packages draw by themselves.
"""

import hmac
import json
import os
import pathlib
import random
import subprocess
import sys
import warnings

import psec
import pydukpt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.utils import CryptographyDeprecationWarning

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")) / "debug"
KEYS_BY_LINE = pathlib.Path(os.environ.get("KEYS_BY_LINE", TARGET / "examples/keys_by_line")).resolve()

ROUNDS = 300
KEY_BLOCKS_A_ROUND = 5
SECONDS_MAX = 120
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 2022


class Asked:
    """Questions, asked at once; each has the answer that is expected, or what has to hold for the answer."""

    def __init__(self):
        self.rows = []

    def that(self, kind, expected, **request):
        self.rows.append((kind, {"do": kind.split()[0], **request}, expected))

    def judge(self):
        lines = "".join(json.dumps(request) + "\n" for _, request, _ in self.rows)
        ended = subprocess.run((KEYS_BY_LINE,), input=lines, capture_output=True, text=True, timeout=SECONDS_MAX)
        answers = [json.loads(line) for line in ended.stdout.splitlines()]
        if ended.returncode != 0 or len(answers) != len(self.rows):
            raise SystemExit(f"keys_by_line ended with {ended.returncode} after {len(answers)} answers:\n{ended.stderr}")
        counts, wrong = {}, 0
        for (kind, request, expected), answer in zip(self.rows, answers):
            good = expected(answer) if callable(expected) else answer == expected
            counts[kind] = counts.get(kind, 0) + 1
            if not good:
                wrong += 1
                print(f"{kind}: {request}\n  answered {answer}, not {expected}")
        for kind, count in counts.items():
            print(f"{kind}: {count}")
        return wrong


def main():
    # psec asks cryptography for triple DES where that says it is old.
    warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
    chance = random.Random(SEED)
    asked = Asked()
    for _ in range(ROUNDS):
        pins(asked, chance)
        macs(asked, chance)
        check_values(asked, chance)
        for _ in range(KEY_BLOCKS_A_ROUND):
            key_blocks(asked, chance)
        dukpt_tdes(asked, chance)
        dukpt_aes(asked, chance)
    refused(asked, chance)
    wrong = asked.judge()
    if wrong:
        raise SystemExit(f"{wrong} answers of seed {SEED} are wrong")
    print(f"keys: {len(asked.rows)} answers agree, seed {SEED}")


def digits(chance, shortest, longest):
    return "".join(chance.choices("0123456789", k=chance.randint(shortest, longest)))


def tdes_key(chance, bytes_):
    """Random bytes whose parts differ, as a triple DES key's have to."""
    while True:
        key = chance.randbytes(bytes_)
        parts = [bytes(byte & 0xFE for byte in key[at:at + 8]) for at in range(0, bytes_, 8)]
        if all(one != two for one, two in zip(parts, parts[1:])):
            return key


def pin_key(chance, format_):
    return chance.randbytes(chance.choice((16, 32))) if format_ == 4 else tdes_key(chance, chance.choice((16, 24)))


def psec_encipher(format_, key, pin, pan):
    if format_ == 4:
        return psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)
    encode = {0: psec.pinblock.encode_pinblock_iso_0, 3: psec.pinblock.encode_pinblock_iso_3}[format_]
    return psec.des.encrypt_tdes_ecb(key, encode(pin, pan))


def psec_decipher(format_, key, block, pan):
    if format_ == 4:
        return psec.pinblock.decipher_pinblock_iso_4(key, block, pan)
    decode = {0: psec.pinblock.decode_pinblock_iso_0, 3: psec.pinblock.decode_pinblock_iso_3}[format_]
    return decode(psec.des.decrypt_tdes_ecb(key, block), pan)


def pins(asked, chance):
    """Theirs is read by ours, ours by theirs, and a block of theirs that we translate is read by theirs."""
    pin, pan = digits(chance, 4, 12), digits(chance, 13, 19)
    for format_ in (0, 3, 4):
        key = pin_key(chance, format_)
        common = {"format": format_, "key": key.hex(), "pan": pan}
        block = psec_encipher(format_, key, pin, pan)
        asked.that(f"decipher format {format_}", {"pin": pin}, block=block.hex(), **common)

        def is_ours(answer, format_=format_, key=key):
            return psec_decipher(format_, key, bytes.fromhex(answer["block"]), pan) == pin

        asked.that(f"encipher format {format_}", is_ours, pin=pin, random=chance.randbytes(8).hex(), **common)
        to_format = chance.choice((0, 3, 4))
        to_key = pin_key(chance, to_format)

        def is_translated(answer, to_format=to_format, to_key=to_key):
            return psec_decipher(to_format, to_key, bytes.fromhex(answer["block"]), pan) == pin

        asked.that(f"translate format {format_} to {to_format}", is_translated, block=block.hex(),
                   to_format=to_format, to_key=to_key.hex(), random=chance.randbytes(8).hex(), **common)


def cmac(key, text):
    mac = CMAC(algorithms.AES(key))
    mac.update(text)
    return mac.finalize()


def macs(asked, chance):
    text = chance.randbytes(chance.choice((0, 1, 7, 8, 9, 400, chance.randint(0, 600))))
    key = tdes_key(chance, 16)
    for padding in (1, 2):
        theirs = psec.mac.generate_retail_mac(key[:8], key[8:], text, padding)
        asked.that(f"mac retail-{padding}", {"mac": upper(theirs)}, mac=f"retail-{padding}", key=key.hex(), text=text.hex())
    key = chance.randbytes(chance.choice((16, 24, 32)))
    asked.that("mac cmac", {"mac": upper(cmac(key, text)[:8])}, mac="cmac", key=key.hex(), text=text.hex())
    key = chance.randbytes(chance.randint(16, 64))
    theirs = hmac.digest(key, text, "sha256")[:8]
    asked.that("mac hmac", {"mac": upper(theirs)}, mac="hmac", key=key.hex(), text=text.hex())


def check_values(asked, chance):
    key = tdes_key(chance, chance.choice((16, 24)))
    theirs = psec.des.generate_kcv(key, 3)
    asked.that("check_value TDES", {"check_value": upper(theirs)}, algorithm="T", key=key.hex())
    key = chance.randbytes(chance.choice((16, 24, 32)))
    asked.that("check_value AES", {"check_value": upper(cmac(key, bytes(16))[:5])}, algorithm="A", key=key.hex())
    key = chance.randbytes(chance.randint(16, 64))
    theirs = hmac.digest(key, bytes(16), "sha256")[:3]
    asked.that("check_value HMAC", {"check_value": upper(theirs)}, algorithm="H", key=key.hex())


# usage, algorithm, modes of use, lengths
KINDS = (
    ("P0", "T", "BDEN", (16, 24)), ("P0", "A", "BDEN", (16, 24, 32)), ("M3", "T", "CGVN", (16,)),
    ("M6", "A", "CGVN", (16, 24, 32)), ("M7", "H", "CGVN", (16, 20, 30, 32, 64)), ("B0", "A", "XN", (16, 32)),
    ("B0", "T", "XN", (16,)), ("B1", "A", "XN", (16, 32)), ("K0", "A", "BDEN", (32,)), ("K1", "A", "BDEN", (16, 32)),
    ("D0", "A", "BDEN", (16, 24, 32)),
)


def key_blocks(asked, chance):
    """Theirs is unwrapped by ours and ours by theirs, header and optional blocks included."""
    usage, algorithm, modes_, lengths = chance.choice(KINDS)
    length = chance.choice(lengths)
    key = tdes_key(chance, length) if algorithm == "T" else chance.randbytes(length)
    longest = 16 if algorithm == "T" else min(length, 32)
    protection = chance.randbytes(chance.choice([one for one in (16, 24, 32) if one >= longest]))
    mode, version, exportability = chance.choice(modes_), chance.randint(0, 99), chance.choice("ENS")
    optional = {}
    if algorithm == "H":
        optional["HM"] = "21"
    for id_ in chance.sample(("KS", "KV", "TS", "LB", "10"), chance.randint(0, 3)):
        optional[id_] = "".join(chance.choices("0123456789ABCDEFabc .-", k=chance.randint(0, 60)))
    header = psec.tr31.Header("D", usage, algorithm, mode, f"{version:02}", exportability)
    for id_, content in optional.items():
        header.blocks[id_] = content
    masked = chance.choice((None, length))
    block = psec.tr31.KeyBlock(protection, header).wrap(key, masked)
    said = {"algorithm": algorithm, "mode": mode, "version": version, "exportability": exportability,
            "optional": optional}
    asked.that(f"unwrap {usage}", {"key": upper(key), **said}, protection=protection.hex(), usage=usage, block=block)

    def is_ours(answer):
        header, clear = psec.tr31.unwrap(protection, answer["block"])
        theirs = {"algorithm": header.algorithm, "mode": header.mode_of_use, "version": int(header.version_num),
                  "exportability": header.exportability, "optional": dict(header.blocks)}
        return clear == key and theirs == said and header.key_usage == usage and header.version_id == "D"

    asked.that(f"wrap {usage}", is_ours, protection=protection.hex(), usage=usage, key=key.hex(),
               random=chance.randbytes(32).hex(), **said)


PURPOSES = {"pin": pydukpt.pin_key, "mac-from-terminal": pydukpt.mac_request_key,
            "mac-to-terminal": pydukpt.mac_response_key}


def counter(chance, bits, most):
    """A counter that a terminal can have: at least one bit set, and not too many."""
    return sum(1 << place for place in chance.sample(range(bits), chance.randint(1, most)))


def dukpt_tdes(asked, chance):
    base = tdes_key(chance, 16)
    ksn = pydukpt.ksn_with_counter(chance.randbytes(10), counter(chance, 21, 10))
    key = pydukpt.derive_key(pydukpt.derive_ipek(base, ksn), ksn)
    for purpose, variant in PURPOSES.items():
        asked.that(f"dukpt_tdes {purpose}", {"key": upper(variant(key))}, base=base.hex(), ksn=ksn.hex(), purpose=purpose)


def aes_dukpt_derive(key, usage, algorithm, bytes_, context):
    """X9.24-3, 6.3: one block of derivation data for each 16 bytes, encrypted."""
    derived = b""
    for number in (1, 2):
        data = bytes((1, number)) + usage.to_bytes(2, "big") + algorithm.to_bytes(2, "big")
        data += (8 * bytes_).to_bytes(2, "big") + context
        derived += Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(data)
    return derived[:bytes_]


def dukpt_aes(asked, chance):
    """No package has AES-DUKPT: the rule again in this language, for counters and lengths beyond the published ones."""
    bytes_of = {16: 2, 24: 3, 32: 4}
    base = chance.randbytes(chance.choice(list(bytes_of)))
    id_, count = chance.randbytes(8), counter(chance, 32, 16)
    own = bytes_of[len(base)]
    key = aes_dukpt_derive(base, 0x8001, own, len(base), id_)
    counted = 0
    for place in reversed(range(32)):
        if count >> place & 1:
            counted |= 1 << place
            key = aes_dukpt_derive(key, 0x8000, own, len(base), id_[4:] + counted.to_bytes(4, "big"))
    context = id_[4:] + count.to_bytes(4, "big")
    bytes_ = chance.choice([one for one in bytes_of if one <= len(base)])
    for purpose, usage, algorithm in (
        ("pin", 0x1000, "A"), ("mac-from-terminal", 0x2000, "A"), ("mac-to-terminal", 0x2001, "A"),
        ("mac-both-ways", 0x2002, "A"), ("mac-from-terminal", 0x2000, "H"), ("mac-both-ways", 0x2002, "H"),
    ):
        theirs = aes_dukpt_derive(key, usage, 5 if algorithm == "H" else bytes_of[bytes_], bytes_, context)
        asked.that(f"dukpt_aes {purpose} {algorithm}", {"key": upper(theirs)}, base=base.hex(), purpose=purpose,
                   ksn=(id_ + count.to_bytes(4, "big")).hex(), algorithm=algorithm, bytes=bytes_)


def refused(asked, chance):
    """Blocks of theirs that are wrong by one bit, and PIN blocks under another PAN in format 4."""
    protection, key = chance.randbytes(32), chance.randbytes(32)
    header = psec.tr31.Header("D", "P0", "A", "E", "07", "N")
    block = psec.tr31.KeyBlock(protection, header).wrap(key).encode()
    for at in range(len(block)):
        flipped = block[:at] + bytes((block[at] ^ 1 << chance.randrange(7),)) + block[at + 1:]
        asked.that("unwrap flipped", lambda answer: set(answer) == {"error"}, protection=protection.hex(), usage="P0",
                   block=flipped.decode())
    pin, pan, key = digits(chance, 4, 12), digits(chance, 13, 19), chance.randbytes(16)
    block = psec_encipher(4, key, pin, pan)
    for at in range(len(pan)):
        other = pan[:at] + str((int(pan[at]) + chance.randint(1, 9)) % 10) + pan[at + 1:]
        unreadable = {"error": "the PIN block cannot be read under this key, format and PAN"}
        asked.that("decipher format 4 of another PAN", unreadable, format=4, key=key.hex(), pan=other, block=block.hex())


def upper(value):
    return value.hex().upper()


if __name__ == "__main__":
    main()
