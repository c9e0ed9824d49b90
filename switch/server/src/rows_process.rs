//! A file that somebody hands in is taken apart by a process of its own, `atm-switch read-rows`: it has the file, a pipe for its answer, bounds, and
//! nothing else (docs/security.md#console-attacks). What it says is believed as little as the file.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use exchange::{BadAnswer, Numbering, RawRow, Reason, Refusal, RowForm, Rows, read_answer, write_answer};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process,
    set_dumpable_behavior, setrlimit, waitid,
};
use rustix::thread::set_no_new_privs;

use crate::cli::{FormArg, ReadRowsArgs};

/// Memory of a process that reads a file, the program itself among it. The largest text, what a workbook may unpack to, and the table of its texts have room.
pub const READER_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Its time on a processor.
pub const READER_CPU_S_MAX: u64 = 60;
/// All its time; then it is killed.
pub const READER_MS_MAX: u64 = 120_000;

/// The command's name.
pub const READ_ROWS: &str = "read-rows";

/// The program as it runs, also where another one was put in its place on the disk.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Takes files apart by processes.
#[derive(Clone, Debug)]
pub struct RowsProcess {
    /// `atm-switch`.
    pub program: PathBuf,
    /// How long one may take.
    pub ms_max: u64,
}

impl Default for RowsProcess {
    fn default() -> RowsProcess {
        RowsProcess { program: PathBuf::from(OWN_PROGRAM), ms_max: READER_MS_MAX }
    }
}

impl Rows for RowsProcess {
    fn each_row(
        &self,
        file: &[u8],
        form: RowForm<'_>,
        take: &mut dyn FnMut(RawRow) -> bool,
    ) -> Result<(), Refusal> {
        let refused =
            |reason: Reason, values: &[&dyn Display]| Refusal::place(form.whole(), reason.of(values));
        let mut child = self.start(file, form).map_err(|error| refused(Reason::NoReader, &[&error]))?;
        let answered = self.hear(&mut child, form, take);
        // Whatever it said, it is no more when this returns.
        child.kill().ok();
        child.wait().ok();
        match answered {
            Ok(()) => Ok(()),
            Err(Unheard::Refused(refusal)) => Err(refusal),
            Err(Unheard::Late) => Err(refused(Reason::ReaderLate, &[&self.ms_max])),
            Err(Unheard::Odd(reason)) => Err(refused(Reason::ReaderOdd, &[&reason])),
            Err(Unheard::Died(how)) => {
                Err(refused(Reason::ReaderDied, &[&how, &READER_MEMORY_BYTES_MAX, &READER_CPU_S_MAX]))
            }
        }
    }
}

/// Why a file was not heard to its end.
enum Unheard {
    Refused(Refusal),
    Late,
    Odd(String),
    Died(String),
}

impl RowsProcess {
    /// Without environment, in the root directory, with the file, a pipe, and nowhere to complain.
    fn start(&self, bytes: &[u8], form: RowForm<'_>) -> std::io::Result<Child> {
        let mut file =
            File::from(memfd_create("handed-in", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(bytes)?;
        file.rewind()?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let mut command = Command::new(&self.program);
        command.arg(READ_ROWS).args(arguments(form));
        command.env_clear().current_dir("/");
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }

    /// Takes the answer while somebody else looks at the clock.
    fn hear(
        &self,
        child: &mut Child,
        form: RowForm<'_>,
        take: &mut dyn FnMut(RawRow) -> bool,
    ) -> Result<(), Unheard> {
        let answer = child.stdout.take().map(BufReader::new).ok_or(Unheard::Odd("nothing".to_owned()))?;
        let pid = Pid::from_child(child);
        let (heard, is_heard) = channel::<()>();
        let (ms_max, is_late) = (self.ms_max, AtomicBool::new(false));
        let was_late = &is_late;
        let read = std::thread::scope(|scope| {
            scope.spawn(move || {
                if is_heard.recv_timeout(Duration::from_millis(ms_max)) == Err(RecvTimeoutError::Timeout) {
                    was_late.store(true, Ordering::Relaxed);
                    // Its number is nobody else's: it is let go behind this thread's end.
                    kill_process(pid, Signal::KILL).ok();
                }
            });
            let read = read_answer(answer, form, take);
            if matches!(read, Err(BadAnswer::Cut)) {
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok();
            }
            drop(heard);
            read
        });
        read.map_err(|bad| match bad {
            BadAnswer::Refused(refusal) => Unheard::Refused(refusal),
            BadAnswer::Odd(reason) => Unheard::Odd(reason),
            BadAnswer::Cut if is_late.load(Ordering::Relaxed) => Unheard::Late,
            BadAnswer::Cut => Unheard::Died(how_ended(child.wait())),
        })
    }
}

fn how_ended(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Err(error) => error.to_string(),
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("signal {signal}"),
            (None, code) => format!("status {}", code.unwrap_or_default()),
        },
    }
}

/// A form as the process is told it.
fn arguments(form: RowForm<'_>) -> Vec<String> {
    let (name, more) = match form {
        RowForm::Csv { delimiter, numbering } => {
            let first = numbering.is_first().then(|| "--first-numbering".to_owned());
            ("csv", [Some(format!("--delimiter={delimiter}")), first])
        }
        RowForm::Fixed => ("fixed", [None, None]),
        RowForm::Journal => ("journal", [None, None]),
        RowForm::Sheet { name } => ("sheet", [name.map(|name| format!("--sheet={name}")), None]),
    };
    std::iter::once(format!("--form={name}")).chain(more.into_iter().flatten()).collect()
}

