"""A terminal with a PIN pad, on pyiso8583, psec and cryptography: withdrawals with PIN and MAC.

    pins.py SETUP.json      as tests/interop/run writes it
"""

import hmac
import json
import secrets
import struct
import subprocess
import sys
import warnings

import psec
from cryptography.utils import CryptographyDeprecationWarning

from client import Day
from terminal import security_object, template


class PinDay(Day):
    """The steps, in order."""

    def __init__(self, setup):
        super().__init__(setup)
        self.pad_key = bytes.fromhex(setup["pad_key"])
        self.pin = setup["pin"]
        self.exchange_key = bytes.fromhex(setup["exchange_key"])

    def run(self):
        self.terminal.dial()
        self.sign_on()
        self.verification("63")
        self.verified(security_object(self.card))
        for step in (
            self.right_pin, self.wrong_pin, self.no_pin, self.no_block, self.key_exchange, self.sent_keys,
            self.brought_mac_keys, self.reversal,
        ):
            print(f"-- {step.__name__.replace('_', ' ')}: {step.__doc__}", flush=True)
            step()
        self.terminal.close()

    def right_pin(self):
        """DE52 under the pad's key; the bank gets its own block of format 4 in DE121, and the PIN is the card's"""
        request, answer = self.with_pin("00", 2_000_000, self.block(self.pin))
        self.expect("00", "0220", self.terminal.advice(request, answer))
        assert self.expect("00", "0201", request) == answer

    def wrong_pin(self):
        """the bank says 55, and the reference serves again"""
        reference = self.verified()
        self.with_pin("55", 500_000, self.block("9" + self.pin[1:] if self.pin[0] != "9" else "8" + self.pin[1:]), reference)
        request, answer = self.with_pin("00", 500_000, self.block(self.pin), reference)
        self.expect("00", "0220", self.terminal.advice(request, answer))

    def no_pin(self):
        """55 before anybody is asked"""
        self.withdrawal("55", 600_000, self.verified())

    def no_block(self):
        """88: eight bytes that are no block under the pad's key, and a block for another card's PAN"""
        self.with_pin("88", 700_000, "00" * 8)
        self.with_pin("88", 800_000, self.block(self.pin, self.card.pan[:-6] + "999999"))

    def key_exchange(self):
        """0800/101: the next PIN key as a key block; the one before it is read for a day, and neither comes back"""
        before, self.pad_key = self.pad_key, secrets.token_bytes(16)
        block = self.wrapped("P0", "B", "02", self.pad_key)
        check_value = psec.des.generate_kcv(self.pad_key, 3).hex().upper()
        assert self.brought(block, "00")[120] == check_value
        for key in (self.pad_key, before):
            request, answer = self.with_pin("00", 100_000, self.block(self.pin, key=key))
            self.expect("00", "0220", self.terminal.advice(request, answer))
        assert self.brought(block, "00")[120] == check_value, "a repeat changes nothing"
        for refused in (
            self.wrapped("P0", "B", "02", before), self.wrapped("P0", "B", "01", before), self.wrapped("P0", "E", "03", before),
            self.wrapped("P0", "B", "13", before), self.wrapped_aes("03"), self.wrapped("M3", "C", "03", before),
            self.wrapped("P0", "B", "03", secrets.token_bytes(16), secrets.token_bytes(32)), "D0016", "x",
        ):
            assert 120 not in self.brought(refused, "88")
        self.expect("30", "0800", {**self.terminal.key(), 41: self.terminal.id, 70: "101"})

    def sent_keys(self):
        """`keys rotate --send`: the switch sends 0800/101, and uses the key at the 0810 that says its check value"""
        for role, header_says in (("pin", "P0TB"), ("mac-from-switch", "M7HV"), ("mac-to-switch", "M7HG")):
            name = f"terminal.{self.terminal.id}.{role}"
            told = subprocess.Popen(
                (self.setup["switch_program"], "keys", "rotate", name, "--send", "--config", self.setup["configuration"]),
                stdout=subprocess.PIPE, text=True)
            asked = self.terminal.receive()
            assert asked.keys() == {"t", 7, 11, 41, 70, 120} and (asked["t"], asked[70]) == ("0800", "101"), asked
            header, key = psec.tr31.unwrap(self.exchange_key, asked[120])
            assert header.key_usage + header.algorithm + header.mode_of_use == header_says, header
            check_value = psec.des.generate_kcv(key, 3) if role == "pin" else hmac.digest(key, bytes(16), "sha256")[:3]
            said = {number: asked[number] for number in (7, 11, 41, 70)} | {39: "00", 120: check_value.hex().upper()}
            answer = self.terminal.encode("0810", said)
            self.terminal.send(struct.pack(">H", len(answer)) + answer)
            self.take(role, key)
            assert told.communicate(timeout=30)[0] == "done\n" and told.returncode == 0
            self.withdrawn()

    def brought_mac_keys(self):
        """0800/101 with a MAC key for each direction; one for both directions is 88"""
        for role, mode in (("mac-to-switch", "V"), ("mac-from-switch", "G")):
            key = secrets.token_bytes(32)
            header = psec.tr31.Header("D", "M7", "H", mode, "02", "N")
            answer = self.brought(psec.tr31.wrap(self.exchange_key, header, key), "00")
            assert answer[120] == hmac.digest(key, bytes(16), "sha256")[:3].hex().upper(), answer
            self.take(role, key)
            self.withdrawn()
        both = psec.tr31.Header("D", "M7", "H", "C", "03", "N")
        self.brought(psec.tr31.wrap(self.exchange_key, both, secrets.token_bytes(32)), "88")

    def take(self, role, key):
        if role == "pin":
            self.pad_key = key
        else:
            self.terminal.use(**{role.replace("mac-", "").replace("-", "_"): key})

    def withdrawn(self):
        request, answer = self.with_pin("00", 100_000, self.block(self.pin))
        self.expect("00", "0220", self.terminal.advice(request, answer))

    def wrapped(self, usage, mode, version, key, under=None):
        header = psec.tr31.Header("D", usage, "T", mode, version, "N")
        return psec.tr31.wrap(under or self.exchange_key, header, key)

    def wrapped_aes(self, version):
        header = psec.tr31.Header("D", "P0", "A", "B", version, "N")
        return psec.tr31.wrap(self.exchange_key, header, secrets.token_bytes(16))

    def brought(self, block, code):
        return self.expect(code, "0800", {**self.terminal.key(), 41: self.terminal.id, 70: "101", 120: block})

    def reversal(self):
        """approved, nothing came out: the bank gives it back"""
        request, answer = self.with_pin("00", 900_000, self.block(self.pin))
        self.expect("00", "0420", self.terminal.advice(request, answer, de39="22"))

    def block(self, pin, pan=None, key=None):
        clear = psec.pinblock.encode_pinblock_iso_0(pin, pan or self.card.pan)
        return psec.des.encrypt_tdes_ecb(key or self.pad_key, clear).hex()

    def with_pin(self, code, amount, block, reference=None):
        request = self.money(amount, de112=template({"DF30": reference or self.verified()}), de52=block)
        return request, self.expect(code, "0200", request)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
    with open(sys.argv[1]) as file:
        PinDay(json.load(file)).run()
