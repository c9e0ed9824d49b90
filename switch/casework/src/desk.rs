//! The desk: log, files and acts joined, so that the same three always show the same exceptions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exchange::{
    Digest, FileKey, FileKind, Layout, Mapping, Numbering, Reader, Reason, Refusal, Rows, TotalsLine,
    preview_postings, read_counters, read_journal, read_postings, read_raw_journal, read_totals,
};
use keys::DataKeys;
use processor::{Day, Institution, Side};
use reconciliation::calendar::{BadCalendar, Calendar};
use reconciliation::{
    Aspect, Book, CaseId, CashLine, Claimed, Counter, Decision, Exception, Explained, Full, Kind, LineId,
    Matcher, Misfit, Posting, Rules, Sheet, cash_exceptions, differences, explained,
};

use crate::act::{About, Deed, Resolution};
use crate::act_file::{ActError, ActFile};
use crate::cases::{
    Case, CaseState, Casework, Refused, booked_minor, file_case, has_citizen, is_booked_elsewhere,
    is_debited_else, open_minor, refund_minor_max,
};
use crate::due::DueRules;
use crate::kept;
use crate::matching::Matching;

/// Why the desk cannot show or take something.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Acts cannot be read or recorded, or the act is refused.
    #[error(transparent)]
    Act(#[from] ActError),
    /// A taken file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A taken file is not what it was.
    #[error("{}: it is not the file that was taken", .0.display())]
    Changed(PathBuf),
    /// The file is not taken; that it was handed in is recorded.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// More than the matcher holds.
    #[error(transparent)]
    Full(#[from] Full),
    /// A cassette that holds more than any machine can.
    #[error(transparent)]
    Cassette(#[from] reconciliation::Impossible),
    /// A line and a transaction that cannot be laid together, or parted.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The calendar never opens.
    #[error(transparent)]
    Calendar(#[from] BadCalendar),
}

/// A file that was handed in.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The place that it fills.
    pub key: FileKey,
    /// How it is read, where it is not in its normal form.
    pub layout: Option<&'a Layout>,
    /// The day comes in so many parts; 1 where nothing was said of parts.
    pub parts: u32,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
    /// Who handed it in.
    pub who: &'a str,
    /// From where.
    pub from: &'a str,
}

/// Members' totals that nothing would ever be held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTotals {
    /// The log has no such day.
    #[error("{0}: the log knows no such business day")]
    Day(Day),
    /// Totals of somebody else.
    #[error("line {line}: {bank} is no member of this switch")]
    Stranger {
        /// The file's line, from 1.
        line: u64,
        /// Whose they would be.
        bank: Institution,
    },
}

/// What a file would come to; nothing of it was taken, and nothing recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    /// The first lines as they are read; of a bank's file that is wrong those that can be read.
    pub lines: Vec<PreviewLine>,
    /// All lines that can be read; of a journal or counters that are wrong none.
    pub count: u64,
    /// The sum of their amounts without sign, minor units.
    pub sum_minor: i64,
    /// Why it would not be taken.
    pub refusal: Option<Refusal>,
}

/// A line of a preview.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PreviewLine {
    /// A bank's.
    Posting(Posting),
    /// A machine's.
    Cash(CashLine),
    /// A cassette.
    Counter(Counter),
    /// An element of a member's totals.
    Total(TotalsLine),
}

/// An exception as a clerk sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// What was found.
    pub exception: Exception,
    /// What people have done to it.
    pub case: Case,
    /// What they have done to the cases that the same transaction has by its other sides.
    pub beside: Vec<Case>,
    /// Of a machine's side: what the bank has debited by its own file, where that is not what the log has.
    pub debited_minor: Option<i64>,
    /// The day on which an answer is due.
    pub due: Day,
    /// No side shows it any more: it is here because something is booked, proposed or disputed upon it.
    pub is_gone: bool,
    /// No side can show it any more: its day is before those that are held.
    pub is_let_go: bool,
}

