"""A bank core of docs/interface.md, written from that page alone, on pyiso8583 and psec: it checks MACs and PINs, and keeps
balances in memory.

    bank.py SETTINGS.json      prints "listens on HOST:PORT, …"; a line for each message that it was asked

The settings: id, mac_algorithm, mac_to_switch, mac_from_switch, pin_format, pin_key, pins (PAN to PIN), opening_minor; next_pin_key and
next_block, which it brings to the switch by 0800/101 once the switch has signed on; exchange_key, under which the switch sends it keys.
"""

import collections
import copy
import hmac
import json
import socket
import struct
import sys
import time
import warnings

import iso8583
import psec
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.utils import CryptographyDeprecationWarning
from iso8583.specs import default_ascii

SPEC = copy.deepcopy(default_ascii)
for _element in ("52", "64", "128"):
    SPEC[_element].update(data_enc="b", max_len=8)
SPEC["121"].update(data_enc="b", len_type=0, max_len=16)
SPEC["54"]["max_len"] = 120

# "Which elements stand in which message", switch to bank: always, and sometimes. MAC and bitmaps aside.
ASKED = {
    "0800": ({7, 11, 70}, {15, 120}),
    "0200": ({2, 3, 4, 7, 11, 12, 13, 15, 18, 22, 25, 32, 37, 41, 42, 43, 49, 100, 102}, {52, 103, 121}),
    "0420": ({2, 3, 4, 7, 11, 15, 32, 37, 39, 41, 42, 49, 90, 95, 100, 102}, set()),
    "0520": ({7, 11, 15, 50, *range(74, 90), 97}, set()),
}
ECHOED = {"0800": (7, 11, 70), "0200": (3, 4, 7, 11, 37, 41), "0420": (4, 7, 11, 37, 41), "0520": (7, 11, 15)}
# Of a day's totals those that this bank keeps: withdrawals, and those taken back.
COUNTS, AMOUNTS = {76: "debits", 77: "backs"}, {88: "debits", 89: "backs"}


def mac_of(algorithm, key, text):
    """The MAC by docs/interface.md#mac, 8 bytes."""
    if algorithm == "hmac-sha256":
        return hmac.digest(key, text, "sha256")[:8]
    if algorithm == "aes-cmac":
        return cmac(key, text)[:8]
    padding = {"retail": 1, "retail-padding-2": 2}[algorithm]
    return psec.mac.generate_retail_mac(key[:8], key[8:], text, padding)


def cmac(key, text):
    mac = CMAC(algorithms.AES(key))
    mac.update(text)
    return mac.finalize()


