"""A terminal of docs/interface.md, written from that page alone, on pyiso8583 and cryptography.

It builds, signs, sends, receives and checks messages; what is sent and what must come back is the caller's.
"""

import copy
import datetime
import hashlib
import hmac
import json
import socket
import ssl
import struct
import urllib.request

import iso8583
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from iso8583.specs import default_ascii

ANSWER_S_MAX = 30
FRAME_BYTES_MAX = 40_960
SOD_PART_BYTES_MAX = 999

SPEC = copy.deepcopy(default_ascii)
for _element in ("52", "64", "128"):
    SPEC[_element].update(data_enc="b", max_len=8)
for _element in ("112", "113", "114", "115"):
    SPEC[_element].update(data_enc="b")
SPEC["54"]["max_len"] = 120

# Section 2, "Which elements stand in which message": always, and sometimes. MAC and bitmaps aside.
ANSWER_ELEMENTS = {
    "0810": ({7, 11, 39, 41, 70}, {112, 120}),
    "0110": ({2, 3, 7, 11, 12, 13, 32, 39, 41, 42}, {37, 112}),
    "0210": ({2, 3, 4, 7, 11, 12, 13, 32, 39, 41, 42, 49}, {15, 37, 38, 54, 62, 100, 112}),
    "0510": ({7, 11, 39, 41, 66}, {15, 50, *range(74, 90), 97}),
    "0230": ({2, 3, 4, 7, 11, 12, 13, 32, 39, 41, 42, 49}, {15, 37}),
    "0430": ({2, 3, 4, 7, 11, 12, 13, 32, 39, 41, 42, 49}, {15, 37}),
}
# Those that are not a transaction's, and so may have no RRN.
CODES_WITHOUT_RRN = {"12", "14", "30", "94"}


class Closed(Exception):
    """The switch has closed the connection."""


