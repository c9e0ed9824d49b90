//! The clerks' console of a pilot: opened in the switch's configuration, with a person of each role.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use super::switch::Switch;

/// Name, full name and role of each: synthetic, as the citizens.
const PEOPLE: [(&str, &str, &str); 4] = [
    ("lan", "Nguyễn Thị Lan", "clerk"),
    ("minh", "Trần Quang Minh", "checker"),
    ("oanh", "Lê Kim Oanh", "operator"),
    ("an", "Phạm Hoài An", "auditor"),
];

/// Bytes of chance in the password of a run.
const PASSWORD_BYTES: usize = 10;

/// The people of one run, who have one password that is good for it alone.
pub(crate) struct People {
    password: String,
}

impl People {
    /// Opens a console in the configuration, on any free port of loopback, and lets the people in.
    ///
    /// # Errors
    /// The configuration cannot be written, or the switch refuses.
    pub(crate) async fn let_in(config: &Path, switch: &Switch) -> Result<People, Box<dyn Error>> {
        let mut file = OpenOptions::new().append(true).open(config)?;
        file.write_all(
            b"\n[console]\nlisten = \"127.0.0.1:0\"\ndir = \"console\"\n[reconciliation]\ndir = \"desk\"\n",
        )?;
        let mut chance = [0; PASSWORD_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut chance)?;
        let password: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        for (name, full_name, role) in PEOPLE {
            let arguments = ["people", "add", name, "--full-name", full_name, "--role", role];
            switch.command_with(&arguments, &format!("{password}\n")).await?;
        }
        Ok(People { password })
    }

    /// Name and password of the clerk.
    pub(crate) fn clerk(&self) -> (&'static str, &str) {
        (PEOPLE[0].0, &self.password)
    }

    /// Where the console is, and who may log in.
    pub(super) fn invitation(&self, at: SocketAddr) -> String {
        let names: Vec<String> = PEOPLE.iter().map(|(name, _, role)| format!("{name} ({role})")).collect();
        format!("console: http://{at}  log in as {}, password {}\n", names.join(", "), self.password)
    }
}