class Bank:
    def __init__(self, settings):
        self.settings = settings
        self.to_switch, from_switch, pin_key, next_pin_key = (
            bytes.fromhex(settings[name]) for name in ("mac_to_switch", "mac_from_switch", "pin_key", "next_pin_key"))
        # The switch may use the one before until it has answered.
        self.pin_keys = [next_pin_key, pin_key]
        self.from_switch = [from_switch]
        self.has_brought = False
        self.balances = {}
        self.answered = {}
        self.debited = {}
        # By DE15: the amounts of what was paid out, and of what came back.
        self.debits, self.backs = collections.defaultdict(list), collections.defaultdict(list)

    def serve(self):
        listener = socket.create_server(("127.0.0.1", 0))
        print(f"listens on 127.0.0.1:{listener.getsockname()[1]}, bank {self.settings['id']}", flush=True)
        while True:
            link, _ = listener.accept()
            with link:
                while (message := received(link)) is not None:
                    if (answer := self.answer(message)) is None:
                        continue
                    link.sendall(struct.pack(">H", len(answer)) + answer)
                    if not self.has_brought:
                        self.has_brought = True
                        key = {7: time.strftime("%m%d%H%M%S", time.gmtime()), 11: "900001"}
                        asked = self.encode("0800", {**key, 70: "101", 120: self.settings["next_block"]})
                        link.sendall(struct.pack(">H", len(asked)) + asked)

    def answer(self, message):
        fields, _ = iso8583.decode(message, SPEC)
        macs = [mac_of(self.settings["mac_algorithm"], key, message[:-8]).hex().upper() for key in self.from_switch]
        place = "128" if max(int(name) for name in fields if name.isdigit()) > 64 else "64"
        assert fields.pop(place) in macs, "a wrong MAC"
        asked = {int(name): value for name, value in fields.items() if name.isdigit() and name != "1"}
        if fields["t"] == "0810":
            check_value = cmac(self.pin_keys[0], bytes(16))[:5].hex().upper()
            assert (asked[11], asked[39], asked[120]) == ("900001", "00", check_value), asked
            print(json.dumps({"mti": "0810", "code": asked[39], "has": sorted(asked)}), flush=True)
            return None
        mti = fields["t"][:3] + "0"
        always, sometimes = ASKED[mti]
        assert always <= asked.keys() <= always | sometimes, f"{mti} with {sorted(asked)}"
        name = (asked[7], asked[11])
        if name not in self.answered:
            code = {"0800": lambda _: "00", "0520": lambda _: "00", "0200": self.debit, "0420": self.reverse}[mti](asked)
            self.answered[name] = code
            print(json.dumps({"mti": mti, "code": code, "has": sorted(asked)}), flush=True)
        said = {number: asked[number] for number in ECHOED[mti]} | {39: self.answered[name]}
        if mti == "0800" and asked[70] == "101":
            return self.taken(asked[120], said)
        if (mti, said[39]) == ("0200", "00"):
            said[38] = asked[37][-6:]
        if mti == "0520":
            said |= self.totals(asked)
        return self.encode(f"{mti[:2]}{int(mti[2]) + 1}0", said)

    def taken(self, block, said):
        """Takes a key in that the switch sends; the answer is still signed with the key of before."""
        header, key = psec.tr31.unwrap(bytes.fromhex(self.settings["exchange_key"]), block)
        kind = header.key_usage + header.mode_of_use
        check_value = cmac(key, bytes(16))[:3] if header.algorithm == "A" else psec.des.generate_kcv(key, 3)
        answer = self.encode("0810", said | {120: check_value.hex().upper()})
        if kind == "P0B":
            self.pin_keys.insert(0, key)
        elif kind == "M3V":
            self.from_switch.insert(0, key)
        else:
            assert kind == "M3G", header
            self.to_switch = key
        return answer

    def debit(self, asked):
        if (code := self.pin(asked)) != "00":
            return code
        amount, account = int(asked[4]), asked[102]
        left = self.balances.setdefault(account, self.settings["opening_minor"])
        if asked[3][:2] != "01":
            return "12"
        if left < amount:
            return "51"
        self.balances[account] = left - amount
        self.debited[(asked[11], asked[7])] = account, amount
        self.debits[asked[15]].append(amount)
        return "00"

    def pin(self, asked):
        """What the bank's own module does: 55 for a wrong PIN, 88 where none comes out."""
        element, other = (121, 52) if self.settings["pin_format"] == 4 else (52, 121)
        if other in asked or element not in asked:
            return "30"
        block, pan = bytes.fromhex(asked[element]), asked[2]
        for key in self.pin_keys:
            try:
                if self.settings["pin_format"] == 4:
                    entered = psec.pinblock.decipher_pinblock_iso_4(key, block, pan)
                else:
                    entered = psec.pinblock.decode_pinblock_iso_0(psec.des.decrypt_tdes_ecb(key, block), pan)
            except ValueError:
                continue
            return "00" if entered == self.settings["pins"][pan] else "55"
        return "88"

    def reverse(self, asked):
        account, amount = self.debited.pop((asked[90][4:10], asked[90][10:20]), (None, 0))
        if account is None:
            return "25"
        self.balances[account] += amount - int(asked[95][:12])
        self.backs[asked[15]].append(amount - int(asked[95][:12]))
        return "00"

    def totals(self, asked):
        """What the day comes to here, and whether the switch has the same."""
        kept = {name: getattr(self, name)[asked[15]] for name in ("debits", "backs")}
        said = {number: f"{len(kept[name]):010}" for number, name in COUNTS.items()}
        said |= {number: f"{sum(kept[name]):016}" for number, name in AMOUNTS.items()}
        return said | {66: "1" if all(asked[number] == value for number, value in said.items()) else "2"}

    def encode(self, mti, elements):
        fields = {"t": mti, **{str(number): value for number, value in elements.items()}}
        fields["128" if max(elements) > 64 else "64"] = "0" * 16
        unsigned = bytes(iso8583.encode(fields, SPEC)[0])[:-8]
        return unsigned + mac_of(self.settings["mac_algorithm"], self.to_switch, unsigned)


def received(link):
    """The next message; None at the end of the connection."""
    length = 0
    while length == 0:
        if (head := exactly(link, 2)) is None:
            return None
        (length,) = struct.unpack(">H", head)
    return exactly(link, length)


def exactly(link, count):
    read = b""
    while len(read) < count:
        try:
            part = link.recv(count - len(read))
        except ConnectionResetError:
            return None
        if not part:
            return None
        read += part
    return read


if __name__ == "__main__":
    # psec asks cryptography for triple DES where that says it is old.
    warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
    with open(sys.argv[1]) as file:
        Bank(json.load(file)).serve()