/// Log, files and acts.
pub struct Desk {
    dir: PathBuf,
    acts: ActFile,
    calendar: Calendar,
    due: DueRules,
    rows: Arc<dyn Rows>,
}

impl Desk {
    /// The desk of a directory, where `rows` takes files apart; nothing is opened yet.
    pub fn new(dir: &Path, keys: DataKeys, calendar: Calendar, due: DueRules, rows: Arc<dyn Rows>) -> Desk {
        Desk { dir: dir.to_owned(), acts: ActFile::new(dir, keys), calendar, due, rows }
    }

    /// The acts.
    pub fn acts(&self) -> &ActFile {
        &self.acts
    }

    /// Takes a file, whole: it is read, kept, and recorded, in this order. One that is refused is recorded as such and not kept. Of members' totals
    /// each bank's are recorded as its claim, and the file is not kept. Gives the lines and the sum of their amounts, which totals have none of.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn take(&self, arrival: &Arrival<'_>) -> Result<(u64, i64), DeskError> {
        let (casework, _) = self.acts.read()?;
        let digest = Digest::of(arrival.bytes);
        let numbering = casework.numbering(digest);
        let read = self.read_arrival(arrival.bytes, arrival.key, arrival.layout, numbering);
        let read = read.and_then(|lines| {
            let (count, _) = lines.count_and_sum();
            casework.intake().check(digest, arrival.key, count).map(|()| lines)
        });
        let lines = match read {
            Ok(lines) => lines,
            Err(refusal) => return Err(self.refuse(arrival, digest, refusal)),
        };
        let (count, sum_minor) = lines.count_and_sum();
        if let Lines::Totals(lines) = lines {
            self.claim(arrival, lines)?;
            return Ok((count, sum_minor));
        }
        let path = kept::path_of(&self.dir, &digest);
        kept::keep(&self.dir, digest, arrival.bytes).map_err(|error| DeskError::Io { path, error })?;
        let layout = arrival.layout.cloned().map(Box::new);
        let (key, parts) = (arrival.key, arrival.parts);
        let deed = Deed::Take { digest, key, layout, count, sum_minor, parts, numbering };
        match self.acts.act(arrival.at_ms, arrival.who, arrival.from, deed) {
            Ok(_) => Ok((count, sum_minor)),
            // Somebody else has handed it in meanwhile.
            Err(ActError::Refused(Refused::File(refusal))) => Err(self.refuse(arrival, digest, refusal)),
            Err(error) => Err(error.into()),
        }
    }

    /// That a file is refused is recorded, and told.
    fn refuse(&self, arrival: &Arrival<'_>, digest: Digest, refusal: Refusal) -> DeskError {
        let (kind, reason) = (refusal.kind, refusal.to_string());
        let deed = Deed::Refuse { digest, key: arrival.key, kind, reason };
        match self.acts.act(arrival.at_ms, arrival.who, arrival.from, deed) {
            Ok(_) => refusal.into(),
            Err(error) => error.into(),
        }
    }

    /// Members' totals are of a day of the log and of members; what cannot be read of them is refused where the file is taken. A slip of who hands them in
    /// is told before, and nothing is recorded.
    ///
    /// # Errors
    /// [`NoTotals`].
    pub fn check_totals(
        &self,
        bytes: &[u8],
        day: Day,
        is_known: bool,
        is_member: impl Fn(Institution) -> bool,
    ) -> Result<(), NoTotals> {
        if !is_known {
            return Err(NoTotals::Day(day));
        }
        let lines = read_totals(bytes, self.reader(Numbering::AsShown)).unwrap_or_default();
        match lines.iter().find(|line| !is_member(line.bank)) {
            Some(line) => Err(NoTotals::Stranger { line: line.line, bank: line.bank }),
            None => Ok(()),
        }
    }

    /// One act for each bank; where one fails those before it stand, and the same file handed in again says the same.
    fn claim(&self, arrival: &Arrival<'_>, lines: Vec<TotalsLine>) -> Result<(), DeskError> {
        let mut claims: BTreeMap<Institution, Claimed> = BTreeMap::new();
        for line in lines {
            claims.entry(line.bank).or_default().insert(line.element, line.value);
        }
        for (bank, claimed) in claims {
            let deed = Deed::Claim { bank, day: arrival.key.day, claimed };
            self.acts.act(arrival.at_ms, arrival.who, arrival.from, deed)?;
        }
        Ok(())
    }

    /// Shows how a file would be read, its first lines one by one. A file that was taken already, or whose place is filled, is told as refused.
    ///
    /// # Errors
    /// [`DeskError::Act`]: acts cannot be read.
    pub fn preview(
        &self,
        bytes: &[u8],
        key: FileKey,
        layout: Option<&Layout>,
        lines_max: usize,
    ) -> Result<Preview, DeskError> {
        let (casework, _) = self.acts.read()?;
        let digest = Digest::of(bytes);
        let numbering = casework.numbering(digest);
        let read = self.read_arrival(bytes, key, layout, numbering);
        let refusal = match read {
            Ok(lines) => {
                let (count, sum_minor) = lines.count_and_sum();
                let refusal = casework.intake().check(digest, key, count).err();
                return Ok(Preview { lines: lines.first(lines_max), count, sum_minor, refusal });
            }
            Err(refusal) => Some(refusal),
        };
        let normal = Mapping::normal();
        let mapping = match layout {
            None => &normal,
            Some(Layout::Postings(mapping)) => mapping,
            Some(Layout::RawJournal(_)) => {
                return Ok(Preview { lines: Vec::new(), count: 0, sum_minor: 0, refusal });
            }
        };
        let of_bank = key.bank.filter(|_| key.kind == FileKind::Postings);
        let shown = of_bank.and_then(|bank| {
            preview_postings(bytes, mapping, bank, key.day, self.reader(numbering), lines_max).ok()
        });
        Ok(match shown {
            None => Preview { lines: Vec::new(), count: 0, sum_minor: 0, refusal },
            Some(shown) => Preview {
                lines: shown.postings.into_iter().map(PreviewLine::Posting).collect(),
                count: shown.count,
                sum_minor: shown.sum_minor,
                refusal,
            },
        })
    }

    /// A matcher that has been given all of it and has run, and the counters; `now_s` is seconds since 1970.
    ///
    /// # Errors
    /// As [`Desk::match_on`].
    pub fn matched(
        &self,
        casework: &Casework,
        book: &mut Book,
        rules: Rules,
        now_s: i64,
    ) -> Result<Matching, DeskError> {
        let mut matching = Matching::new(rules);
        self.match_on(casework, book, &mut matching, now_s)?;
        Ok(matching)
    }

    /// Gives a matcher what has come since the last time: what the book has changed, which is drained, files and decisions. Where the book has let go
    /// of a day it is given all again, without what is before the days that are held. A matcher that is full has the book let go of its oldest day, as often
    /// as it takes, but for the open one.
    ///
    /// # Errors
    /// [`DeskError`]; the matcher is empty then, and the next call gives it all again.
    pub fn match_on(
        &self,
        casework: &Casework,
        book: &mut Book,
        matching: &mut Matching,
        now_s: i64,
    ) -> Result<(), DeskError> {
        let emptied = matching.matcher.emptied();
        loop {
            let done = self.give(casework, book, matching, now_s);
            if done.is_err() {
                *matching = Matching::new(emptied.rules());
                matching.matcher = emptied.clone();
            }
            if !matches!(done, Err(DeskError::Full(Full::Items))) || !book.let_go_oldest() {
                return done;
            }
        }
    }

    fn give(
        &self,
        casework: &Casework,
        book: &mut Book,
        matching: &mut Matching,
        now_s: i64,
    ) -> Result<(), DeskError> {
        if !matching.goes_on(book, casework) {
            *matching = Matching::of(book, matching.matcher.emptied(), self.calendar.utc_offset_minutes);
            // Before the items that they name: each finds its decision as it comes.
            matching.decide(casework)?;
            book.take_changed().for_each(drop);
            book.ours().try_for_each(|ours| matching.matcher.add_ours(ours))?;
        }
        matching.decide(casework)?;
        matching.matcher.now_is(now_s);
        book.sheets().for_each(|sheet| matching.log_is_here(sheet.day));
        book.take_changed().try_for_each(|ours| matching.matcher.add_ours(ours))?;
        matching.unread.clear();
        for (digest, key, layout) in casework.files() {
            if matching.has(*digest, *key) {
                continue;
            }
            if !matching.holds_file(*key) {
                matching.pass_over(*digest, *key);
                continue;
            }
            let path = kept::path_of(&self.dir, digest);
            let bytes = fs::read(&path).map_err(|error| DeskError::Io { path: path.clone(), error })?;
            if Digest::of(&bytes) != *digest {
                return Err(DeskError::Changed(path));
            }
            match self.read_file(&bytes, *key, layout, casework.numbering(*digest)) {
                Ok(Lines::Postings(file)) => matching.postings(*digest, *key, &file)?,
                Ok(Lines::Journal(file)) => matching.journal(*digest, *key, &file)?,
                Ok(Lines::Counters(read)) => matching.counters(*digest, *key, read),
                // They are recorded as claims, and never taken.
                Ok(Lines::Totals(_)) => {}
                // A version before this one took it, or its reader has ended.
                Err(refusal) => drop(matching.unread.insert(*key, (*digest, refusal))),
            }
        }
        matching.say_what_is_whole(casework);
        matching.matcher.run();
        Ok(())
    }

    /// Every exception with what people have done to it: of transactions and lines, cassettes, totals and files, by day, bank, terminal and time.
    ///
    /// # Errors
    /// [`DeskError`].
    pub fn rows(&self, casework: &Casework, book: &Book, matching: &Matching) -> Result<Vec<Row>, DeskError> {
        let mut exceptions = matching.exceptions();
        exceptions.extend(cash_exceptions(&matching.counters)?);
        exceptions.extend(totals_exceptions(casework, book));
        let refused = casework.refused().iter();
        let refused =
            refused.map(|(at_ms, digest, key, kind, _)| file_exception(*digest, *key, *kind, *at_ms));
        let unread = matching.unread.iter();
        let unread = unread
            .map(|(key, (digest, refusal))| file_exception(*digest, *key, refusal.kind, key.day.begins_ms()));
        // Of several refusals of one file for one place the newest counts.
        let newest: BTreeMap<CaseId, Exception> =
            refused.chain(unread).map(|exception| (exception.case, exception)).collect();
        exceptions.extend(newest.into_values());
        let here: BTreeSet<CaseId> = exceptions.iter().map(|exception| exception.case).collect();
        let of_banks = exceptions.iter().filter(|one| one.case.of.file == LineId::LOG && is_of_debits(one));
        let debited: BTreeMap<LineId, i64> = of_banks.map(|one| (one.case.of, one.theirs_minor)).collect();
        let not_here = casework.cases().filter(|(id, _)| !here.contains(*id));
        exceptions.extend(not_here.filter_map(|(id, case)| gone(*id, case, matching)));
        exceptions.sort_by_key(|one| (one.day, one.bank, one.terminal, one.at_s, one.case));
        let row = |exception: Exception| {
            let case = casework.case(exception.case).cloned().unwrap_or_default();
            let due = self.due.due(exception.kind, exception.day, &self.calendar)?;
            let is_gone = !here.contains(&exception.case);
            let is_let_go = is_gone && matching.is_behind(&exception);
            let beside = casework.beside(exception.case);
            let is_machines = exception.case.aspect == Aspect::Machine;
            let debited_minor = debited.get(&exception.case.of).copied().filter(|_| is_machines);
            Ok(Row { exception, case, beside, debited_minor, due, is_gone, is_let_go })
        };
        exceptions.into_iter().map(row).collect()
    }

    /// Lays a line to a transaction, or parts them, in a person's name. Whatever the rules say, a person's word stands before it; amounts that
    /// differ stay an exception.
    ///
    /// # Errors
    /// [`DeskError::Misfit`]: one of them is not here, or they cannot belong together; [`ActError`].
    pub fn by_hand(
        &self,
        matcher: &Matcher,
        decision: Decision,
        at_ms: i64,
        who: &str,
        from: &str,
    ) -> Result<Arc<Casework>, DeskError> {
        matcher.may_decide(decision)?;
        let deed = match decision {
            Decision::Match { line, ours } => Deed::Match { line, ours },
            Decision::Part { line, ours } => Deed::Part { line, ours },
        };
        Ok(self.acts.act(at_ms, who, from, deed)?)
    }

    /// Reads a file that is handed in: its place is one of its kind, and it is the journal of the machine that it is named by. Not where a taken file is
    /// read again: what was taken before this was checked stays readable.
    fn read_arrival(
        &self,
        bytes: &[u8],
        key: FileKey,
        layout: Option<&Layout>,
        numbering: Numbering,
    ) -> Result<Lines, Refusal> {
        key.check()?;
        let lines = self.read_file(bytes, key, layout, numbering)?;
        if let (Lines::Journal(file), Some(terminal)) = (&lines, key.terminal) {
            file.check_machine(terminal)?;
        }
        if let Some(Layout::RawJournal(patterns)) = layout {
            patterns.check_begins(bytes)?;
        }
        Ok(lines)
    }

    fn reader(&self, numbering: Numbering) -> Reader<'_> {
        Reader { rows: &*self.rows, numbering }
    }

    fn read_file(
        &self,
        bytes: &[u8],
        key: FileKey,
        layout: Option<&Layout>,
        numbering: Numbering,
    ) -> Result<Lines, Refusal> {
        let offset = self.calendar.utc_offset_minutes;
        let reader = self.reader(numbering);
        match (key.kind, layout, key.bank, key.terminal) {
            (FileKind::Postings, Some(Layout::Postings(mapping)), Some(bank), _) => {
                read_postings(bytes, mapping, bank, key.day, reader).map(Lines::Postings)
            }
            (FileKind::Postings, None, Some(bank), _) => {
                read_postings(bytes, &Mapping::normal(), bank, key.day, reader).map(Lines::Postings)
            }
            (FileKind::Journal, None, ..) => read_journal(bytes, offset, reader).map(Lines::Journal),
            (FileKind::Journal, Some(Layout::RawJournal(patterns)), _, Some(terminal)) => {
                read_raw_journal(bytes, patterns, terminal, offset, reader).map(Lines::Journal)
            }
            (FileKind::Counters, None, ..) => {
                read_counters(bytes, offset, reader).map(|(_, read)| Lines::Counters(read))
            }
            (FileKind::Totals, None, ..) => read_totals(bytes, reader).map(Lines::Totals),
            (FileKind::Postings, _, None, _) => Err(Refusal::place("bank", Reason::BankMissing)),
            (FileKind::Journal, Some(Layout::RawJournal(_)), _, None) => {
                Err(Refusal::place("terminal", Reason::TerminalMissing))
            }
            (FileKind::Postings | FileKind::Journal | FileKind::Counters | FileKind::Totals, Some(_), ..) => {
                Err(Refusal::place("layout", Reason::OtherLayout))
            }
        }
    }
}

