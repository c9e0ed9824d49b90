//! `simulators terminal`: one citizen visits one terminal, and what came of it is said.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use credential::Pan;
use tokio::time::timeout;

use crate::citizens::{CITIZENS_MAX, Country};

use crate::pins::{Pin, Pins};

use super::driver;
use super::notes::{Notes, mix};
use super::order::{Card, Fault, Finished, Order, Outcome, Steps, What};
use super::settings;
use super::vault::write_movements;

/// How long the last advice is waited for after the visit.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);

/// One visit.
#[derive(Args, Debug)]
pub struct Visit {
    /// The terminal's configuration, TOML.
    #[arg(long)]
    config: PathBuf,
    /// What the citizen wants.
    #[arg(long)]
    what: Wanted,
    /// Đồng, a multiple of 50,000; none for inquiries.
    #[arg(long, default_value_t = 0)]
    amount: u64,
    /// Number of the citizen in the synthetic population.
    #[arg(long, required_unless_present = "say")]
    citizen: Option<u64>,
    /// With `--what totals`: an element of the 0500, as `97=C0000000002000000`; as often as there are any.
    #[arg(long, required_if_eq("what", "totals"), value_parser = element)]
    say: Vec<(u8, Box<str>)>,
    /// The proof travels in the 0200, without a verification before it.
    #[arg(long)]
    one_step: bool,
    /// The bank's institution code; otherwise the citizen's default account.
    #[arg(long)]
    bank: Option<Box<str>>,
    /// The account, or its alias.
    #[arg(long)]
    account: Option<Box<str>>,
    /// The account that a transfer goes to.
    #[arg(long, required_if_eq("what", "transfer"))]
    to_account: Option<Box<str>>,
    /// The PIN that the citizen types where the machine asks for one; otherwise the right one. `-` types none.
    #[arg(long)]
    pin: Option<String>,
    /// What goes wrong: nothing, part:N, not-taken, jam:N, link:POINT, link:POINT:give-up or die:POINT, with a POINT of
    /// after-request, before-answer or before-advice.
    #[arg(long)]
    fault: Option<Fault>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Withdrawal,
    Deposit,
    Balance,
    MiniStatement,
    Transfer,
    Totals,
}

/// `ELEMENT=VALUE`.
fn element(text: &str) -> Result<(u8, Box<str>), String> {
    let read = text.split_once('=').and_then(|(element, value)| Some((element.parse().ok()?, value.into())));
    read.ok_or_else(|| format!("`{text}` is no ELEMENT=VALUE"))
}

/// Starts the terminal, lets the visit happen, waits for its advice. The end goes to standard output, then every
/// movement of notes as a line of JSON. True when all that was wanted was done.
///
/// # Errors
/// A configuration that is refused, a citizen that does not exist, notes that cannot make the amount.
pub async fn run(visit: Visit) -> Result<bool, Box<dyn Error>> {
    let settings = settings::load(&visit.config)?;
    if visit.what == Wanted::Totals {
        return say_totals(settings.setup, visit.say).await;
    }
    let citizen = visit.citizen.ok_or("--citizen is missing")?;
    if citizen >= CITIZENS_MAX {
        return Err(format!("citizen {citizen}: a population has {CITIZENS_MAX}").into());
    }
    let country = Country::new(settings.population_seed);
    let pan = Pan::new(settings.iin, &country.citizen(citizen).number);
    let card = Card { pan, chip: Arc::new(country.chip(citizen)) };
    let order = order(visit, card, Pins::new(settings.population_seed).of(pan.digits()))?;
    let terminal = driver::start_anew(settings.setup)?;
    let finished = terminal.perform(order).await?;
    let settled = timeout(SETTLE_TIME_MAX, terminal.settled()).await;
    let mut out = io::stdout().lock();
    say(&finished, &mut out)?;
    write_movements(&terminal.movements(), &mut out)?;
    match settled {
        Ok(settled) => settled?,
        Err(_) => writeln!(out, "{} advices are not answered", terminal.standing().advices_owed)?,
    }
    Ok(matches!(finished.outcome, Outcome::Whole))
}

/// Says totals and prints the 0510, an element a line. True when they are in balance.
async fn say_totals(setup: driver::Setup, elements: Vec<(u8, Box<str>)>) -> Result<bool, Box<dyn Error>> {
    let terminal = driver::start_anew(setup)?;
    let answer = terminal.say_totals(elements).await?.ok_or("the switch does not answer")?;
    let mut out = io::stdout().lock();
    for (element, value) in answer.elements().filter(|(element, _)| !matches!(element, 64 | 128)) {
        writeln!(out, "DE{element} {}", String::from_utf8_lossy(value))?;
    }
    Ok(answer.text(66) == Some("1"))
}

fn order(visit: Visit, card: Card, right_pin: Pin) -> Result<Order, Box<dyn Error>> {
    let what = match visit.what {
        Wanted::Withdrawal => What::Withdrawal,
        Wanted::Deposit => What::Deposit,
        Wanted::Balance => What::Balance,
        Wanted::MiniStatement => What::MiniStatement,
        Wanted::Totals => return Err("totals are no visit".into()),
        Wanted::Transfer => What::Transfer { to_account: visit.to_account.ok_or("--to-account is missing")? },
    };
    let notes = match visit.what {
        Wanted::Deposit => {
            let pocket = Notes([200; 4]);
            Some(mix(visit.amount, &pocket, 200).ok_or("no 200 notes make this amount")?)
        }
        Wanted::Withdrawal | Wanted::Balance | Wanted::MiniStatement | Wanted::Transfer | Wanted::Totals => {
            None
        }
    };
    let pin = match visit.pin.as_deref() {
        Some("-") => None,
        Some(digits) => Some(Pin::parse(digits.as_bytes()).ok_or("a PIN has 4 to 12 digits")?),
        None => Some(right_pin),
    };
    Ok(Order {
        id: 1,
        what,
        amount_vnd: visit.amount,
        notes,
        card,
        steps: if visit.one_step { Steps::One } else { Steps::Two },
        bank: visit.bank,
        from_account: visit.account,
        rrn_front: None,
        pin,
        fault: visit.fault,
    })
}

fn say(finished: &Finished, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{:?}", finished.outcome)?;
    if let Outcome::NotTried(reason) = &finished.outcome {
        write!(out, ": {reason}")?;
    }
    if let Some(code) = &finished.code {
        write!(out, ", code {}", String::from_utf8_lossy(code))?;
    }
    writeln!(out, ", {} đồng left the machine", finished.net_out_vnd)?;
    if let Some(key) = &finished.key {
        writeln!(out, "transaction {key}")?;
    }
    for account in &finished.told.accounts {
        let default = if account.default { ", default" } else { "" };
        writeln!(out, "account {} at {}{default}", account.alias, account.bank)?;
    }
    if let Some(amounts) = &finished.told.amounts {
        writeln!(out, "balance {amounts}")?;
    }
    if let Some(statement) = &finished.told.statement {
        writeln!(out, "statement {statement}")?;
    }
    Ok(())
}
