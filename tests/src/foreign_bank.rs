//! A bank built on the crate iso8583_rs, its server and its codec: it approves what it is sent. In its own process, as the
//! crate's server cannot be stopped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use iso8583::Dialect;
use iso8583_rs::iso8583::IsoError;
use iso8583_rs::iso8583::iso_spec::IsoMsg;
use iso8583_rs::iso8583::mli::MLIType;
use iso8583_rs::iso8583::server::{ISOServer, MsgProcessor};
use tempfile::NamedTempFile;

use crate::foreign_spec;

/// How often a bank that was started is looked for, and the pause between two looks.
const LOOKS_MAX: usize = 200;
const LOOK_PAUSE_MS: u64 = 25;

/// A bank that runs, in `ascii-binary-bitmap-1987` behind a 2-byte length, without MACs. Ends when dropped.
pub struct ForeignBank {
    process: Child,
    address: SocketAddr,
    _spec: NamedTempFile,
}

impl ForeignBank {
    /// Starts the program `foreign_bank` (`env!("CARGO_BIN_EXE_foreign_bank")` in a test) on a free loopback port, and
    /// waits until it listens.
    ///
    /// # Errors
    /// When the program does not start or does not listen after 5 s.
    pub fn start(program: &Path) -> io::Result<ForeignBank> {
        let spec = foreign_spec::write(Dialect::ascii_binary_bitmap_1987())?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(program)
            .arg(address.to_string())
            .env(foreign_spec::SPEC_FILE, spec.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let bank = ForeignBank { process, address, _spec: spec };
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(address).is_ok() {
                return Ok(bank);
            }
            sleep(Duration::from_millis(LOOK_PAUSE_MS));
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing listens on {address}")))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ForeignBank {
    fn drop(&mut self) {
        // Either it is killed or it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the bank on an address until the process ends.
///
/// # Errors
/// An address that is none, or a listener that ended.
pub fn run(address: &str) -> Result<(), String> {
    let (spec, _) = foreign_spec::layout();
    let server = ISOServer::new(address.to_owned(), spec, MLIType::MLI2E, Box::new(Approver))
        .map_err(|error| error.msg)?;
    server.start().join().map_err(|_| format!("the listener on {address} ended"))
}

/// Answers every request and advice with 00 and the elements that docs/interface.md wants back.
struct Approver;

/// The MTI of an answer, and which elements it carries as the request had them (docs/interface.md#elements).
const ANSWERS: [(&[&str], &str, &[u32]); 3] = [
    (&["0200", "0201"], "0210", &[3, 4, 7, 11, 37, 41, 102]),
    (&["0420", "0421"], "0430", &[4, 7, 11, 37, 41]),
    (&["0800"], "0810", &[7, 11, 70]),
];

impl MsgProcessor for Approver {
    fn process(&self, server: &ISOServer, bytes: &mut Vec<u8>) -> Result<(Vec<u8>, IsoMsg), IsoError> {
        let request = server.spec.parse(bytes).map_err(|error| IsoError { msg: error.msg })?;
        let mti = request.get_field_value(&"message_type".to_owned())?;
        let row = ANSWERS.iter().find(|(requests, _, _)| requests.contains(&mti.as_str()));
        let Some(&(_, answer_mti, echoed)) = row else {
            return Err(IsoError { msg: format!("MTI {mti} is not taken") });
        };
        let mut answer = foreign_spec::message(answer_mti);
        let echoed: Vec<u32> = echoed.iter().copied().filter(|&element| request.bmp.is_on(element)).collect();
        answer.echo_from(&request, &echoed)?;
        answer.set_on(39, "00")?;
        if answer_mti == "0210" {
            answer.set_on(38, "FB0001")?;
        }
        Ok((answer.assemble()?, answer))
    }
}