enum Lines {
    Postings(exchange::PostingFile),
    Journal(exchange::JournalFile),
    Counters(Vec<Counter>),
    Totals(Vec<TotalsLine>),
}

impl Lines {
    fn first(self, lines_max: usize) -> Vec<PreviewLine> {
        match self {
            Lines::Postings(file) => {
                file.postings.into_iter().take(lines_max).map(PreviewLine::Posting).collect()
            }
            Lines::Journal(file) => file.lines.into_iter().take(lines_max).map(PreviewLine::Cash).collect(),
            Lines::Counters(counters) => {
                counters.into_iter().take(lines_max).map(PreviewLine::Counter).collect()
            }
            Lines::Totals(lines) => lines.into_iter().take(lines_max).map(PreviewLine::Total).collect(),
        }
    }

    fn count_and_sum(&self) -> (u64, i64) {
        match self {
            Lines::Postings(file) => (file.postings.len() as u64, file.sum_minor),
            Lines::Journal(file) => {
                (file.lines.len() as u64, file.lines.iter().map(|line| line.moved_minor.abs()).sum())
            }
            Lines::Counters(counters) => (
                counters.len() as u64,
                counters.iter().map(|counter| counter.counted * counter.note_minor).sum(),
            ),
            Lines::Totals(lines) => (lines.len() as u64, 0),
        }
    }
}

