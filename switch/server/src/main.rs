//! The program `atm-switch`: command line in, exit status out.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use enrolment::Mode;
use server::case_commands::Pair;
use server::cli::{
    BlockArgs, Cli, Command, DayCommand, EnrolmentCommand, KeysCommand, LogCommand, LogFormat, PeopleCommand,
    ReconCommand, SafCommand, ShowArgs, SuspenseCommand,
};
use server::config::{self, Mistake, Settings};
use server::keys_commands::{self, Brought};
use server::operator::{self, Request};
use server::verify_command::{self, BadLog, KeptHeads};
use server::{
    case_commands, day_commands, enrolment_commands, log_commands, people_commands, process_files,
    process_memory, recon_commands, rows_process, run, saf_commands, suspense_commands,
};

const _: () = assert!(!mutant::COMPILED, "a switch with broken rules (docs/mutants.md) must not serve");

/// Exit status of a bad configuration, as `check` gives it.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_tracing(cli.log_format);
    if let Err(reason) = process_memory::hide() {
        tracing::warn!(reason, "keys");
    }
    process_files::be_private();
    match carry_out(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Configuration(mistakes)) => {
            eprintln!("{mistakes}");
            ExitCode::from(BAD_CONFIGURATION)
        }
        Err(Failure::BadLog(bad)) => {
            eprintln!("atm-switch: {}", bad.reason);
            ExitCode::from(bad.status)
        }
        Err(Failure::Other(reason)) => {
            eprintln!("atm-switch: {reason}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    /// All mistakes, a line each.
    Configuration(String),
    Other(String),
    /// A log that is not what it was.
    BadLog(BadLog),
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure::Other(reason)
    }
}

fn carry_out(command: Command) -> Result<(), Failure> {
    let out = &mut std::io::stdout().lock();
    match command {
        Command::Run { config, addresses } => {
            let (settings, trust) = config::load_to_run(&config.file).map_err(bad_configuration)?;
            run::run(settings, trust, addresses.as_deref())?;
        }
        Command::Check { file } => check(&file)?,
        Command::Log(LogCommand::Show { config, json, from, limit }) => {
            log_commands::show(&settings(&config.file)?, json, from, limit, out)?;
        }
        Command::Log(LogCommand::Find { config, by, json }) => {
            log_commands::find(&settings(&config.file)?, &by, json, out)?;
        }
        Command::Log(LogCommand::Verify { config, head, heads, public_key, json }) => {
            let kept =
                KeptHeads { head: head.as_deref(), file: heads.as_deref(), key: public_key.as_deref() };
            if let Some(bad) = verify_command::verify(&settings(&config.file)?, &kept, json, out)? {
                return Err(Failure::BadLog(bad));
            }
        }
        Command::Log(LogCommand::BeginHeads { config }) => {
            verify_command::begin_heads(&settings(&config.file)?, out)?;
        }
        Command::Log(LogCommand::HeadsKey { config }) => {
            verify_command::heads_key(&settings(&config.file)?, out)?;
        }
        Command::Enrolment(EnrolmentCommand::Import { file, bank, changes, strict, config }) => {
            let mode = if changes { Mode::Changes } else { Mode::Whole };
            enrolment_commands::import(&settings(&config.file)?, &file, &bank, mode, strict, out)?;
        }
        Command::Enrolment(EnrolmentCommand::Show { number, config }) => {
            enrolment_commands::show(&settings(&config.file)?, number, &mut std::io::stdin().lock(), out)?;
        }
        Command::Cutover { day, config } => ask(&config.file, &Request::Cutover { day })?,
        Command::Block(args) => block(args, true)?,
        Command::Unblock(args) => block(args, false)?,
        Command::Saf(SafCommand::List { bank, limit, json, config }) => {
            blocking(saf_commands::list(&settings(&config.file)?, bank, limit, json, out))?;
        }
        Command::Saf(SafCommand::Show(ShowArgs { transaction, json, config })) => {
            blocking(saf_commands::show(&settings(&config.file)?, &transaction, json, out))?;
        }
        Command::Saf(SafCommand::Retry { transaction, bank, config }) => {
            blocking(saf_commands::retry(&settings(&config.file)?, transaction, bank, out))?;
        }
        Command::Suspense(SuspenseCommand::List { since, limit, json, config }) => {
            blocking(suspense_commands::list(&settings(&config.file)?, since, limit, json, out))?;
        }
        Command::Suspense(SuspenseCommand::Show(ShowArgs { transaction, json, config })) => {
            suspense_commands::show(&settings(&config.file)?, &transaction, json, out)?;
        }
        Command::Suspense(SuspenseCommand::Resolve { transaction, by, why, config }) => {
            blocking(suspense_commands::resolve(&settings(&config.file)?, &transaction, by, why, out))?;
        }
        Command::Day(command) => day(command, out)?,
        Command::Recon(command) => recon(command, out)?,
        Command::Keys(command) => keys(command, out)?,
        Command::People(command) => people(command, out)?,
        Command::Drain { config } => {
            ask(&config.file, &Request::Drain)?;
            println!("no new requests are taken until `atm-switch resume`, or a restart");
        }
        Command::Resume { config } => ask(&config.file, &Request::Resume)?,
        Command::ReadRows(args) => rows_process::read_rows(&args)?,
        Command::Status { config } => ask(&config.file, &Request::Status)?,
    }
    Ok(())
}

