//! `atm-switch day` and `recon` over the log of a simulated day: files in, in any order, the day closed, the same files out.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use journal::{Journal as _, LogFiles, Options, SegmentLog};
use processor::{BankIdentity, Body, Code, Day, Record, Reversal, TxKey};
use serde_json::Value;

mod terminal;

/// Longer than a start takes: a test that waits so long has failed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

const PROGRAM: &str = env!("CARGO_BIN_EXE_atm-switch");
/// Nothing happened in it: it is closed in its turn.
const FIRST_DAY: &str = "2026-05-02";
const DAY: &str = "2026-05-03";
const BANKS: [&str; 4] = ["970418", "970415", "970454", "970436"];

/// Of everybody.
const PASSWORD: &str = "correct horse battery staple\n";

/// A configuration beside a simulated day. Nothing runs: the commands read the log's files.
struct Desk {
    dir: tempfile::TempDir,
    deliveries: Vec<String>,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("day");
        let deliveries = simulators::day::write_day(5, 600, &day).unwrap();
        let key = |byte: u8| format!("{byte:02x}").repeat(32);
        let mut keys = std::fs::read_to_string(day.join("keys.toml")).unwrap();
        keys += &format!(
            "[terminal.HN000001]\nmac_to_switch = \"{}\"\nmac_from_switch = \"{}\"\nchallenge = \"{}\"\n",
            key(1),
            key(2),
            key(3)
        );
        write(dir.path(), "keys.toml", &keys);
        let signing = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        write(dir.path(), "signing.pem", &signing.serialize_pem());
        write(dir.path(), "pinned.pem", &signing.public_key_pem());
        write(dir.path(), "ca.pem", &ca.self_signed(&signing).unwrap().pem());
        std::fs::create_dir(dir.path().join("csca")).unwrap();
        write(&dir.path().join("csca"), "vietnam.pem", &simulators::citizens::Country::new(1).csca_pem());
        let issuers: String = BANKS
            .iter()
            .map(|bank| {
                format!("[[issuer]]\nid = \"{bank}\"\nname = \"{bank}\"\naddresses = [\"127.0.0.1:9\"]\nmac = false\n")
            })
            .collect();
        let config = format!(
            "[switch]\nid = \"switch\"\nlog_dir = \"day/log\"\nenrolment_dir = \"enrolment\"\nkeys_file = \"keys.toml\"\n\
             first_day = \"2026-05-02\"\n[terminals]\nlisten = \"127.0.0.1:0\"\n[[terminal]]\nid = \"HN000001\"\n\
             acquirer = \"970418\"\n{issuers}[registry]\nurl = \"https://127.0.0.1:9\"\nca_file = \"ca.pem\"\n\
             signing_key_file = \"signing.pem\"\nkid = \"switch\"\n[[registry.key]]\nkid = \"registry\"\nfile = \"pinned.pem\"\n\
             [credential]\ncsca_dir = \"csca\"\n[operator]\nsocket = \"operator.sock\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [reconciliation]\ndir = \"clerks\"\nweekends_closed = true\nholidays = [\"2026-05-04\"]\n\
             [[reconciliation.fee]]\nkind = \"withdrawal\"\nfixed_minor = 3_300\n\
             [console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n"
        );
        write(dir.path(), "atm-switch.toml", &config);
        let desk = Desk { dir, deliveries };
        for (name, role) in [("lan", "clerk"), ("minh", "checker"), ("an", "auditor")] {
            desk.told_with(&["people", "add", name, "--full-name", name, "--role", role], PASSWORD);
        }
        desk
    }

    /// The checker does it.
    fn checked(&self, arguments: &[&str]) {
        self.told_with(&[arguments, &["--as", "minh"]].concat(), PASSWORD);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let config = self.path("atm-switch.toml");
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(config).current_dir(self.dir.path()).output().unwrap()
    }

    /// What stands in the pipe is there whether it is read or not.
    fn command_with(&self, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        use std::process::Stdio;
        let config = self.path("atm-switch.toml");
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--config").arg(config).current_dir(self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses before it reads closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn told_with(&self, arguments: &[&str], input: &str) {
        let output = self.command_with(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn told(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Without any citizen no switch starts.
    fn enrol(&self) {
        write(self.dir.path(), "bidv.csv", "001203000001,8600012345,1\n");
        self.told(&["enrolment", "import", "bidv.csv", "--bank", "970418"]);
    }

    /// The switch itself is started over the log, accepts, and is stopped.
    fn run_and_stop(&self) {
        self.run(|_| ());
    }

    /// The same; meanwhile something is done with its real addresses.
    fn run<T>(&self, meanwhile: impl FnOnce(&Value) -> T) -> T {
        let addresses = self.path("addresses.json");
        let _ = std::fs::remove_file(&addresses);
        let mut command = Command::new(PROGRAM);
        command
            .arg("run")
            .arg("--config")
            .arg(self.path("atm-switch.toml"))
            .arg("--addresses")
            .arg(&addresses);
        let mut process =
            command.current_dir(self.dir.path()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let began = std::time::Instant::now();
        while !addresses.exists() {
            assert!(process.try_wait().unwrap().is_none(), "it ended");
            assert!(began.elapsed() < PATIENCE, "it does not accept");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let told = meanwhile(&serde_json::from_slice(&std::fs::read(&addresses).unwrap()).unwrap());
        assert!(Command::new("kill").arg("-TERM").arg(process.id().to_string()).status().unwrap().success());
        assert!(process.wait().unwrap().success());
        told
    }

    /// Appends to the log what nobody waits for any more: banks' approvals of transactions of a day that were declined, each reversed in the open day.
    fn append_late_approvals(&self, of: Day, open: Day) -> usize {
        let settings = server::config::load(&self.path("atm-switch.toml")).unwrap();
        let (dir, data) = (self.path("day/log"), settings.keys.data);
        let records: Vec<_> =
            LogFiles::new(&dir, data.clone()).scan(0).unwrap().map(|next| next.unwrap().1).collect();
        let began = |record: &Record| match (&record.body, record.transaction) {
            (Body::Intent(intent), Some(key)) if intent.day == of => Some((key, intent.identity)),
            _ => None,
        };
        let began: BTreeMap<TxKey, BankIdentity> = records.iter().filter_map(began).collect();
        let declined = records.iter().filter(|record| matches!(record.body, Body::Declined(_)));
        let declined: Vec<TxKey> = declined.filter_map(|record| record.transaction).collect();
        let (mut log, recovered) = SegmentLog::open(Options::new(dir, data), Box::new(|_| ())).unwrap();
        let late = declined.iter().filter_map(|key| Some((key, began.get(key)?)));
        let mut position = recovered.next;
        for (key, identity) in late {
            let reversal = Reversal {
                identity: BankIdentity { stan: 900_000 + position as u32 % 90_000, ..*identity },
                day: open,
                left_minor: 0,
                reason: Code::LATE,
                answer: Code::UNAVAILABLE,
                advice: None,
            };
            let at_ms = recovered.standing.last_at_ms;
            let (transaction, body) = (Some(*key), Body::Reversal(reversal));
            log.append(position, &Record { at_ms, transaction, suspense: None, spend: None, body }).unwrap();
            position += 1;
        }
        log.close();
        usize::try_from(position - recovered.next).unwrap()
    }

    /// Hands in a file of the day; whether it was taken.
    fn import(&self, path: &str) -> bool {
        let file = format!("day/{path}");
        let part = path
            .rsplit_once("journal-")
            .map_or("1", |(_, part)| part.trim_end_matches(".csv").trim_start_matches('0'));
        let bank = BANKS.into_iter().find(|bank| path.contains(bank));
        let day = if path.contains("2026-05-04") { "2026-05-04" } else { DAY };
        let kind = match path {
            path if path.contains("journal") => "journal",
            path if path.contains("counters") => "counters",
            path if path.contains("totals") => "totals",
            _ => "postings",
        };
        let mut arguments = vec!["recon", "import", &file, "--kind", kind, "--day", day, "--part", part];
        arguments.extend(bank.into_iter().flat_map(|bank| ["--bank", bank]));
        self.command(&arguments).status.success()
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(dir.join(name), text).unwrap();
    std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Takes all files, the switch being started and stopped between, closes the day, and writes each bank's files out.
fn worked(reversed: bool) -> (Desk, Vec<Vec<u8>>) {
    let desk = Desk::new();
    desk.enrol();
    let mut deliveries = desk.deliveries.clone();
    deliveries.push("banks/totals.csv".to_owned());
    if reversed {
        deliveries.reverse();
        // The bank hands in the good file behind the bad one, and the same one again behind that.
        deliveries.sort_by_key(|path| {
            (!path.contains("-unreadable") && !path.contains("-wrong"), path.contains("-again"))
        });
    }
    let restart_before = if reversed { 1 } else { deliveries.len() / 2 };
    for (number, path) in deliveries.iter().enumerate() {
        if number == restart_before {
            desk.run_and_stop();
        }
        let is_bad = ["-unreadable", "-wrong", "-again"].iter().any(|word| path.contains(word));
        assert_eq!(desk.import(path), !is_bad, "{path}");
    }
    desk.checked(&["day", "close", FIRST_DAY]);
    desk.checked(&["day", "close", DAY]);
    let files = written_out(&desk, "");
    desk.run_and_stop();
    assert_eq!(written_out(&desk, "again-"), files, "byte for byte, behind a restart");
    (desk, files)
}

fn written_out(desk: &Desk, prefix: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for bank in BANKS {
        // What the last is like is enough of one bank.
        let whats = ["settlement", "camt053", "camt054"];
        for what in &whats[..if bank == BANKS[0] { 3 } else { 1 }] {
            let out = format!("{prefix}{bank}.{what}");
            let exported = ["recon", "export", what, "--day", DAY, "--bank", bank, "--out", &out];
            desk.told(&exported);
            files.push(std::fs::read(desk.path(&out)).unwrap());
        }
    }
    files
}

/// What depends on when the day was closed, to the second.
fn without_moments(files: &[Vec<u8>]) -> Vec<String> {
    let text = |file: &Vec<u8>| String::from_utf8(file.clone()).unwrap();
    let kept = |line: &&str| !line.contains("<CreDtTm>");
    files.iter().map(|file| text(file).lines().filter(kept).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn a_day_is_closed_twice_files_in_another_order_the_switch_restarted_between_and_its_files_are_the_same() {
    let (desk, files) = worked(false);
    let shown = desk.json(&["day", "show", DAY]);
    assert_eq!((shown["state"].as_str(), shown["banks"].as_array().map(Vec::len)), (Some("closed"), Some(4)));
    let exceptions = &shown["exceptions"];
    for kind in [
        "missing_at_bank",
        "amount_over",
        "debited_not_dispensed",
        "cash_short",
        "unreadable_line",
        "duplicate_file",
    ] {
        assert!(exceptions[kind].as_u64().unwrap_or(0) > 0, "{kind}: {exceptions}");
    }
    assert_eq!((&exceptions["totals_out_of_balance"], &exceptions["totals_missing"]), (&1.into(), &1.into()));
    let silent = shown["banks"].as_array().unwrap().iter().filter(|bank| bank["unanswered"] == true);
    assert_eq!(silent.map(|bank| bank["bank"].as_str().unwrap()).collect::<Vec<_>>(), [BANKS[3]]);
    let positions = shown["net_positions"].as_array().unwrap();
    assert_eq!(positions.iter().map(|member| member["owes_minor"].as_i64().unwrap()).sum::<i64>(), 0);

    let matched = desk.json(&["recon", "match"]);
    assert!(matched["matched"].as_u64().unwrap() > 500, "{matched}");
    let missing = desk.json(&["recon", "exceptions", "--kind", "missing_at_bank", "--open"]);
    // Three that are planted, and three that the bank has given back by lines without a name.
    assert_eq!(missing.as_array().unwrap().len(), 6);
    assert_eq!(missing[0]["group"], "presence");

    let settlement = String::from_utf8(files[0].clone()).unwrap();
    let count = settlement.lines().filter(|line| line.starts_with("D|")).count();
    let trailer = settlement.lines().last().unwrap().split('|').nth(1).unwrap().to_owned();
    assert_eq!(
        (settlement.lines().next().unwrap(), trailer),
        ("H|ATM-SETTLEMENT|2|switch|970418|2026-05-03|704", count.to_string())
    );

    // The files of all members come to nothing together.
    let nets = files.iter().filter_map(|file| {
        let text = String::from_utf8(file.clone()).unwrap();
        let last = text.lines().last().filter(|line| line.starts_with("T|"))?.to_owned();
        last.rsplit('|').next()?.parse::<i64>().ok()
    });
    assert_eq!((nets.clone().count(), nets.clone().sum::<i64>()), (4, 0));
    // `day show` told the position alone.
    let owes = |bank: &&str| {
        positions.iter().find(|member| member["member"] == **bank).unwrap()["owes_minor"].as_i64()
    };
    assert_eq!(BANKS.iter().map(owes).collect::<Vec<_>>(), nets.map(Some).collect::<Vec<_>>());
    let nobody =
        desk.command(&["recon", "export", "settlement", "--day", DAY, "--bank", "970499", "--out", "x"]);
    let told = String::from_utf8_lossy(&nobody.stderr).trim().to_owned();
    assert_eq!(
        (told.as_str(), desk.path("x").exists()),
        ("atm-switch: 970499 is no member of this switch", false)
    );

    let (_, other) = worked(true);
    assert_eq!(without_moments(&files), without_moments(&other));
}

/// The counter behind 0500 used the fees of today and knew no closes: it said otherwise than the command line.
#[test]
fn totals_of_a_closed_day_are_answered_as_the_command_line_shows_them_whatever_came_behind_the_close() {
    let desk = Desk::new();
    desk.enrol();
    desk.checked(&["day", "close", FIRST_DAY]);
    desk.checked(&["day", "close", DAY]);
    let acquirer = || {
        let shown = desk.json(&["day", "show", DAY]);
        let acquirers = shown["acquirers"].as_array().unwrap();
        acquirers.iter().find(|acquirer| acquirer["bank"] == BANKS[0]).unwrap().clone()
    };
    let shown = acquirer();
    let element = |number: u64| {
        let elements = shown["elements"].as_array().unwrap();
        elements.iter().find(|element| element["element"] == number).unwrap()["ours"].as_i64().unwrap()
    };
    assert!(element(76) > 0 && element(85) > 0, "{shown:#}");
    let config = std::fs::read_to_string(desk.path("atm-switch.toml")).unwrap();
    write(desk.dir.path(), "atm-switch.toml", &config.replace("3_300", "9_900"));
    let late = desk.append_late_approvals(DAY.parse().unwrap(), "2026-05-04".parse().unwrap());
    assert!(late > 5, "{late}");

    let net = element(97);
    let said = format!("{}{:016}", if net > 0 { 'D' } else { 'C' }, net.abs());
    let mut message = terminal::totals(1, "0503", &said);
    message.set_text(76, &format!("{:010}", element(76)));
    let answer = desk.run(|addresses| {
        let address = addresses["terminals"].as_str().unwrap();
        terminal::exchange(&mut TcpStream::connect(address).unwrap(), &message).unwrap()
    });
    assert_eq!((answer.text(39), answer.text(66)), (Some("00"), Some("1")), "{answer:?}");
    for number in [74, 75, 76, 77, 83, 85, 86, 87, 88, 89] {
        let said = answer.text(number).map(|text| text.parse::<i64>().unwrap());
        assert_eq!(said, Some(element(u64::from(number))), "DE{number}");
    }
    assert_eq!(answer.text(97), Some(&*said));
    let ours = |acquirer: &Value| {
        let elements = acquirer["elements"].as_array().unwrap();
        elements.iter().map(|element| element["ours"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ours(&acquirer()), ours(&shown));
    assert_eq!(acquirer()["in_balance"], true);
}

#[test]
fn what_may_not_be_done_is_refused_and_said() {
    let desk = Desk::new();
    for (arguments, expected) in [
        (
            &["day", "close", "2026-05-04", "--as", "minh"][..],
            "business day 2026-05-04: it is open; cut over first",
        ),
        (
            &["day", "close", "2026-06-01", "--as", "minh"],
            "business day 2026-06-01: the log does not know it",
        ),
        (&["day", "close", DAY, "--as", "minh"], "business day 2026-05-03: an earlier day is not closed"),
        (&["day", "settle", DAY, "--as", "minh"], "business day 2026-05-03: it is not closed"),
        (
            &["recon", "export", "settlement", "--day", DAY, "--bank", "970418", "--out", "x"],
            "business day 2026-05-03: it is not closed, and may still change",
        ),
        (&["recon", "exceptions", "--kind", "odd"], "`odd` is no kind of exception"),
        (
            &[
                "recon",
                "import",
                "day/banks/totals.csv",
                "--kind",
                "postings",
                "--day",
                DAY,
                "--bank",
                "970499",
            ],
            "970499 is no bank of this switch",
        ),
    ] {
        let output = desk.command_with(arguments, PASSWORD);
        assert!(!output.status.success(), "{arguments:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr).trim(),
            format!("atm-switch: {expected}"),
            "{arguments:?}"
        );
    }
    let bad = "day/banks/970418-2026-05-03-unreadable.csv";
    let output =
        desk.command(&["recon", "import", bad, "--kind", "postings", "--day", DAY, "--bank", "970418"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains(", amount: `much`: it is not an amount") || told.contains(", rrn: "), "{told}");
    assert!(!output.status.success());
    let preview = desk.told(&[
        "recon",
        "import",
        bad,
        "--kind",
        "postings",
        "--day",
        DAY,
        "--bank",
        "970418",
        "--preview",
    ]);
    assert!(preview.ends_with(" 1 wrong; nothing was taken\n"), "{preview}");
    desk.checked(&["day", "close", FIRST_DAY]);
    desk.checked(&["day", "close", DAY]);
    let again = desk.command_with(&["day", "close", DAY, "--as", "minh"], PASSWORD);
    assert_eq!(
        String::from_utf8_lossy(&again.stderr).trim(),
        "atm-switch: business day 2026-05-03: it is closed already"
    );
    desk.checked(&["day", "settle", DAY]);
    assert_eq!(desk.json(&["day", "list"])[1]["state"], "settled");
}

/// The layout of docs/reconciliation.md, kept and used by its name.
#[test]
fn a_layout_is_kept_by_its_name() {
    let desk = Desk::new();
    let page = include_str!("../../../docs/reconciliation.md");
    let layout = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    write(desk.dir.path(), "bidv.toml", layout);
    let text =
        "May;So tham chieu;Ngay;Gio;So tien;No/Co\nHN000001;612300000001;03/05/2026;07:00:00;2.000.000;NO\n";
    write(desk.dir.path(), "bidv.csv", text);
    desk.told_with(&["recon", "layout", "bidv", "bidv.toml", "--as", "lan"], PASSWORD);
    let import = [
        "recon", "import", "bidv.csv", "--kind", "postings", "--day", DAY, "--bank", "970418", "--layout",
        "bidv",
    ];
    let preview = desk.told(&[&import[..], &["--preview"]].concat());
    let line = "line 2: 2026-05-03 2026-05-03T00:00:00Z rrn 612300000001 terminal HN000001 amount 2000000\n";
    assert_eq!(preview, format!("{line}1 lines, sum 2000000, 0 wrong; nothing was taken\n"));
    assert_eq!(desk.told(&import), "taken: 1 lines, sum 2000000\n");
}

/// A preview of a journal asked for a bank, and refused the bank.
#[test]
fn a_file_of_any_kind_is_previewed_and_a_mapping_that_is_not_kept_is_told() {
    let desk = Desk::new();
    let page = include_str!("../../../docs/reconciliation.md");
    let samples: Vec<&str> =
        page.split("```csv\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    for (kind, sample, first, end) in [
        (
            "journal",
            samples[1],
            "line 2: 2026-05-03 2026-05-03T00:00:09Z rrn ",
            "2 lines, sum 2000000, 0 wrong",
        ),
        (
            "counters",
            samples[2],
            "line 2: 2026-05-03 2026-05-03T16:00:00Z terminal HN000001 cassette 1 ",
            "0 wrong",
        ),
        (
            "totals",
            "bank,element,value\n970418,88,5\n",
            "line 2: bank 970418 element 88 value 5\n",
            "1 lines, 0 wrong",
        ),
    ] {
        write(desk.dir.path(), "file.csv", sample);
        let import = ["recon", "import", "file.csv", "--kind", kind, "--day", DAY, "--preview"];
        let told = desk.told(&import);
        assert!(told.starts_with(first), "{told}");
        assert!(told.ends_with(&format!("{end}; nothing was taken\n")), "{told}");
        let refused = desk.command(&[&import[..], &["--layout", "bidv"]].concat());
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            told.contains("bidv: no mapping is kept under this name, and there is no such file"),
            "{told}"
        );
    }
    assert!(!desk.path("clerks/casework.jsonl").exists(), "no act");
}

/// A workbook of postings, and the layout that reads it.
fn workbook(rows: u32) -> (Vec<u8>, &'static str) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet().set_name("Tháng 5").unwrap();
    for (column, heading) in (0u16..).zip(["at", "amount", "rrn"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    for row in 1..=rows {
        sheet.write_string(row, 0, "2026-05-03 07:00:00").unwrap();
        sheet.write_number(row, 1, 2_000_000.0).unwrap();
        sheet.write_string(row, 2, format!("6122{row:08}")).unwrap();
    }
    let layout = "[postings]\nform = { xlsx = { sheet = \"Tháng 5\", header = true } }\n[postings.columns]\n\
                  at = \"at\"\namount = \"amount\"\nrrn = \"rrn\"\n";
    (book.save_to_buffer().unwrap(), layout)
}

/// Whoever found a hole in what reads workbooks was in the process that has the keys.
#[test]
fn a_workbook_is_read_by_a_process_that_can_do_nothing_else() {
    let desk = Desk::new();
    let (bytes, layout) = workbook(3);
    write(desk.dir.path(), "bidv.toml", layout);
    std::fs::write(desk.path("bidv.xlsx"), &bytes).unwrap();
    let import = |more: &[&str]| {
        let place = ["--kind", "postings", "--day", DAY, "--bank", "970418", "--layout", "bidv.toml"];
        desk.command(&[&["recon", "import", "bidv.xlsx"], &place[..], more].concat())
    };
    let told = |output: Output| String::from_utf8(output.stdout).unwrap();
    assert!(told(import(&["--preview"])).ends_with("3 lines, sum 6000000, 0 wrong; nothing was taken\n"));
    assert_eq!(told(import(&[])), "taken: 3 lines, sum 6000000\n");
    assert_eq!(
        desk.json(&["recon", "exceptions", "--kind", "missing_at_switch"]).as_array().unwrap().len(),
        3
    );
    std::fs::write(desk.path("bidv.xlsx"), &bytes[..bytes.len() / 2]).unwrap();
    let refused = told(import(&["--part", "2", "--parts", "2"]));
    assert!(refused.starts_with("line 0, workbook: ``: "), "{refused}");

    // One that is not heard to its end stands still where it is, and can be looked at.
    let (bytes, _) = workbook(20_000);
    std::fs::write(desk.path("large.xlsx"), bytes).unwrap();
    let mut reader = Command::new(PROGRAM)
        .args(["read-rows", "--form=sheet", "--sheet=Tháng 5"])
        .stdin(std::fs::File::open(desk.path("large.xlsx")).unwrap())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let limits = || std::fs::read_to_string(format!("/proc/{}/limits", reader.id())).unwrap();
    let began = std::time::Instant::now();
    let most = |name: &str| {
        let limits = limits();
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    while most("Max open files") != ["0", "0"] {
        assert!(began.elapsed() < PATIENCE, "{}", limits());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for (name, expected) in [
        ("Max address space", server::rows_process::READER_MEMORY_BYTES_MAX),
        ("Max cpu time", server::rows_process::READER_CPU_S_MAX),
        ("Max file size", 0),
        ("Max processes", 0),
        ("Max core file size", 0),
    ] {
        assert_eq!(most(name), [expected.to_string(), expected.to_string()], "{name}");
    }
    let mut rows = 0;
    let answer = reader.stdout.take().unwrap();
    let form = exchange::RowForm::Sheet { name: None };
    exchange::read_answer(std::io::BufReader::new(answer), form, &mut |_| {
        rows += 1;
        true
    })
    .unwrap();
    assert_eq!((rows, reader.wait().unwrap().success()), (20_001, true));

    // A switch that was bound more narrowly itself could not bind its reader.
    std::fs::write(desk.path("small.xlsx"), workbook(3).0).unwrap();
    let narrow = Command::new("sh")
        .args(["-c", "ulimit -t 30 -v 1000000; exec \"$0\" read-rows --form=sheet < small.xlsx", PROGRAM])
        .current_dir(desk.dir.path())
        .output()
        .unwrap();
    assert!(narrow.status.success() && narrow.stdout.ends_with(b"E"), "{narrow:?}");
}

#[test]
fn the_list_of_exceptions_is_written_as_csv_and_as_a_workbook() {
    let desk = Desk::new();
    assert!(desk.import("banks/970418-2026-05-03.csv"));
    desk.told(&["recon", "export", "exceptions", "--out", "all.csv"]);
    let again = desk.command(&["recon", "export", "exceptions", "--out", "all.csv"]);
    assert!(!again.status.success(), "a file is never written over");
    desk.told(&["recon", "export", "exceptions", "--out", "all.xlsx"]);
    let csv = std::fs::read_to_string(desk.path("all.csv")).unwrap();
    let listed = desk.json(&["recon", "exceptions"]).as_array().unwrap().len();
    assert_eq!(csv.lines().count(), listed + 1);
    assert!(csv.starts_with("\u{feff}day,kind,bank,terminal,rrn,"));
    assert!(std::fs::read(desk.path("all.xlsx")).unwrap().starts_with(b"PK"));
}

/// Rights are those of the console's file of people, and makers never check, on the command line too.
#[test]
fn cases_are_worked_on_from_the_command_line_with_the_rights_of_people() {
    let desk = Desk::new();
    assert!(desk.import("banks/970418-2026-05-03.csv"));
    // Totals come to no amount: a refund of the difference of a count would have been proposed.
    assert!(desk.import("banks/totals.csv"));
    let totals = desk.json(&["recon", "exceptions", "--kind", "totals_out_of_balance"]);
    let totals = totals[0]["case"].as_str().unwrap();
    let propose = |resolution: &str, amount: &[&str]| {
        let deed = ["recon", "propose", totals, "--as", "lan", "--resolution", resolution, "--why", "x"];
        let output = desk.command_with(&[deed.as_slice(), amount].concat(), PASSWORD);
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    };
    for resolution in ["refund", "adjustment"] {
        let expected = format!("the case comes to no {resolution} by itself: --amount says how much");
        assert_eq!(propose(resolution, &[]), format!("atm-switch: {expected}"));
    }
    let nobody = "atm-switch: a refund needs a citizen's transaction with its RRN: the case has none";
    assert_eq!(propose("refund", &["--amount", "5"]), nobody);
    let listed =
        desk.json(&["recon", "exceptions", "--kind", "missing_at_bank", "--bank", "970418", "--open"]);
    let case = listed[0]["case"].as_str().unwrap().to_owned();
    let run_with = |password: &str, who: &[&str], deed: &[&str]| {
        let (verb, more) = deed.split_first().unwrap();
        let output = desk.command_with(&[&["recon", verb, &case], who, more].concat(), password);
        match output.status.success() {
            true => Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr)
                .trim()
                .trim_start_matches("atm-switch: ")
                .to_owned()),
        }
    };
    let run = |person: &str, deed: &[&str]| run_with(PASSWORD, &["--as", person], deed);
    let state = |told: Result<Value, String>| told.map(|case| case["state"].as_str().unwrap().to_owned());
    let is = |state: &str| Ok(state.to_owned());
    let role = |name: &str, roles: &str| Err(format!("{name} may not do this: it is for {roles}"));
    assert_eq!(state(run("an", &["note", "--text", "x"])), role("an", "clerk, checker"));
    assert_eq!(state(run("nobody", &["note", "--text", "x"])), Err("nobody is called nobody".to_owned()));
    let ghost = "nobody is called ghost: `people list` shows who is";
    assert_eq!(state(run("lan", &["assign", "--owner", "ghost"])), Err(ghost.to_owned()));
    assert_eq!(state(run("lan", &["assign", "--owner", "lan"])), is("open"));
    // One person was maker and checker by another's name, or by none: whose name it is has to be proved.
    let wrong =
        |name: &str| Err(format!("it is not the password of {name}: it is the first line of standard input"));
    let propose = ["propose", "--resolution", "accept", "--why", "x"];
    for deed in [
        &[&["recon", "propose", &case], &propose[1..]].concat()[..],
        &["recon", "approve", &case, "--proposal", "1"],
        &["recon", "reject", &case, "--proposal", "1", "--why", "x"],
        &["recon", "reopen", &case, "--why", "x"],
        &["recon", "dispute", &case, "--why", "x"],
        &["recon", "assign", &case],
        &["recon", "note", &case, "--text", "x"],
        &["recon", "resolve", &case, "--why", "x"],
        &["recon", "match", "9f86d081884c7d65-12", "0-1"],
        &["recon", "part", "9f86d081884c7d65-12", "0-1"],
        &["recon", "layout", "x", "x.toml"],
        &["day", "close", DAY],
        &["day", "settle", DAY],
    ] {
        let refused = desk.command_with(deed, PASSWORD);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("  --as <NAME>\n"), "{deed:?}: {told}");
    }
    for who in ["lan", "an"] {
        let closed = desk.command_with(&["day", "close", FIRST_DAY, "--as", who], PASSWORD);
        let told = String::from_utf8_lossy(&closed.stderr).into_owned();
        assert_eq!(told, format!("atm-switch: {who} may not do this: it is for checker\n"));
    }
    assert_eq!(state(run_with("another one entirely\n", &["--as", "lan"], &propose)), wrong("lan"));
    assert_eq!(state(run_with("", &["--as", "minh"], &["note", "--text", "x"])), wrong("minh"));
    let audit = desk.told(&["people", "audit"]);
    assert_eq!(audit.matches("(command line) log-in failed: ").count(), 2, "{audit}");
    // What runs without anybody there has the password in a file.
    let by_file = ["--as", "lan", "--password-file", "lan.password"];
    let note = ["note", "--text", "asked the bank"];
    write(desk.dir.path(), "lan.password", PASSWORD);
    assert_eq!(state(run_with("", &by_file, &note)), is("open"));
    std::fs::write(desk.path("lan.password"), "another one entirely\n").unwrap();
    let wrong = "it is not the password of lan: it is the first line of lan.password";
    assert_eq!(state(run_with(PASSWORD, &by_file, &note)), Err(wrong.to_owned()));
    std::os::unix::fs::symlink("/etc/passwd", desk.path("open.password")).unwrap();
    let open = "open.password: others can read it; chmod 600".to_owned();
    assert_eq!(state(run_with("", &["--as", "lan", "--password-file", "open.password"], &note)), Err(open));
    let proposed =
        run("lan", &["propose", "--resolution", "adjustment", "--why", "the bank has it not"]).unwrap();
    let proposal = proposed["proposal"]["act"].to_string();
    let minor = |name: &str| listed[0][name].as_i64().unwrap();
    let more = minor("theirs_minor") - minor("ours_minor");
    assert_eq!(proposed["proposal"]["amount_minor"], more, "what the bank owes more, as its file has it");
    assert_eq!(state(run("lan", &["approve", "--proposal", &proposal])), role("lan", "checker"));
    assert_eq!(
        state(run("minh", &["approve", "--proposal", "99"])),
        Err("another proposal stands there by now: look at it first".to_owned())
    );
    assert_eq!(state(run("minh", &["approve", "--proposal", &proposal])), is("resolved"));
    let undo = run("minh", &["reopen", "--why", "it came"]).unwrap();
    assert_eq!(
        (&undo["state"], &undo["proposal"]["amount_minor"]),
        (&Value::from("proposed"), &Value::from(-more))
    );
    let undo = undo["proposal"]["act"].to_string();
    assert_eq!(
        state(run("minh", &["approve", "--proposal", &undo])),
        Err("minh has proposed it and cannot check it: somebody else has to".to_owned())
    );
    // A file is taken back out of its place by two, and taken again.
    let place = ["recon", "take-back", "--kind", "postings", "--day", "2026-05-03", "--bank", "970418"];
    let take_back = |who: &str, more: &[&str]| {
        let output = desk.command_with(&[&place[..], &["--as", who], more].concat(), PASSWORD);
        output.status.success().then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let asked = take_back("lan", &["--why", "it is another bank's"]).unwrap();
    let proposal = asked["proposal"]["act"].to_string();
    assert_eq!((&asked["taken"], take_back("lan", &["--approve", &proposal])), (&Value::from(true), None));
    assert!(!desk.import("banks/970418-2026-05-03.csv"));
    let done = take_back("minh", &["--approve", &proposal]).unwrap();
    assert_eq!((&done["taken"], &done["proposal"]), (&Value::from(false), &Value::Null));
    assert!(desk.import("banks/970418-2026-05-03.csv"));
    // A transaction that the bank has posted is parted from its line, and laid to it again.
    let pairs = desk.json(&["recon", "exceptions", "--kind", "amount_over", "--bank", "970418"]);
    let (line, over) = (pairs[0]["lines"][0].as_str().unwrap(), pairs[0]["case"].as_str().unwrap());
    let ours = over.trim_end_matches("-bank");
    desk.told_with(&["recon", "part", line, ours, "--as", "lan"], PASSWORD);
    let open = |kind: &str| {
        desk.json(&["recon", "exceptions", "--kind", kind, "--bank", "970418"]).as_array().unwrap().len()
    };
    assert_eq!(open("amount_over"), pairs.as_array().unwrap().len() - 1);
    let unproved = desk.command_with(&["recon", "match", line, ours, "--as", "lan"], "");
    assert!(!unproved.status.success());
    desk.told_with(&["recon", "match", line, ours, "--as", "lan"], PASSWORD);
    assert_eq!(open("amount_over"), pairs.as_array().unwrap().len());
    // What was said by hand stands beside the case, and what has become of it.
    let said = || desk.json(&["recon", "exceptions", "--kind", "amount_over", "--bank", "970418"]);
    let (said, void) = (said()[0]["by_hand"].clone(), desk.json(&["recon", "match"])["void_by_hand"].clone());
    let matched = said[1]["act"].clone();
    assert_eq!(
        (&said[0]["deed"], &said[0]["void"], &said[0]["void_by"]),
        (&Value::from("part"), &Value::from("replaced"), &matched)
    );
    assert_eq!((&said[1]["deed"], &said[1]["void"]), (&Value::from("match"), &Value::Null));
    assert_eq!(void, Value::Array(vec![said[0].clone()]));
    let told = format!("; parting of {line} and {ours} by hand is void: replaced by act {matched}\n");
    for command in [&["exceptions"][..], &["match"]] {
        let shown = desk.told(&[&["recon"], command].concat());
        assert!(shown.contains(&told), "{shown}");
    }
}

/// A decision could be recorded on the command line by any name.
#[test]
fn a_decision_about_the_transaction_of_a_case_is_recorded_in_a_proved_name() {
    let desk = Desk::new();
    desk.enrol();
    let cases = desk.json(&["recon", "exceptions", "--kind", "suspense"]);
    let (case, rrn) = desk.run(|_| {
        let waiting = || desk.json(&["suspense", "list"])["suspense"].as_array().unwrap().clone();
        let before = waiting();
        let waits = |case: &&Value| before.iter().any(|one| one["rrn"] == case["rrn"]);
        let found = cases.as_array().unwrap().iter().find(waits).unwrap();
        let (case, rrn) = (found["case"].as_str().unwrap(), found["rrn"].as_str().unwrap());
        let resolve = |case: &str, who: &str| {
            let why = "cassettes counted: no cash has left";
            let output = desk.command_with(&["recon", "resolve", case, "--why", why, "--as", who], PASSWORD);
            let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            if output.status.success() { Ok(()) } else { Err(told) }
        };
        let role = "atm-switch: lan may not do this: it is for checker, operator".to_owned();
        assert_eq!(resolve(case, "lan"), Err(role));
        let file = "9f86d081884c7d65-12-bank";
        assert_eq!(resolve(file, "minh"), Err(format!("atm-switch: case {file}: it is of no transaction")));
        assert_eq!(resolve(case, "minh"), Ok(()));
        assert_eq!(waiting().len(), before.len() - 1);
        assert!(resolve(case, "minh").is_err(), "it waits no more");
        (case.to_owned(), rrn.to_owned())
    });
    let told = desk.told(&["log", "find", "--rrn", &rrn]);
    let last = told.lines().last().unwrap();
    assert!(last.contains("RESOLUTION") && last.contains("minh (uid "), "{case}: {told}");
}

/// A simulated day came without a configuration: whoever wanted to see it had to write one.
#[test]
fn a_simulated_day_is_worked_on_by_the_configuration_that_comes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let deliveries = simulators::day::write_day(5, 600, dir.path()).unwrap();
    let desk = Desk { dir, deliveries };
    assert!(desk.told(&["day", "list"]).contains(DAY));
    let postings = "banks/970418-2026-05-03.csv";
    let args = ["recon", "import", postings, "--kind", "postings", "--day", DAY, "--bank", BANKS[0]];
    assert!(desk.deliveries.iter().any(|path| path == postings));
    desk.told(&args);
    assert!(desk.json(&["recon", "match"])["matched"].as_u64().unwrap() > 0);
    desk.told(&["enrolment", "import", "citizens.csv", "--bank", BANKS[0]]);
    desk.told_with(&["people", "add", "lan", "--full-name", "Lan", "--role", "clerk"], PASSWORD);
    // The ports are others than the configuration's, so that the test stands in nobody's way.
    let config = std::fs::read_to_string(desk.path("atm-switch.toml")).unwrap();
    let ports = ["8583", "9090", "8600"].map(|port| format!("\"127.0.0.1:{port}\""));
    assert!(ports.iter().all(|port| config.contains(port)), "{config}");
    let config = ports.iter().fold(config, |config, port| config.replace(port, "\"127.0.0.1:0\""));
    write(desk.dir.path(), "atm-switch.toml", &config);
    let page = desk.run(|addresses| {
        use std::io::{Read as _, Write as _};
        let address = addresses["console"].as_str().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("GET /log-in HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    });
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("name=\"password\""), "{page}");
}

/// Only documents said why a bank whose answers were lost is out of balance.
#[test]
fn what_lost_answers_may_explain_is_shown_with_the_day() {
    let desk = Desk::new();
    let of_bank = |shown: &Value| {
        let banks = shown["banks"].as_array().unwrap().iter();
        banks.clone().find(|bank| bank["bank"] == BANKS[0]).unwrap().clone()
    };
    let before = of_bank(&desk.json(&["day", "show", DAY]));
    let ours = |number: u64| {
        let elements = before["elements"].as_array().unwrap();
        elements.iter().find(|one| one["element"] == number).unwrap()["ours"].as_i64().unwrap()
    };
    for (more, expected) in [(1, true), (100_000, false)] {
        let bank = BANKS[0];
        let claims = format!("{bank},76,{}\n{bank},77,{}\n", ours(76) + more, ours(77) + more);
        write(desk.dir.path(), "totals.csv", &format!("bank,element,value\n{claims}"));
        desk.told(&["recon", "import", "totals.csv", "--kind", "totals", "--day", DAY]);
        let explained = of_bank(&desk.json(&["day", "show", DAY]))["explained_by_lost_answers"].clone();
        assert_eq!(explained["items"].as_u64(), expected.then_some(1), "{explained}");
        assert!(!expected || explained["of_items"].as_u64() > Some(1), "{explained}");
        let text = desk.told(&["day", "show", DAY]);
        assert_eq!(text.contains("OUT OF BALANCE, may be explained by 1 of "), expected, "{text}");
    }
}

#[test]
fn what_is_slipped_in_an_import_is_told_and_nothing_is_recorded() {
    let desk = Desk::new();
    let good = "bank,element,value\n970418,97,2000000\n";
    for (text, day, reason) in [
        (good, "2027-05-03", "2027-05-03: the log knows no such business day"),
        ("bank,element,value\n970499,97,1\n", DAY, "line 2: 970499 is no member of this switch"),
    ] {
        write(desk.dir.path(), "totals.csv", text);
        let refused = desk.command(&["recon", "import", "totals.csv", "--kind", "totals", "--day", day]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains(reason), "{told}");
    }
    let postings = "day/banks/970418-2026-05-03.csv";
    let refused = desk.command(&["recon", "import", postings, "--kind", "postings", "--day", DAY]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && told.contains("--bank is missing"), "{told}");
    assert!(!desk.path("clerks/casework.jsonl").exists(), "no act");
    write(desk.dir.path(), "totals.csv", good);
    desk.told(&["recon", "import", "totals.csv", "--kind", "totals", "--day", DAY]);
    let unreadable =
        || desk.json(&["recon", "exceptions", "--kind", "unreadable_line"]).as_array().unwrap().len();
    assert_eq!(unreadable(), 0);
    // The first line was skipped, whatever it said.
    write(desk.dir.path(), "totals.csv", "970418,97,2000001\n970418,76,1\n");
    let headless = ["recon", "import", "totals.csv", "--kind", "totals", "--day", DAY];
    assert!(!desk.command(&headless).status.success());
    assert_eq!(unreadable(), 1);
}

/// A day of which a part was missing looked like one of which nothing had come.
#[test]
fn a_day_says_which_files_of_it_are_here_in_part() {
    let desk = Desk::new();
    let (bytes, layout) = workbook(3);
    write(desk.dir.path(), "bidv.toml", layout);
    std::fs::write(desk.path("bidv.xlsx"), &bytes).unwrap();
    let place = ["--kind", "postings", "--day", DAY, "--bank", "970418", "--layout", "bidv.toml"];
    desk.told(&[&["recon", "import", "bidv.xlsx", "--part", "2", "--parts", "3"], &place[..]].concat());
    let shown = desk.told(&["day", "show", DAY]);
    assert!(shown.contains("\npostings of 970418: 1 of 3 parts are here\n"), "{shown}");
    let shown = desk.json(&["day", "show", DAY]);
    let file = serde_json::json!({ "kind": "postings", "bank": "970418", "terminal": null, "parts_here": 1, "parts": 3 });
    assert_eq!(shown["files_in_part"], serde_json::json!([file]));
    assert!(!desk.told(&["day", "show", FIRST_DAY]).contains("parts are here"));
}