/// What exceptions put at stake, minor units: of one transaction, whose difference several sides may show, the largest alone.
pub fn at_risk_minor<'a>(rows: impl Iterator<Item = &'a Row>) -> i64 {
    let mut of_transactions: BTreeMap<LineId, i64> = BTreeMap::new();
    let mut of_others_minor = 0;
    for exception in rows.map(|row| &row.exception) {
        let value_minor = exception.value_minor();
        match exception.case.of {
            of if of.file == LineId::LOG => {
                let largest = of_transactions.entry(of).or_default();
                *largest = value_minor.max(*largest);
            }
            _ => of_others_minor += value_minor,
        }
    }
    of_transactions.values().sum::<i64>() + of_others_minor
}

/// What members say that a day comes to: over their links, and in files that a person has taken, which stand before.
pub fn claims(casework: &Casework, sheet: &Sheet) -> BTreeMap<(Side, Institution), Claimed> {
    let over_links =
        sheet.exchanged.iter().filter_map(|(who, told)| Some((*who, told.claimed.as_ref()?.1.clone())));
    let in_files = casework.claims().iter().filter(|((day, _), _)| *day == sheet.day);
    let in_files = in_files.map(|((_, bank), claimed)| ((Side::Issuer, *bank), claimed.clone()));
    over_links.chain(in_files).collect()
}

