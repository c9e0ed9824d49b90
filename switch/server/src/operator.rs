//! The operator's commands: JSON lines over a Unix socket that its owner alone can open (docs/operations.md#operator-commands).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use credential::CitizenNumber;
use hsm::KeyName;
use keys::DataKeys;
use processor::{Block, BlockSubject, Command, Day, Institution, Resolution, SafRetry, TerminalId, TxKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::bus::{Done, Inbound, SafQuestion, SuspendedQuestion};
use crate::key_rotation;
use crate::saf_view;
use crate::suspense_commands;

/// Operators' connections at once; more wait.
const CONNECTIONS_MAX: usize = 16;

/// Reversals, or transactions in SUSPENSE, that one answer lists; a command that asks for more is refused.
pub const LISTED_MAX: usize = 1_000;

/// The name of who decides: the record has ` (uid 4294967295)` behind it.
pub const BY_CHARACTERS_MAX: usize = Resolution::BY_CHARACTERS_MAX - " (uid 4294967295)".len();

/// Bytes of a command.
const LINE_BYTES_MAX: u64 = 4_096;

/// A connection that says nothing for so long is closed; a command that is not done after so long is told so.
const SILENCE_MAX: Duration = Duration::from_secs(10);
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// One line to the switch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Open this business day.
    Cutover {
        /// `2022-05-03`.
        day: String,
    },
    /// Block or unblock.
    Block {
        /// `terminal`, `bank` or `citizen`.
        subject: Subject,
        /// DE41, institution or citizen number.
        id: String,
        /// `true` blocks, `false` unblocks.
        set: bool,
    },
    /// Take no new requests; done when nothing is in flight.
    Drain,
    /// Take requests again behind a drain.
    Resume,
    /// How things stand.
    Status,
    /// What waits for the banks, the oldest first.
    #[serde(rename = "saf-list")]
    SafList {
        /// This bank's alone.
        bank: Option<String>,
        /// At most so many reversals; [`LISTED_MAX`] is the most.
        limit: usize,
    },
    /// What a transaction's reversal waits for.
    #[serde(rename = "saf-show")]
    SafShow {
        /// Its key.
        key: String,
    },
    /// What waits for a person, the oldest first.
    #[serde(rename = "suspense-list")]
    SuspenseList {
        /// Flagged on this day (UTC) or later: `2022-05-03`.
        since: Option<String>,
        /// At most so many; [`LISTED_MAX`] is the most.
        limit: usize,
    },
    /// A person has decided about a transaction that waits for one.
    #[serde(rename = "suspense-resolve")]
    SuspenseResolve {
        /// Its key.
        key: String,
        /// Who; the record has the socket's user beside the name.
        by: String,
        /// Why.
        why: String,
    },
    /// Send an owner its next key; done when it is in use at both ends.
    #[serde(rename = "keys-send")]
    KeysSend {
        /// `terminal.HN000001.pin`, `bank.970418.mac-to-switch`.
        key: String,
    },
    /// Take resting reversals up now: one, a bank's, or all.
    #[serde(rename = "saf-retry")]
    SafRetry {
        /// This one.
        key: Option<String>,
        /// This bank's.
        bank: Option<String>,
    },
}

/// What can be blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// By DE41; answered 57.
    Terminal,
    /// By institution; answered 91.
    Bank,
    /// By citizen number; answered 62.
    Citizen,
}

/// Binds the socket for the switch's user alone. The caller holds the log's lock, so a file that is there already is
/// one that a killed process has left.
///
/// # Errors
/// The path, and why it cannot be bound.
pub fn bind(path: &Path) -> Result<UnixListener, String> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(named)?;
    }
    let listener = UnixListener::bind(path).map_err(named)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(named)?;
    Ok(listener)
}

/// Serves operators until the process ends.
pub async fn serve(listener: UnixListener, data: DataKeys, loop_queue: mpsc::Sender<Inbound>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (data, loop_queue) = (data.clone(), loop_queue.clone());
        tokio::spawn(async move {
            // Whoever goes away in the middle of a command has no answer to read.
            let _ = converse(stream, &data, &loop_queue).await;
            drop(permit);
        });
    }
}

