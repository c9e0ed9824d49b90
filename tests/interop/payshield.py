"""The simulated payShield beside psec and pydukpt: PINs, MACs, keys made, taken in and handed out, asked for by host commands.

    SIMULATORS=…/simulators tests/interop/payshield.py

The Python that runs this needs psec, pydukpt and cryptography; tests/run has all three.
"""

import hmac
import os
import pathlib
import re
import secrets
import socket
import struct
import subprocess
import tempfile
import time
import warnings

import psec
import pydukpt
from cryptography.utils import CryptographyDeprecationWarning

from bank import cmac, mac_of
from keys import aes_dukpt_derive

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")) / "debug"
SIMULATORS = pathlib.Path(os.environ.get("SIMULATORS", TARGET / "simulators")).resolve()

START_S_MAX = 30
ROUNDS = 100
PAN = "9704990012030000017"
CODES = {0: "01", 3: "47", 4: "48"}


class Box:
    """A connection of a host."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=START_S_MAX)
        self.number = 0

    def ask(self, command, fields):
        """The error code, and what follows it."""
        self.number = (self.number + 1) % 10_000
        message = f"{self.number:04}{command}".encode() + fields
        self.socket.sendall(struct.pack(">H", len(message)) + message)
        (length,) = struct.unpack(">H", self.exactly(2))
        answer = self.exactly(length)
        assert answer[:4] == message[:4] and answer[4:6].decode() == command[0] + chr(ord(command[1]) + 1), answer
        return answer[6:8].decode(), answer[8:]

    def exactly(self, count):
        read = b""
        while len(read) < count:
            part = self.socket.recv(count - len(read))
            assert part, "the box has closed the connection"
            read += part
        return read


def main():
    warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
    with tempfile.TemporaryDirectory(prefix="payshield-") as directory:
        directory = pathlib.Path(directory)
        keys = {f"terminal.HN00000{number}.pin": ("P0A" if number == 4 else "P0T", secrets.token_bytes(16)) for number in CODES}
        keys |= {f"bank.97041{number}.pin": ("P0A" if number == 4 else "P0T", secrets.token_bytes(16)) for number in CODES}
        keys["bank.1.mac-from-switch"] = ("M3T", secrets.token_bytes(16))
        keys["bank.2.mac-from-switch"] = ("M6A", secrets.token_bytes(16))
        keys["bank.3.mac-from-switch"] = ("M7H", secrets.token_bytes(32))
        keys["terminal.HN00000T.derivation"] = ("B0T", secrets.token_bytes(16))
        keys["terminal.HN00000A.derivation"] = ("B0A", secrets.token_bytes(16))
        keys["bank.970418.exchange"] = ("K1A", secrets.token_bytes(32))
        lines = "".join(f"{name} {kind} {key.hex()}\n" for name, (kind, key) in keys.items())
        (directory / "clear").write_text(lines)
        command = (SIMULATORS, "payshield", "--seed", "1", "--keys", directory / "clear", "--tokens", directory / "tokens")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = re.search(r"listens on (\S+),", process.stdout.readline())[1]
            tokens = dict(line.split()[:2] for line in (directory / "tokens").read_text().splitlines())
            box = Box(address)
            assert box.ask("B2", b"0004ping") == ("00", b"ping")
            assert box.ask("ZZ", b"")[0] == "68"
            pins(box, keys, tokens)
            macs(box, keys, tokens)
            derived_pins(box, keys, tokens)
            hmacs(box, keys, tokens)
            exchanged(box, keys, tokens)
        finally:
            process.terminate()
            process.wait(START_S_MAX)


def pins(box, keys, tokens):
    """Each format to each: psec enciphers, the box translates, psec deciphers."""
    count = 0
    for _ in range(ROUNDS // 10):
        for one in CODES:
            for other in CODES:
                pin = f"{secrets.randbelow(10 ** 6):06}"[:4 + secrets.randbelow(3)]
                source, target = f"terminal.HN00000{one}.pin", f"bank.97041{other}.pin"
                block = encipher(one, keys[source][1], pin)
                account = f"{PAN};" if 4 in (one, other) else PAN[-13:-1]
                fields = tokens[source] + tokens[target] + "12" + block.hex().upper() + CODES[one] + CODES[other] + account
                code, data = box.ask("CA", fields.encode())
                assert code == "00", f"format {one} to {other}: error {code}"
                assert (data[:2].decode(), data[-2:].decode()) == (f"{len(pin):02}", CODES[other]), data
                assert decipher(other, keys[target][1], bytes.fromhex(data[2:-2].decode())) == pin
                count += 1
    wrong = tokens["terminal.HN000000.pin"] + tokens["bank.970410.pin"] + "12" + "00" * 8 + "0101" + PAN[-13:-1]
    assert box.ask("CA", wrong.encode())[0] == "20", "no PIN block"
    swapped = tokens["bank.1.mac-from-switch"] + tokens["bank.970410.pin"] + "12" + "00" * 8 + "0101" + PAN[-13:-1]
    assert box.ask("CA", swapped.encode())[0] == "10", "a key for something else"
    print(f"payshield: {count} PINs translated as psec reads them")


def encipher(number, key, pin):
    if number == 4:
        return psec.pinblock.encipher_pinblock_iso_4(key, pin, PAN)
    encode = {0: psec.pinblock.encode_pinblock_iso_0, 3: psec.pinblock.encode_pinblock_iso_3}[number]
    return psec.des.encrypt_tdes_ecb(key, encode(pin, PAN))


def decipher(number, key, block):
    if number == 4:
        return psec.pinblock.decipher_pinblock_iso_4(key, block, PAN)
    decode = {0: psec.pinblock.decode_pinblock_iso_0, 3: psec.pinblock.decode_pinblock_iso_3}[number]
    return decode(psec.des.decrypt_tdes_ecb(key, block), PAN)


def macs(box, keys, tokens):
    for algorithm, code, name in (
        ("retail", "31", "bank.1.mac-from-switch"), ("retail-padding-2", "32", "bank.1.mac-from-switch"),
        ("aes-cmac", "60", "bank.2.mac-from-switch"),
    ):
        for _ in range(ROUNDS):
            text = secrets.token_bytes(secrets.randbelow(500))
            expected = mac_of(algorithm, keys[name][1], text).hex().upper().encode()
            fields = f"001{code}FFF{tokens[name]}{len(text):04X}".encode() + text
            assert box.ask("M6", fields) == ("00", expected), algorithm
            assert box.ask("M8", fields + expected)[0] == "00"
            assert box.ask("M8", fields + (b"0" if expected[:1] != b"0" else b"1") + expected[1:])[0] == "01"
    print(f"payshield: {3 * ROUNDS} MACs as psec and cryptography make them")


def aes_transaction_key(base, id_, count):
    """The PIN key of one transaction by AES-DUKPT, for a counter with one bit set."""
    key = aes_dukpt_derive(base, 0x8001, 2, 16, id_)
    context = id_[4:] + count.to_bytes(4, "big")
    return aes_dukpt_derive(aes_dukpt_derive(key, 0x8000, 2, 16, context), 0x1000, 2, 16, context)


def derived_pins(box, keys, tokens):
    """G0: enciphered under the key of one transaction as pydukpt, or the rule of X9.24-3 in Python, derives it."""
    count = 0
    for place in range(ROUNDS // 10):
        pin = f"{secrets.randbelow(10 ** 6):06}"
        target = "bank.970410.pin"
        ksn = pydukpt.ksn_with_counter(secrets.token_bytes(10), 1 << place)
        base = keys["terminal.HN00000T.derivation"][1]
        key = pydukpt.pin_key(pydukpt.derive_key(pydukpt.derive_ipek(base, ksn), ksn))
        id_ = secrets.token_bytes(8)
        aes = aes_transaction_key(keys["terminal.HN00000A.derivation"][1], id_, 1 << place)
        for terminal, descriptor, serial, number, key in (
            ("T", "A05", ksn, 0, key), ("A", "808", id_ + (1 << place).to_bytes(4, "big"), 4, aes),
        ):
            block = encipher(number, key, pin)
            account = f"{PAN};" if number == 4 else PAN[-13:-1]
            fields = tokens[f"terminal.HN00000{terminal}.derivation"] + tokens[target] + descriptor + serial.hex().upper()
            fields += block.hex().upper() + CODES[number] + "01" + account
            code, data = box.ask("G0", fields.encode())
            assert (code, data[:2], data[-2:]) == ("00", b"06", b"01"), (terminal, code, data)
            assert decipher(0, keys[target][1], bytes.fromhex(data[2:-2].decode())) == pin
            count += 1
    print(f"payshield: {count} PINs of pads that derive their keys translated as psec reads them")


def hmacs(box, keys, tokens):
    key, token = keys["bank.3.mac-from-switch"][1], tokens["bank.3.mac-from-switch"]
    for _ in range(ROUNDS):
        text = secrets.token_bytes(secrets.randbelow(500))
        expected = hmac.digest(key, text, "sha256")
        behind = f"04{len(token):04}{token};{len(text):05}".encode() + text
        assert box.ask("LQ", b"060032" + behind) == ("00", b"0032" + expected)
        assert box.ask("LS", b"060008" + expected[:8] + behind)[0] == "00"
        assert box.ask("LS", b"060008" + bytes((expected[0] ^ 1,)) + expected[1:8] + behind)[0] == "01"
    print(f"payshield: {ROUNDS} HMACs as Python makes them")


def exchanged(box, keys, tokens):
    """A0 and A8: psec opens what the box has made; A6: the box takes what psec has wrapped, and uses it; BU: check values."""
    protection, exchange = keys["bank.970418.exchange"][1], tokens["bank.970418.exchange"]
    assert box.ask("BU", f"FFF{exchange};FFF;001".encode()) == ("00", cmac(protection, bytes(16))[:3].hex().upper().encode())
    kinds = {"P0T2B": 16, "P0T3B": 24, "P0A1B": 16, "M6A3C": 32, "B0A1X": 16, "M3T2C": 16}
    for version, (kind, length) in enumerate(kinds.items(), 1):
        code, data = box.ask("A0", f"0FFFS#{kind}{version:02}E00".encode())
        assert code == "00", (kind, code)
        token, told = data[:-6].decode(), data[-6:].decode()
        code, data = box.ask("A8", f"FFF{exchange}{token}R&N!D".encode())
        assert (code, data[:1], data[-6:].decode()) == ("00", b"R", told), (kind, code)
        header, key = psec.tr31.unwrap(protection, data[1:-6].decode())
        said = header.key_usage + header.algorithm + header.mode_of_use + header.version_num + header.exportability
        assert said == f"{kind[:3]}{kind[4]}{version:02}N" and len(key) == length, (kind, said)
        value = psec.des.generate_kcv(key, 3) if kind[2] == "T" else cmac(key, bytes(16))[:3]
        assert value.hex().upper() == told, kind
    code, data = box.ask("L0", b"0603003204#01E00")
    assert code == "00"
    code, data = box.ask("A8", f"FFF{exchange}{data[4:].decode()}R&N!D".encode())
    header, key = psec.tr31.unwrap(protection, data[1:-6].decode())
    assert (code, header.key_usage, len(key)) == ("00", "M7", 32)
    assert hmac.digest(key, bytes(16), "sha256")[:3].hex().upper() == data[-6:].decode()

    own = secrets.token_bytes(16)
    block = psec.tr31.KeyBlock(protection, psec.tr31.Header("D", "P0", "A", "B", "05", "E")).wrap(own)
    code, data = box.ask("A6", f"FFF{exchange}R{block}S".encode())
    assert (code, data[-6:].decode()) == ("00", cmac(own, bytes(16))[:3].hex().upper()), code
    fields = tokens["terminal.HN000000.pin"] + data[:-6].decode() + "12"
    fields += encipher(0, keys["terminal.HN000000.pin"][1], "123456").hex().upper() + "0148" + PAN + ";"
    code, data = box.ask("CA", fields.encode())
    assert code == "00" and decipher(4, own, bytes.fromhex(data[2:-2].decode())) == "123456"
    flipped = block[:-1] + ("0" if block[-1] != "0" else "1")
    assert box.ask("A6", f"FFF{exchange}R{flipped}S".encode())[0] != "00", "a key block that was changed"
    print(f"payshield: {len(kinds) + 1} keys that it made opened by psec, one of psec's used by it")


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"payshield: done in {time.monotonic() - began:.1f} s")