/// What banks claim of a day beside ours that is transactions whose answer was lost, where it is nothing else: they may rightly count these.
pub fn explanations(casework: &Casework, book: &Book, day: Day) -> BTreeMap<Institution, Explained> {
    let Some(sheet) = book.sheet(day) else { return BTreeMap::new() };
    let by_issuers = claims(casework, sheet).into_iter().filter(|((side, _), _)| *side == Side::Issuer);
    let explanation = |((side, bank), claimed): ((Side, Institution), Claimed)| {
        let ours = sheet.figures(side, bank);
        let differs = !differences(&ours, &claimed).is_empty();
        let lost = differs.then(|| book.lost_answers(day, bank))?;
        Some((bank, explained(&ours, &claimed, &lost)?))
    };
    by_issuers.filter_map(explanation).collect()
}

/// A case that is about a member's totals: the day, the side and the member's digits as one number.
fn totals_line(day: Day, side: Side, member: Institution) -> LineId {
    let side = match side {
        Side::Issuer => 0,
        Side::Acquirer => 1 << 62,
    };
    LineId { file: LineId::TOTALS, line: side | u64::from(day.yyyymmdd()) << 37 | member.parts().0 }
}

fn totals_exceptions(casework: &Casework, book: &Book) -> Vec<Exception> {
    book.sheets().flat_map(|sheet| totals_exceptions_of(sheet, &claims(casework, sheet))).collect()
}