async fn converse(
    stream: UnixStream,
    data: &DataKeys,
    loop_queue: &mpsc::Sender<Inbound>,
) -> std::io::Result<()> {
    let by = format!("uid {}", stream.peer_cred()?.uid());
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        let mut bounded = (&mut read).take(LINE_BYTES_MAX);
        match timeout(SILENCE_MAX, bounded.read_line(&mut line)).await {
            Err(_) | Ok(Ok(0)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(_)) => {}
        }
        let answer = match serde_json::from_str(&line) {
            Ok(request) => answer(request, &by, data, loop_queue).await,
            Err(error) => Err(format!("no command: {error}")),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "ok": false, "error": error }));
        write.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

/// Carries one request out for `by`, the way on which it came.
pub(crate) async fn answer(
    request: Request,
    by: &str,
    data: &DataKeys,
    loop_queue: &mpsc::Sender<Inbound>,
) -> Result<Value, String> {
    let command = match request {
        Request::Status => {
            let (answer, status) = oneshot::channel();
            loop_queue.send(Inbound::Status(answer)).await.map_err(stopping)?;
            return Ok(json!({ "ok": true, "status": status.await.map_err(stopping)? }));
        }
        Request::SafList { limit, .. } if limit > LISTED_MAX => {
            return Err(format!("limit: {limit} is more than {LISTED_MAX}"));
        }
        Request::SafList { bank, limit } => {
            let bank = bank.map(|bank| bank.parse::<Institution>()).transpose()?;
            return saf(SafQuestion::List { bank, limit }, loop_queue).await;
        }
        Request::SafShow { key } => return saf(SafQuestion::One(key.parse::<TxKey>()?), loop_queue).await,
        Request::SuspenseList { limit, .. } if limit > LISTED_MAX => {
            return Err(format!("limit: {limit} is more than {LISTED_MAX}"));
        }
        Request::SuspenseList { since, limit } => return suspended(since, limit, loop_queue).await,
        Request::SuspenseResolve { key, by: name, why } => {
            if name.chars().count() > BY_CHARACTERS_MAX {
                return Err(format!("by: a name has 1 to {BY_CHARACTERS_MAX} characters"));
            }
            Command::Resolve(key.parse::<TxKey>()?, Resolution::new(&format!("{name} ({by})"), &why)?)
        }
        Request::SafRetry { key: Some(_), bank: Some(_) } => {
            return Err("a transaction or a bank, not both".to_owned());
        }
        Request::SafRetry { key: Some(key), bank: None } => {
            Command::SafRetry(SafRetry::One(key.parse::<TxKey>()?))
        }
        Request::SafRetry { key: None, bank: Some(bank) } => {
            Command::SafRetry(SafRetry::Bank(bank.parse::<Institution>()?))
        }
        Request::SafRetry { key: None, bank: None } => Command::SafRetry(SafRetry::All),
        Request::KeysSend { key } => {
            let sent = key_rotation::offered(key.parse::<KeyName>()?);
            Command::SendKey(sent.ok_or_else(|| format!("{key}: keys for PINs and MACs are sent, no other"))?)
        }
        Request::Drain => Command::Drain,
        Request::Resume => Command::Resume,
        Request::Cutover { day } => Command::Cutover(day.parse::<Day>()?),
        Request::Block { subject, id, set } => {
            Command::Block(Block { subject: block_subject(subject, &id, data)?, set, by: by.into() })
        }
    };
    tracing::info!(by, ?command, "operator");
    let (answer, done) = oneshot::channel();
    loop_queue.send(Inbound::Operator(command, answer)).await.map_err(stopping)?;
    let done = timeout(COMMAND_MAX, done).await.map_err(|_| "not done yet; it goes on".to_owned())?;
    Ok(match done.map_err(stopping)?? {
        Done::Done => json!({ "ok": true }),
        Done::Retried { taken, resting } => json!({ "ok": true, "taken_up": taken, "resting": resting }),
    })
}