class Card:
    """What a reader finds on a citizen's card, and a key that stands for its chip."""

    def __init__(self, exported, iin):
        self.number = exported["citizen_number"]
        self.pan = with_luhn(iin + self.number)
        self.dg1, self.dg15, self.sod = (bytes.fromhex(exported[name]) for name in ("dg1", "dg15", "sod"))
        self._key = ec.derive_private_key(int(exported["chip_key"], 16), ec.SECP256R1())

    def sign(self, challenge):
        """Active authentication: r and s, 32 bytes each."""
        r, s = utils.decode_dss_signature(self._key.sign(challenge, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Registry:
    """The side door of the simulated registry (docs/decisions/0006-registry.md): biometric sessions for DF32."""

    def __init__(self, url, ca_file):
        self._url = url + "/v1/biometric-sessions"
        self._context = ssl.create_default_context(cafile=ca_file)

    def session(self, card, terminal_id, score=97):
        asked = {"citizen_number": card.number, "terminal_id": terminal_id, "score": score}
        request = urllib.request.Request(
            self._url, json.dumps(asked).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
            return bytes.fromhex(json.load(answer)["session"])


class Terminal:
    """One terminal and its connection."""

    def __init__(self, setup):
        self.id, self.acquirer = setup["id"], setup["acquirer"]
        self._to_switch = bytes.fromhex(setup["mac_to_switch"])
        # While a key is exchanged the one before it is good as well.
        self._from_switch = [bytes.fromhex(setup["mac_from_switch"])]
        self._challenge_key = bytes.fromhex(setup["challenge"])
        self._address = setup["switch"].rsplit(":", 1)
        self._stan = 0
        self._socket = None
        self.seed_id = self.seed = None

    def dial(self):
        self.close()
        host, port = self._address
        self._socket = socket.create_connection((host, int(port)), timeout=ANSWER_S_MAX)

    def close(self):
        if self._socket:
            self._socket.close()
        self._socket = None

    def key(self, at=None):
        """DE7 and DE11 of a new request: its transaction key."""
        self._stan += 1
        at = at or datetime.datetime.now(datetime.timezone.utc)
        return {7: at.strftime("%m%d%H%M%S"), 11: f"{self._stan:06}"}

    def sign_on(self):
        answer = self.ask("0800", {**self.key(), 41: self.id, 70: "001"})
        if answer[39] == "00":
            self.seed_id = template_of(answer)["DF20"]
            self.seed = hmac.digest(self._challenge_key, self.seed_id, "sha256")
        return answer

    def request(self, card, processing, **more):
        """Elements that every 0100 and 0200 has, under a new key; `more` as `de49="704"`."""
        now = datetime.datetime.now()
        elements = {
            2: card.pan, 3: processing, **self.key(), 12: now.strftime("%H%M%S"), 13: now.strftime("%m%d"),
            18: "6011", 22: "051", 25: "00", 32: self.acquirer, 41: self.id, 42: f"{'BRANCH 1':15}",
            43: f"{'1 HANG BAI':25}{'HA NOI':13}VN",
        }
        elements.update({int(name[2:]): value for name, value in more.items()})
        return elements

    def advice(self, request, answer, **more):
        """Elements of a 0220 or 0420 about a request and its answer, under a new key."""
        kept = (2, 3, 4, 12, 13, 32, 41, 42, 49)
        original = "0200" + request[11] + request[7] + request[32].rjust(11, "0") + "0" * 11
        elements = {**{number: request[number] for number in kept}, **self.key(), 37: answer[37], 90: original}
        elements.update({int(name[2:]): value for name, value in more.items()})
        return elements

    def proof(self, card, request, session):
        """The template of a whole proof for this request: the chip signs the request's challenge."""
        fields = [b"CCCD-AA-1"] + [request.get(number, "").encode() for number in (41, 11, 4, 49, 7, 37, 2)]
        text = b"".join(bytes([len(field)]) + field for field in fields)
        challenge = hmac.digest(self.seed, text, "sha256")[:8]
        read_at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H%M%S")
        return {
            "DF01": b"\x01", "DF02": b"\x0b", "DF10": card.dg1, "DF11": card.dg15,
            "DF12": hashlib.sha256(card.sod).digest(), "DF20": self.seed_id, "DF22": card.sign(challenge),
            "DF23": b"\x01", "DF24": bytes.fromhex(read_at), "DF32": session,
        }

    def encode(self, mti, elements, mac=True):
        """A signed message."""
        fields = {"t": mti, **{str(number): value for number, value in elements.items()}}
        if not mac:
            return bytes(iso8583.encode(fields, SPEC)[0])
        fields["128" if max(elements) > 64 else "64"] = "0" * 16
        unsigned = bytes(iso8583.encode(fields, SPEC)[0])[:-8]
        return unsigned + self.mac(unsigned)

    def mac(self, signed):
        return hmac.digest(self._to_switch, signed, "sha256")[:8]

    def use(self, to_switch=None, from_switch=None):
        """Signs and verifies under keys that were exchanged."""
        self._to_switch = to_switch or self._to_switch
        if from_switch:
            self._from_switch = [from_switch, self._from_switch[0]]

    def ask(self, mti, elements):
        """Sends a message, and gives the answer with its MTI under "t"."""
        return self.ask_bytes(self.encode(mti, elements))

    def ask_bytes(self, message):
        self.send(struct.pack(">H", len(message)) + message)
        return self.receive()

    def send(self, frame):
        try:
            self._socket.sendall(frame)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def end_sending(self):
        """No more bytes come: what has begun stays cut."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            raise Closed from None

    def receive(self):
        """The next message, its MAC verified and its elements held against the table."""
        length = 0
        while length == 0:
            (length,) = struct.unpack(">H", self._exactly(2))
        assert length <= FRAME_BYTES_MAX, f"a frame of {length} bytes"
        message = self._exactly(length)
        fields, _ = iso8583.decode(message, SPEC)
        macs = [hmac.digest(key, message[:-8], "sha256")[:8].hex().upper() for key in self._from_switch]
        answer = {int(name): value for name, value in fields.items() if name.isdigit() and name != "1"}
        place = 128 if max(answer) > 64 else 64
        assert answer.pop(place, None) in macs, f"a wrong MAC on {fields}"
        assert not answer.keys() & {64, 128}, "two MACs"
        answer["t"] = fields["t"]
        return answer

    def _exactly(self, count):
        read = b""
        while len(read) < count:
            try:
                part = self._socket.recv(count - len(read))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed
            read += part
        return read


def wrong_elements(answer):
    """Which elements an answer lacks or has too many by docs/interface.md#elements; empty when it is as it must be."""
    always, sometimes = ANSWER_ELEMENTS[answer["t"]]
    if answer["t"] in ("0110", "0210") and answer[39] not in CODES_WITHOUT_RRN:
        always = always | {37}
    has = answer.keys() - {"t"}
    return sorted(always - has) + sorted(has - always - sometimes)


def template(tags):
    """DE112 as hex digits: E1 around the tags."""
    inner = b"".join(bytes.fromhex(tag) + length_of(value) + value for tag, value in tags.items())
    return (b"\xe1" + length_of(inner) + inner).hex()


def length_of(value):
    """A BER length in its shortest form."""
    if len(value) < 0x80:
        return bytes([len(value)])
    size = (len(value).bit_length() + 7) // 8
    return bytes([0x80 | size]) + len(value).to_bytes(size, "big")


def template_of(answer):
    """The tags of an answer's DE112."""
    (tag, inner), = read_tags(bytes.fromhex(answer[112]))
    assert tag == "E1", f"DE112 begins with tag {tag}"
    found = list(read_tags(inner))
    assert len(dict(found)) == len(found), "a tag stands twice"
    return dict(found)


def read_tags(octets):
    at = 0
    while at < len(octets):
        size = 2 if octets[at] & 0x1F == 0x1F else 1
        tag, at = octets[at:at + size].hex().upper(), at + size
        length, at = octets[at], at + 1
        if length >= 0x80:
            more = length & 0x7F
            length, at = int.from_bytes(octets[at:at + more], "big"), at + more
        assert at + length <= len(octets), f"tag {tag} is cut"
        yield tag, octets[at:at + length]
        at += length


def security_object(card):
    """DE113 to 115."""
    parts = [card.sod[at:at + SOD_PART_BYTES_MAX] for at in range(0, len(card.sod), SOD_PART_BYTES_MAX)]
    return {113 + place: part.hex() for place, part in enumerate(parts)}


def linked_banks(value):
    """DF52: (institution, alias, is it the default)."""
    banks, at = [], 0
    while at < len(value):
        flags, size = value[at], value[at + 1]
        institution, at = value[at + 2:at + 2 + size].decode("ascii"), at + 2 + size
        size = value[at]
        alias, at = value[at + 1:at + 1 + size].decode("ascii"), at + 1 + size
        banks.append((institution, alias, flags & 1 == 1))
    return banks


def additional_amounts(text):
    """DE54: (account type, amount type, currency, signed amount)."""
    assert len(text) % 20 == 0, f"DE54 of {len(text)} characters"
    parts = [text[at:at + 20] for at in range(0, len(text), 20)]
    signs = {"C": 1, "D": -1}
    return [(it[:2], it[2:4], it[4:7], signs[it[7]] * int(it[8:])) for it in parts]


def statement_lines(text):
    """DE62: (date, processing, sign, amount, currency)."""
    assert len(text) % 24 == 0, f"DE62 of {len(text)} characters"
    parts = [text[at:at + 24] for at in range(0, len(text), 24)]
    return [(it[:6], it[6:8], it[8], int(it[9:21]), it[21:]) for it in parts]


def with_luhn(digits):
    """The digits and their Luhn digit."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    total = sum(value // 10 + value % 10 for value in doubled)
    return digits + str(-total % 10)