/// The element that weighs most stands for all: the net, where it differs.
fn totals_exceptions_of(sheet: &Sheet, claims: &BTreeMap<(Side, Institution), Claimed>) -> Vec<Exception> {
    let exception =
        |kind: Kind, (side, member): (Side, Institution), ours_minor: i64, theirs_minor: i64| Exception {
            case: CaseId { of: totals_line(sheet.day, side, member), aspect: Aspect::Bank },
            kind,
            day: sheet.day,
            bank: Some(member),
            acquirer: None,
            terminal: None,
            rrn: None,
            at_s: sheet.day.begins_ms() / 1_000,
            ours_minor,
            theirs_minor,
            rule: None,
            lines: Vec::new(),
        };
    let mut found = Vec::new();
    for (who, claimed) in claims {
        let differences = differences(&sheet.figures(who.0, who.1), claimed);
        if let Some(first) = differences.iter().max_by_key(|difference| difference.element.number) {
            found.push(exception(Kind::TotalsOutOfBalance, *who, first.ours, first.theirs));
        }
    }
    for (who, _) in sheet.exchanged.iter().filter(|(_, told)| told.is_unanswered) {
        if !claims.contains_key(who) {
            let net_minor = sheet.figures(who.0, who.1).get(97).unwrap_or_default();
            found.push(exception(Kind::TotalsMissing, *who, net_minor, 0));
        }
    }
    found
}

