"""A terminal's day: signs on, verifies, withdraws, completes, reverses, asks, and is refused what has to be refused.

    client.py SETUP.json      as tests/interop/run writes it

Every step says what it does and asserts DE39 and every element of the answer.
"""

import datetime
import json
import sys
import time

from terminal import (
    Card, Registry, Terminal, additional_amounts, linked_banks, security_object, statement_lines, template, template_of,
    wrong_elements,
)

BALANCE_S_MAX = 20


class Day:
    """The steps, in order; each is one method."""

    def __init__(self, setup):
        self.setup = setup
        self.card = Card(setup["card"], setup["iin"])
        self.registry = Registry(setup["registry_url"], setup["registry_ca"])
        self.terminal = Terminal(setup["terminal"])
        self.taken = 0
        self.inquiries = 0
        self.completed = None

    def run(self):
        for step in (
            self.before_sign_on, self.sign_on, self.first_verification, self.withdrawal_and_completion, self.repeats,
            self.used_reference, self.full_reversal, self.partial_reversal, self.one_step, self.balance,
            self.statement, self.totals, self.wrong_macs, self.wrong_formats, self.wrong_proofs, self.sign_off,
        ):
            print(f"-- {step.__name__.replace('_', ' ')}: {step.__doc__}", flush=True)
            step()

    def before_sign_on(self):
        """a request on a connection that has not signed on is answered 57"""
        self.terminal.dial()
        self.expect("57", "0200", self.inquiry("310000", bytes(16)))

    def sign_on(self):
        """0800/001 brings the challenge seed, 0800/301 an echo"""
        answer = self.terminal.sign_on()
        assert answer[39] == "00" and not wrong_elements(answer), answer
        self.expect("00", "0800", {**self.terminal.key(), 41: self.terminal.id, 70: "301"})

    def first_verification(self):
        """the SOD's digest is not known: 63 with DF53, and with the SOD under a new key 00"""
        refused = self.verification("63")
        assert template_of(refused) == {"DF53": b""}, refused
        self.verified(security_object(self.card))

    def withdrawal_and_completion(self):
        """two steps: the reference of a 0100 in a 0200, then 0220"""
        self.reference = self.verified()
        request, answer = self.withdrawal("00", 2_000_000, self.reference)
        assert answer[100] == self.setup["bank"] and len(answer[38]) == 6, answer
        advice = self.terminal.advice(request, answer)
        done = self.expect("00", "0220", advice)
        self.taken += 2_000_000
        assert self.expect("00", "0221", advice) == done
        self.completed = request, answer

    def repeats(self):
        """0201, and the same 0200 again, get the stored answer; other content under the same key is 94"""
        request, answer = self.completed
        for mti in ("0201", "0200"):
            assert self.expect("00", mti, request) == answer
        self.expect("94", "0200", {**request, 4: "000002000001"})

    def used_reference(self):
        """a reference is good for one money transaction"""
        self.withdrawal("63", 1_000_000, self.reference)

    def full_reversal(self):
        """nothing came out: 0420 without DE95; its repeat gets the same answer, and a repeat of the 0200 gets 91"""
        request, answer = self.withdrawal("00", 1_500_000, self.verified())
        advice = self.terminal.advice(request, answer, de39="22")
        done = self.expect("00", "0420", advice)
        assert self.expect("00", "0421", advice) == done
        self.expect("91", "0201", request)

    def partial_reversal(self):
        """400,000 of 1,000,000 came out: 0420 with DE95"""
        request, answer = self.withdrawal("00", 1_000_000, self.verified())
        advice = self.terminal.advice(request, answer, de39="32", de95=f"{400_000:012}" + "0" * 30)
        self.expect("00", "0420", advice)
        self.taken += 400_000

    def one_step(self):
        """the proof travels in the 0200, and the chip has signed the amount"""
        request = self.money(500_000)
        answer = self.expect("00", "0200", self.proved(request))
        self.expect("00", "0220", self.terminal.advice(request, answer))
        self.taken += 500_000

    def balance(self):
        """DE54 is the opening balance less the cash that came out"""
        # A reversal reaches the bank in its own time. A reference serves any number of inquiries.
        reference = self.verified()
        until = time.monotonic() + BALANCE_S_MAX
        while True:
            answer = self.expect("00", "0200", self.inquiry("310000", reference))
            self.inquiries += 1
            amounts = additional_amounts(answer[54])
            assert [(kind, currency) for _, kind, currency, _ in amounts] == [("01", "704"), ("02", "704")], amounts
            left = [amount for *_, amount in amounts]
            if left == [self.setup["opening_minor"] - self.taken] * 2:
                return
            assert time.monotonic() < until, f"{left} is left of the account, and {self.taken} was taken"
            time.sleep(0.2)

    def statement(self):
        """DE62: lines of 24 characters, the newest first"""
        answer = self.expect("00", "0200", self.inquiry("380000", self.verified()))
        self.inquiries += 1
        lines = statement_lines(answer[62])
        assert 1 <= len(lines) <= 10, lines
        for date, processing, sign, amount, currency in lines:
            datetime.datetime.strptime(date, "%y%m%d")
            assert processing.isdigit() and sign in "CD" and amount > 0 and currency == "704", lines
        assert lines[0][1:4] == ("01", "D", 500_000), lines

    def totals(self):
        """0500: the acquirer's totals are the switch's, a repeat gets the same answer, another sum is 94 and a wrong one 2"""
        counts = {74: 0, 75: 0, 76: 4, 77: 2, 78: 0, 79: 0}
        amounts = {86: 0, 87: 0, 88: 5_000_000, 89: 2_100_000}
        said = {
            41: self.terminal.id, 97: f"C{self.taken:016}",
            **{number: f"{count:010}" for number, count in counts.items()},
            **{number: f"{amount:016}" for number, amount in amounts.items()},
        }
        request = {**self.terminal.key(), **said}
        answer = self.expect("00", "0500", request)
        assert (answer[66], int(answer[80])) == ("1", self.inquiries), answer
        assert self.expect("00", "0501", request) == answer
        for code, settlement, message in (
            ("94", "3", {**request, 88: f"{5_000_001:016}"}),
            ("00", "2", {**said, **self.terminal.key(), 88: f"{5_000_001:016}"}),
            ("30", "3", {**self.terminal.key(), 41: self.terminal.id}),
        ):
            refused = self.terminal.ask("0500", message)
            assert (refused["t"], refused[39], refused[66]) == ("0510", code, settlement), refused

    def wrong_macs(self):
        """a MAC that is wrong, and one that is missing, are answered 63"""
        asked = self.inquiry("310000", bytes(16))
        message = self.terminal.encode("0200", asked)
        for wrong in (message[:-1] + bytes([message[-1] ^ 1]), self.terminal.encode("0200", asked, mac=False)):
            answer = self.terminal.ask_bytes(wrong)
            assert (answer["t"], answer[39], answer[41]) == ("0210", "63", self.terminal.id), answer

    def wrong_formats(self):
        """30: an element too few, letters in an amount, a second MAC, a DE7 of two hours ago"""
        asked = self.inquiry("310000", bytes(16))
        long_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
        for elements in (
            {number: value for number, value in asked.items() if number != 49},
            {**asked, **self.terminal.key(), 4: "00000000000A"},
            {**asked, **self.terminal.key(), 64: "00" * 8},
            {**asked, **self.terminal.key(long_ago)},
        ):
            answer = self.terminal.ask("0200", elements)
            said = {number: answer.get(number) for number in ("t", 7, 11, 39, 41)}
            assert said == {"t": "0210", 7: elements[7], 11: elements[11], 39: "30", 41: self.terminal.id}, answer

    def wrong_proofs(self):
        """63: the chip signed another amount, an unknown tag, a biometric session of another terminal"""
        self.expect("63", "0200", {**self.proved(self.money(500_000)), 4: f"{600_000:012}"})
        request = self.terminal.request(self.card, "330000")
        proof = {**self.terminal.proof(self.card, request, self.session()), "DF7E": b"\x01"}
        self.expect("63", "0100", {**request, 112: template(proof)})
        request = self.terminal.request(self.card, "330000")
        proof = self.terminal.proof(self.card, request, self.registry.session(self.card, "XX000001"))
        self.expect("63", "0100", {**request, 112: template(proof)})

    def sign_off(self):
        """0800/002; after it a request is answered 57 again"""
        self.expect("00", "0800", {**self.terminal.key(), 41: self.terminal.id, 70: "002"})
        self.expect("57", "0200", self.inquiry("310000", bytes(16)))
        self.terminal.close()

    def session(self):
        return self.registry.session(self.card, self.terminal.id)

    def proved(self, request):
        return {**request, 112: template(self.terminal.proof(self.card, request, self.session()))}

    def verification(self, code, more=()):
        request = self.terminal.request(self.card, "330000")
        return self.expect(code, "0100", {**self.proved(request), **dict(more)})

    def verified(self, more=()):
        """A verification that must succeed; gives its reference."""
        tags = template_of(self.verification("00", more))
        assert tags["DF50"] == b"\x01" and len(tags["DF51"]) == 16 and len(tags) == 3, tags
        (institution, alias, default), = linked_banks(tags["DF52"])
        assert (institution, default) == (self.setup["bank"], True) and alias != self.setup["account"], tags
        return tags["DF51"]

    def withdrawal(self, code, amount, reference):
        request = self.money(amount, de112=template({"DF30": reference}))
        return request, self.expect(code, "0200", request)

    def money(self, amount, **more):
        return self.terminal.request(self.card, "010000", de4=f"{amount:012}", de49="704", **more)

    def inquiry(self, processing, reference):
        return self.terminal.request(
            self.card, processing, de4="0" * 12, de49="704", de112=template({"DF30": reference}))

    def expect(self, code, mti, elements):
        """Asks, and asserts the answer: its MTI, DE39, the elements that it must have, and those that it echoes."""
        answer = self.terminal.ask(mti, elements)
        assert answer["t"] == mti[:2] + f"{int(mti[2:3]) + 1}0", f"{mti} is answered {answer}"
        assert answer[39] == code, f"{mti} is answered {answer[39]}, not {code}: {answer}"
        assert not wrong_elements(answer), f"{mti}: {wrong_elements(answer)} should or should not be in {answer}"
        for number in answer.keys() & elements.keys() - {39, 112, 120}:
            assert answer[number] == elements[number], f"DE{number} came back as {answer[number]}"
        return answer


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        Day(json.load(file)).run()
