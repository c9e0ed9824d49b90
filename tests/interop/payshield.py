"""The simulated payShield beside psec: PINs and MACs that it is asked for by host commands.

    SIMULATORS=…/simulators tests/interop/payshield.py

The Python that runs this needs psec and cryptography; tests/run has both.
"""

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
from cryptography.utils import CryptographyDeprecationWarning

from bank import mac_of

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


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"payshield: done in {time.monotonic() - began:.1f} s")