fn file_exception(digest: Digest, key: FileKey, kind: Kind, at_ms: i64) -> Exception {
    Exception {
        case: file_case(digest, key),
        kind,
        day: key.day,
        bank: key.bank,
        acquirer: None,
        terminal: key.terminal,
        rrn: None,
        at_s: at_ms / 1_000,
        ours_minor: 0,
        theirs_minor: 0,
        rule: None,
        lines: Vec::new(),
    }
}

/// What a case was about that no side shows any more, where something hangs on it. Of a day that was let go no side can show anything: what was booked
/// there has done its work, and only what waits for a person is left.
fn gone(id: CaseId, case: &Case, matching: &Matching) -> Option<Exception> {
    let exception = case.about.as_ref()?.as_it_was(id);
    let waits = matches!(case.state, CaseState::Proposed | CaseState::Disputed);
    let stands = !case.standing.is_empty() && !matching.is_behind(&exception);
    (waits || stands).then_some(exception)
}

/// What a bank's side has is what it has debited; of another currency it says nothing.
fn is_of_debits(exception: &Exception) -> bool {
    exception.case.aspect == Aspect::Bank && exception.kind != Kind::Currency
}

impl Row {
    /// Somebody still has to do something: nobody has resolved it, what was resolved was another exception in its place, or what was booked stands
    /// alone.
    pub fn is_open(&self) -> bool {
        self.case.state != CaseState::Resolved || self.is_another() || self.stands_alone()
    }

    /// What was booked stands though no side shows the exception any more: what came late has made it good once more. Until it is taken back, or
    /// accepted as it is.
    pub fn stands_alone(&self) -> bool {
        let is_accepted = self.case.about.as_ref().is_some_and(|about| about.is_gone);
        self.is_gone && !self.is_let_go && !self.case.standing.is_empty() && !is_accepted
    }

    /// What is booked of it is another bank's or another machine's: its file was taken for another place then. It is taken back before anything else is
    /// decided.
    pub fn is_booked_elsewhere(&self) -> bool {
        !self.is_gone && is_booked_elsewhere(Some(&self.case), &self.about())
    }