fn form_of(args: &ReadRowsArgs) -> RowForm<'_> {
    let numbering = if args.first_numbering { Numbering::First } else { Numbering::AsShown };
    match args.form {
        FormArg::Csv => RowForm::Csv { delimiter: args.delimiter, numbering },
        FormArg::Fixed => RowForm::Fixed,
        FormArg::Journal => RowForm::Journal,
        FormArg::Sheet => RowForm::Sheet { name: args.sheet.as_deref() },
    }
}

/// What the process does: binds itself, reads the file that is its standard input, and answers.
///
/// # Errors
/// It cannot bind itself, or nobody takes the answer.
pub fn read_rows(args: &ReadRowsArgs) -> Result<(), String> {
    let file = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    bind().map_err(|error| format!("its bounds: {error}"))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    match write_answer(BufReader::new(File::from(file)), form_of(args), &mut out) {
        // Whoever asked wants no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| error.to_string()),
    }
}

/// From here on nothing can be opened, written to a file, started, or kept in a core dump.
fn bind() -> Result<(), rustix::io::Errno> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    for (resource, most) in [
        (Resource::As, READER_MEMORY_BYTES_MAX),
        (Resource::Cpu, READER_CPU_S_MAX),
        (Resource::Nofile, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
    ] {
        // Whoever started the switch may have bound it more narrowly.
        let most = getrlimit(resource).maximum.map_or(most, |own| own.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;
    use std::sync::LazyLock;

    use super::*;

    /// A reader that does what stands in the file. Written once, before anything is started: whoever is just being started may hold it open.
    static READER: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("reader");
        std::fs::write(&program, "#!/bin/sh\neval \"$(cat)\"\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        (dir, program)
    });

    /// How many rows come, and what is said.
    fn said_of(script: &str, ms_max: u64) -> (usize, String) {
        let mut rows = 0;
        let reader = RowsProcess { program: READER.1.clone(), ms_max };
        let form = RowForm::Sheet { name: Some("May") };
        let read = reader.each_row(script.as_bytes(), form, &mut |_| {
            rows += 1;
            true
        });
        (rows, read.map_or_else(|refusal| refusal.rejects[0].reason.clone(), |()| "good".to_owned()))
    }

    #[test]
    fn a_form_is_read_as_it_is_told() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ReadRowsArgs,
        }
        for form in [
            RowForm::Csv { delimiter: b';', numbering: Numbering::First },
            RowForm::Csv { delimiter: b'\t', numbering: Numbering::AsShown },
            RowForm::Fixed,
            RowForm::Journal,
            RowForm::Sheet { name: None },
            RowForm::Sheet { name: Some("-Tháng 5") },
        ] {
            let line = [vec![READ_ROWS.to_owned()], arguments(form)].concat();
            let Line { args } = clap::Parser::try_parse_from(&line).unwrap();
            assert_eq!(form_of(&args), form, "{line:?}");
        }
    }

    #[test]
    fn a_reader_that_dies_hangs_or_says_what_is_no_row_is_a_refusal() {
        let died = |how: &str| {
            format!(
                "its reader has ended by {how}: it takes more than {READER_MEMORY_BYTES_MAX} bytes or {READER_CPU_S_MAX} s of work, or it is harmful"
            )
        };
        let late = || "it was not read within 200 ms".to_owned();
        let row = r"printf 'R\001\0\0\0\0\0\0\0\0'";
        for (script, ms_max, expected) in [
            ("printf E", READER_MS_MAX, (0, "good".to_owned())),
            (&format!("{row}; printf E"), READER_MS_MAX, (1, "good".to_owned())),
            (&format!("{row}; kill -ABRT $$"), READER_MS_MAX, (1, died("signal 6"))),
            ("exit 3", READER_MS_MAX, (0, died("status 3"))),
            // It goes on, with its end of the pipe open or closed.
            (&format!("{row}; exec sleep 1000"), 200, (1, late())),
            ("exec sleep 1000 >&-", 200, (0, late())),
            ("printf a", READER_MS_MAX, (0, "its reader said what is no row: 97 begins nothing".to_owned())),
        ] {
            assert_eq!(said_of(script, ms_max), expected, "{script}");
        }
        let nothing = RowsProcess { program: PathBuf::from("/nowhere"), ms_max: 1 };
        let refusal = nothing.each_row(b"", RowForm::Fixed, &mut |_| true).unwrap_err();
        assert!(refusal.rejects[0].reason.starts_with("nothing can read it: "), "{refusal}");
    }

    /// Whoever got hold of it would have had the switch's environment, and whatever stands open there.
    #[test]
    fn a_reader_has_no_environment_and_nothing_that_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("told");
        // What stands open in the process that asks.
        let _open =
            (File::open("/proc/version").unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let script = format!(
            "{{ tr '\\0' '\\n' < /proc/$$/environ; pwd; echo \"$@\"; for fd in /proc/$$/fd/*; do readlink $fd; done; }} > {}; printf E",
            told.display()
        );
        assert_eq!(said_of(&script, READER_MS_MAX), (0, "good".to_owned()));
        let told = std::fs::read_to_string(&told).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[..2], ["/", "read-rows --form=sheet --sheet=May"], "{told}");
        let open = &lines[2..];
        assert!(open.iter().any(|path| path.starts_with("/memfd:handed-in")), "{told}");
        assert!(!open.iter().any(|path| path.contains("version") || path.contains("socket")), "{told}");
    }
}
