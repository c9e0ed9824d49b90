"""Thirty frames that are cut, flipped or lie about their length; after each the next good message is served.

    malformed.py SETUP.json      as tests/interop/run writes it
"""

import json
import random
import struct
import sys

from terminal import FRAME_BYTES_MAX, Card, Closed, Terminal, template

SEED = 20_220_901
EACH = 10


def main(setup):
    terminal = Terminal(setup["malformed_terminal"])
    card = Card(setup["card"], setup["iin"])
    dice = random.Random(SEED)
    terminal.dial()
    assert terminal.sign_on()[39] == "00"
    counts = {}
    for kind in (cut, flipped, lying):
        for _ in range(EACH):
            said = sent(terminal, kind(dice, good(terminal, card)))
            counts[said] = counts.get(said, 0) + 1
            if said == "closed":
                terminal.dial()
                assert terminal.sign_on()[39] == "00"
            served(terminal)
    terminal.close()
    print(f"-- {3 * EACH} malformed frames: " + ", ".join(f"{count} {said}" for said, count in sorted(counts.items())))


def good(terminal, card):
    """A 0200 that would be understood."""
    request = terminal.request(card, "310000", de4="0" * 12, de49="704", de112=template({"DF30": bytes(16)}))
    return terminal.encode("0200", request)


def framed(message):
    return struct.pack(">H", len(message)) + message


def cut(dice, message):
    """The message ends early, and the length knows it."""
    return framed(message[:dice.randrange(1, len(message))])


def flipped(dice, message):
    """One bit of the message is another."""
    place = dice.randrange(8 * len(message))
    wrong = bytearray(message)
    wrong[place // 8] ^= 1 << place % 8
    return framed(bytes(wrong))


def lying(dice, message):
    """The length says more, or less, than there is."""
    said = dice.choice([0xFFFF, len(message) + dice.randrange(1, 2_000), dice.randrange(1, len(message))])
    return struct.pack(">H", said) + message


def sent(terminal, frame):
    """What a malformed frame brings: "30", "63" or "closed"."""
    length = struct.unpack(">H", frame[:2])[0]
    try:
        terminal.send(frame)
        if length == len(frame) - 2:
            return refused(terminal.receive())
        # Above the bound the switch closes by itself. Otherwise it waits for what is missing: nothing comes.
        if length <= FRAME_BYTES_MAX:
            terminal.end_sending()
        while True:
            refused(terminal.receive())
    except Closed:
        return "closed"


def refused(answer):
    assert answer[39] in ("30", "63"), f"a malformed frame is answered {answer}"
    return answer[39]


def served(terminal):
    """The connection serves a good message."""
    echo = {**terminal.key(), 41: terminal.id, 70: "301"}
    answer = terminal.ask("0800", echo)
    assert (answer[39], answer[7], answer[11]) == ("00", echo[7], echo[11]), answer


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