    /// What is offered by itself: a refund where the journal proves that not all cash left, and the bank has debited more than that; and to accept it where
    /// no refund is, and the transaction's other cases have all that it comes to between members.
    pub fn offered(&self) -> Option<Resolution> {
        let is_owed = |resolution: &Resolution| {
            *resolution != Resolution::Refund || refund_minor_max(&self.about()).is_none_or(|most| most > 0)
        };
        let refund = Resolution::offered(self.exception.kind).filter(is_owed);
        refund.or_else(|| self.is_booked_beside().then_some(Resolution::Accept))
    }

    /// A refund waits for a checker that gives back more than the bank has debited, by what its file says now, less the cash that left.
    pub fn is_refund_undebited(&self) -> bool {
        let waits = self.case.proposal.as_ref().filter(|_| self.case.state == CaseState::Proposed);
        let refund = waits.filter(|proposal| proposal.resolution == Resolution::Refund);
        let most_minor = refund_minor_max(&self.about());
        refund.zip(most_minor).is_some_and(|(refund, most_minor)| refund.amount_minor > most_minor)
    }

    /// All that the exception comes to between members is booked or proposed of the transaction's other cases.
    pub fn is_booked_beside(&self) -> bool {
        let difference_minor = self.exception.adjustment_minor();
        let alone_minor = open_minor(Some(&self.case), &[], difference_minor);
        !self.is_gone && alone_minor != 0 && open_minor(Some(&self.case), &self.beside, difference_minor) == 0
    }

    /// There is a citizen to give back to: no refund is taken without.
    pub fn has_citizen(&self) -> bool {
        has_citizen(self.exception.case, &self.about())
    }

    /// How much a resolution comes to where nobody says otherwise, minor units, without what is booked of it and stands: of an adjustment what the exception
    /// comes to, and nothing of totals and files; of a refund the same where the journal proves that not all cash left, and else nothing.
    pub fn natural_minor(&self, resolution: Resolution) -> i64 {
        let adjustment_minor =
            || open_minor(Some(&self.case), &self.beside, self.exception.adjustment_minor());
        match resolution {
            Resolution::Accept | Resolution::Undo => 0,
            Resolution::Adjustment => adjustment_minor(),
            Resolution::Refund if self.offered() != Some(resolution) => 0,
            Resolution::Refund => {
                let value_minor = self.exception.value_minor();
                let whole_minor =
                    refund_minor_max(&self.about()).map_or(value_minor, |most| value_minor.min(most));
                let open_minor = whole_minor - booked_minor(Some(&self.case), resolution);
                match self.about().acquirer_owes_refund {
                    // No more than the acquirer still has of it: it may be adjusted already.
                    true => open_minor.min(-adjustment_minor()).max(0),
                    false => open_minor.max(0),
                }
            }
        }
    }

    /// The row as somebody has it before them: what is decided is said of this.
    pub fn about(&self) -> About {
        let about = About::of(&self.exception);
        let acquirer_owes_refund = about.acquirer_owes_refund && !self.is_gone;
        About { is_gone: self.is_gone, acquirer_owes_refund, debited_minor: self.debited_minor, ..about }
    }

    /// What people have decided was said of another exception in its place: of another kind, of other amounts, of another
    /// bank, terminal or day, or of one that was gone; or the bank has debited something else since.
    pub fn is_another(&self) -> bool {
        let is_debited_else = |about: &About| is_debited_else(&self.case, about, self.debited_minor);
        let is_other = |about: &About| about.is_gone || !about.is(&self.exception) || is_debited_else(about);
        !self.is_gone && self.case.about.as_ref().is_some_and(is_other)
    }

    /// Where the case stands, as a list shows it: one that was resolved and has something to be done again is open.
    pub fn state(&self) -> CaseState {
        match self.case.state {
            CaseState::Resolved if self.is_open() => CaseState::Open,
            state => state,
        }
    }

    /// Days since its business day, on this day.
    pub fn age_days(&self, today: Day) -> i64 {
        today.days_after(self.exception.day).max(0)
    }
}