fn day(command: DayCommand, out: &mut impl Write) -> Result<(), Failure> {
    let input = &mut std::io::stdin().lock();
    match command {
        DayCommand::List { json, config } => day_commands::list(&settings(&config.file)?, json, out)?,
        DayCommand::Show { day, json, config } => {
            day_commands::show(&settings(&config.file)?, &day, json, out)?;
        }
        DayCommand::Close { day, by, config } => {
            day_commands::close(&settings(&config.file)?, &day, &by, input, out)?;
        }
        DayCommand::Settle { day, by, config } => {
            day_commands::settle(&settings(&config.file)?, &day, &by, input, out)?;
        }
    }
    Ok(())
}

fn recon(command: ReconCommand, out: &mut impl Write) -> Result<(), Failure> {
    let input = &mut std::io::stdin().lock();
    match command {
        ReconCommand::Import(args) => {
            recon_commands::import(&settings(&args.config.file)?, &args, input, out)?;
        }
        ReconCommand::Layout { name, file, by, config } => {
            recon_commands::keep_layout(&settings(&config.file)?, (&name, &file), &by, input, out)?;
        }
        ReconCommand::Match { line: Some(line), ours: Some(ours), by, config, .. } => {
            let pair = Pair { line: &line, ours: &ours, is_match: true };
            let by = by.person().ok_or_else(|| "--as NAME is missing".to_owned())?;
            case_commands::by_hand(&settings(&config.file)?, pair, &by, input, out)?;
        }
        ReconCommand::Match { json, config, .. } => {
            recon_commands::matched(&settings(&config.file)?, json, out)?;
        }
        ReconCommand::Part { line, ours, by, config } => {
            let pair = Pair { line: &line, ours: &ours, is_match: false };
            case_commands::by_hand(&settings(&config.file)?, pair, &by, input, out)?;
        }
        ReconCommand::TakeBack(args) => {
            case_commands::take_back(&settings(&args.config.file)?, &args, input, out)?;
        }
        ReconCommand::Case(command) => {
            case_commands::act(&settings(&command.on().config.file)?, &command, input, out)?;
        }
        ReconCommand::Resolve { on, why } => {
            blocking(case_commands::resolve(&settings(&on.config.file)?, &on, &why, input, out))?;
        }
        ReconCommand::Exceptions { filter, config } => {
            recon_commands::exceptions(&settings(&config.file)?, &filter, out)?;
        }
        ReconCommand::Acts(args) => recon_commands::acts(&settings(&args.config.file)?, &args, out)?,
        ReconCommand::Export(args) => recon_commands::export(&settings(&args.config.file)?, &args, out)?,
    }
    Ok(())
}