/// The event loop only copies what is asked for; it is written out here.
async fn saf(question: SafQuestion, loop_queue: &mpsc::Sender<Inbound>) -> Result<Value, String> {
    let (answer, asked) = oneshot::channel();
    loop_queue.send(Inbound::Saf(question, answer)).await.map_err(stopping)?;
    let saf = asked.await.map_err(stopping)?;
    let banks: Vec<Value> = saf.banks.iter().map(|bank| saf_view::bank(bank, saf.now)).collect();
    let reversals: Vec<Value> = saf.entries.iter().map(|entry| saf_view::entry(entry, saf.now)).collect();
    let waiting: usize = saf.banks.iter().map(|bank| bank.reversals).sum();
    let more = waiting.saturating_sub(reversals.len());
    Ok(json!({ "ok": true, "banks": banks, "reversals": reversals, "more": more }))
}

async fn suspended(
    since: Option<String>,
    limit: usize,
    loop_queue: &mpsc::Sender<Inbound>,
) -> Result<Value, String> {
    let since_ms = match since {
        None => i64::MIN,
        Some(since) => since.parse::<Day>()?.begins_ms(),
    };
    let (answer, asked) = oneshot::channel();
    let question = SuspendedQuestion { since_ms, limit };
    loop_queue.send(Inbound::Suspended(question, answer)).await.map_err(stopping)?;
    let answer = asked.await.map_err(stopping)?;
    let entries: Vec<Value> =
        answer.entries.iter().map(|(key, suspended)| suspense_commands::entry(key, suspended)).collect();
    Ok(json!({ "ok": true, "suspense": entries, "more": answer.more, "list_full": answer.is_full }))
}

fn stopping<E>(_: E) -> String {
    "the switch is stopping".to_owned()
}

/// A citizen is known by the pseudonym from here on.
fn block_subject(subject: Subject, id: &str, data: &DataKeys) -> Result<BlockSubject, String> {
    match subject {
        Subject::Terminal => TerminalId::parse(id.as_bytes())
            .map(BlockSubject::Terminal)
            .ok_or_else(|| format!("`{id}` is not 8 printable characters")),
        Subject::Bank => Ok(BlockSubject::Bank(id.parse::<Institution>()?)),
        Subject::Citizen => {
            let number = CitizenNumber::parse(id.as_bytes()).map_err(|error| error.to_string())?;
            Ok(BlockSubject::Citizen(data.pseudonym(&number)))
        }
    }
}

/// Sends one request to a running switch and gives its answer, which says `"ok": true`.
///
/// # Errors
/// The switch is not there, or has refused.
pub async fn ask(socket: &Path, request: &Request) -> Result<Value, String> {
    let named = |error: std::io::Error| format!("{}: {error}; is the switch running?", socket.display());
    let mut stream = UnixStream::connect(socket).await.map_err(named)?;
    let line = serde_json::to_string(request).map_err(|error| error.to_string())?;
    stream.write_all(format!("{line}\n").as_bytes()).await.map_err(named)?;
    let mut answer = String::new();
    let read = BufReader::new(stream).read_line(&mut answer).await;
    read.map_err(named)?;
    let answer: Value = serde_json::from_str(&answer).map_err(|_| "the switch has hung up".to_owned())?;
    if answer["ok"] == json!(true) {
        Ok(answer)
    } else {
        Err(answer["error"].as_str().unwrap_or("refused without a reason").to_owned())
    }
}

#[cfg(test)]
mod tests {
    use keys::Key;

    use super::*;

    /// Help said 48, docs 64, and a name of 60 was refused with "1 to 64".
    #[tokio::test]
    async fn a_name_leaves_room_for_its_user_and_the_bound_that_is_told_is_the_one_that_holds() {
        let key = |byte: u8| Key::new([byte; 32]);
        let data = DataKeys::new(&key(1), &key(2), &key(3));
        let (queue, gone) = mpsc::channel(1);
        drop(gone);
        let key = "0200/970418/HN000001/2026-05-03T01:02:03Z/000017";
        for (characters, refusal) in
            [(47, "the switch is stopping"), (48, "by: a name has 1 to 47 characters")]
        {
            let (by, why) = ("n".repeat(characters), "counted".to_owned());
            let request = Request::SuspenseResolve { key: key.to_owned(), by, why };
            let told = answer(request, "uid 4294967295", &data, &queue).await;
            assert_eq!(told, Err(refusal.to_owned()));
        }
    }
}