fn keys(command: KeysCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        KeysCommand::Create { config } => keys_commands::create(&settings(&config.file)?, out)?,
        KeysCommand::List { json, config } => keys_commands::list(&settings(&config.file)?, json, out)?,
        KeysCommand::Import { name, part, block, blocks, config } => {
            let brought = match (&block, &blocks) {
                (Some(block), _) => Brought::Block(block),
                (None, Some(blocks)) => Brought::Blocks(blocks),
                (None, None) => Brought::Parts(&part),
            };
            keys_commands::import(&settings(&config.file)?, name.as_deref(), &brought, out)?;
        }
        KeysCommand::Generate { name, kind, config } => {
            keys_commands::generate(&settings(&config.file)?, &name, kind.kind(), out)?;
        }
        KeysCommand::Rotate { name, send: true, config, .. } => {
            ask(&config.file, &Request::KeysSend { key: name })?;
        }
        KeysCommand::Rotate { name, send: false, kind, config } => {
            keys_commands::rotate(&settings(&config.file)?, &name, kind.kind(), out)?;
        }
        KeysCommand::Use { name, check_value, config } => {
            keys_commands::use_offered(&settings(&config.file)?, &name, &check_value, out)?;
        }
        KeysCommand::Export { name, config } => {
            keys_commands::export(&settings(&config.file)?, &name, out)?;
        }
    }
    Ok(())
}

fn people(command: PeopleCommand, out: &mut impl Write) -> Result<(), Failure> {
    let input = &mut std::io::stdin().lock();
    match command {
        PeopleCommand::Add { name, full_name, roles, config } => {
            people_commands::add(&settings(&config.file)?, &name, &full_name, &roles, input, out)?;
        }
        PeopleCommand::List { json, config } => {
            people_commands::list(&settings(&config.file)?, json, out)?;
        }
        PeopleCommand::Disable { name, config } => {
            people_commands::set_disabled(&settings(&config.file)?, &name, true, out)?;
        }
        PeopleCommand::Enable { name, config } => {
            people_commands::set_disabled(&settings(&config.file)?, &name, false, out)?;
        }
        PeopleCommand::Password { name, config } => {
            people_commands::set_password(&settings(&config.file)?, &name, input, out)?;
        }
        PeopleCommand::Audit { json, config } => {
            people_commands::audit(&settings(&config.file)?, json, out)?;
        }
    }
    Ok(())
}

fn settings(file: &Path) -> Result<Settings, Failure> {
    config::load(file).map_err(bad_configuration)
}

fn bad_configuration(mistakes: Vec<Mistake>) -> Failure {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    Failure::Configuration(lines.join("\n"))
}

fn check(file: &Path) -> Result<(), Failure> {
    let (settings, trust) = config::load_to_run(file).map_err(bad_configuration)?;
    print!("{}", settings.summary());
    for reason in trust.left_aside() {
        println!("left aside  WARNING, credential.crl_dir: {reason}");
    }
    Ok(())
}

fn block(args: BlockArgs, set: bool) -> Result<(), Failure> {
    let id = server::cli::or_standard_input(args.id, &mut std::io::stdin().lock().take(256))?;
    ask(&args.config.file, &Request::Block { subject: args.subject, id, set })
}

fn ask(config: &Path, request: &Request) -> Result<(), Failure> {
    let settings = settings(config)?;
    let answer = blocking(operator::ask(&settings.operator_socket, request))?;
    match answer.get("status") {
        Some(status) => println!("{status:#}"),
        None => println!("done"),
    }
    Ok(())
}

fn blocking<T>(asking: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(asking)
}

fn start_tracing(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
