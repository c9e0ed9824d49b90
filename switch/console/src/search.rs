//! Finding transactions in the log: newest first, by what a clerk knows of one, in bounded steps.

use credential::Pseudonym;
use journal::{LogReader, ReadError};
use processor::{Body, Day, Institution, Kind, Position, Record, Rrn, State, TerminalId, Transaction, TxKey};

/// Rows of one page.
pub const PAGE_ROWS: usize = 50;

/// Rows of one export.
pub const EXPORT_ROWS_MAX: usize = 100_000;

/// Records that one page looks through; what lies behind them is one click away.
pub(crate) const PAGE_RECORDS_MAX: u64 = 1_000_000;

/// Records that one export looks through.
pub(crate) const EXPORT_RECORDS_MAX: u64 = 20_000_000;

/// The log is read from its end in pieces: the first is small, for the newest page; each next is twice as long, up to what a
/// segment holds, since a piece reads its segment's file whole.
const PIECE_RECORDS_MIN: u64 = 2_000;
const PIECE_RECORDS_MAX: u64 = 120_000;

const DAY_MS: i64 = 86_400_000;

/// Which transactions are wanted. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) rrn: Option<Rrn>,
    pub(crate) stan: Option<u32>,
    pub(crate) terminal: Option<TerminalId>,
    pub(crate) bank: Option<Institution>,
    pub(crate) citizen: Option<Pseudonym>,
    pub(crate) kind: Kinds,
    pub(crate) state: Option<State>,
    pub(crate) suspense: bool,
    pub(crate) amount_minor_min: Option<u64>,
    pub(crate) amount_minor_max: Option<u64>,
    pub(crate) from_ms: Option<i64>,
    /// Not this moment any more.
    pub(crate) to_ms: Option<i64>,
    /// Only what begins in front of this record.
    pub(crate) before: Option<Position>,
}

/// Which kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kinds {
    /// All but verifications: each withdrawal has one in front of it.
    #[default]
    Money,
    All,
    One(Kind),
}

/// A transaction in a list.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    /// Of its first record.
    pub(crate) position: Position,
    pub(crate) at_ms: i64,
    pub(crate) transaction: Transaction,
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) rows: Vec<Row>,
    /// There may be more in front of this record.
    pub(crate) more_before: Option<Position>,
    /// The bound on records was reached at this moment, not that on rows.
    pub(crate) stopped_at_ms: Option<i64>,
}

/// How far one search goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reach {
    pub(crate) rows: usize,
    pub(crate) records: u64,
}

impl Reach {
    pub(crate) const PAGE: Reach = Reach { rows: PAGE_ROWS, records: PAGE_RECORDS_MAX };
    pub(crate) const EXPORT: Reach = Reach { rows: EXPORT_ROWS_MAX, records: EXPORT_RECORDS_MAX };
}

/// The transactions that are wanted, the newest first.
///
/// # Errors
/// [`ReadError`]: the log cannot be read.
pub(crate) fn search(log: &LogReader, wanted: &Wanted, reach: Reach) -> Result<Found, ReadError> {
    let wanted = &with_time_of_rrn(wanted, log)?;
    let mut found = Found::default();
    let mut end = match wanted.to_ms {
        Some(to_ms) => first_at(log, to_ms)?,
        None => log.synced(),
    };
    end = wanted.before.map_or(end, |before| end.min(before));
    let (mut looked, mut piece_records) = (0, PIECE_RECORDS_MIN);
    while end > 0 {
        if looked >= reach.records {
            found.more_before = Some(end);
            found.stopped_at_ms = at(log, end)?;
            return Ok(found);
        }
        let begin = end.saturating_sub(piece_records);
        let mut piece = Vec::new();
        for read in log.scan(begin).take((end - begin) as usize) {
            let (position, record) = read?;
            if begins(&record) && wanted.may_be(&record) {
                piece.push((position, record));
            }
        }
        let is_past = |record: &Record| wanted.from_ms.is_some_and(|from_ms| record.at_ms < from_ms);
        for (position, record) in piece.into_iter().rev() {
            if is_past(&record) {
                return Ok(found);
            }
            let Some(key) = record.transaction else { continue };
            let Some(told) = log.transaction(&key)? else { continue };
            if !wanted.is(&told.transaction) {
                continue;
            }
            if found.rows.len() == reach.rows {
                found.more_before = Some(position + 1);
                return Ok(found);
            }
            found.rows.push(Row { position, at_ms: record.at_ms, transaction: told.transaction });
        }
        let first = log.scan(begin).next().transpose()?;
        if first.is_some_and(|(_, record)| is_past(&record)) {
            return Ok(found);
        }
        looked += end - begin;
        end = begin;
        piece_records = (piece_records * 2).min(PIECE_RECORDS_MAX);
    }
    Ok(found)
}

/// The switch's own RRNs say their day: only it and the days around it are looked at.
fn with_time_of_rrn(wanted: &Wanted, log: &LogReader) -> Result<Wanted, ReadError> {
    let mut wanted = wanted.clone();
    let (Some(rrn), None, None, Some(last)) =
        (wanted.rrn, wanted.from_ms, wanted.to_ms, log.synced().checked_sub(1))
    else {
        return Ok(wanted);
    };
    let digits = |range: std::ops::Range<usize>| {
        std::str::from_utf8(&rrn.0[range]).ok().and_then(|text| text.parse::<u32>().ok())
    };
    let near = at(log, last)?.map_or(Day::of_unix_ms(0), Day::of_unix_ms);
    let day = digits(0..1).zip(digits(1..4)).and_then(|(year, ordinal)| Day::of_rrn(year, ordinal, near));
    if let Some(day) = day.filter(|day| near.days_after(*day).abs() <= 3_650) {
        wanted.from_ms = Some(day.begins_ms() - DAY_MS);
        wanted.to_ms = Some(day.begins_ms() + 3 * DAY_MS);
    }
    Ok(wanted)
}

/// The first record that is not older: records stand in the order of the clock, but for what the clock was set back.
fn first_at(log: &LogReader, at_ms: i64) -> Result<Position, ReadError> {
    let (mut low, mut high) = (0, log.synced());
    while low < high {
        let middle = low + (high - low) / 2;
        match at(log, middle)? {
            Some(found_ms) if found_ms < at_ms => low = middle + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

fn at(log: &LogReader, position: Position) -> Result<Option<i64>, ReadError> {
    Ok(log.scan(position).next().transpose()?.map(|(_, record)| record.at_ms))
}

/// Whether a transaction begins with this record.
fn begins(record: &Record) -> bool {
    record.request().is_some() || matches!(record.body, Body::Tombstone(_))
}

impl Wanted {
    /// What the first record alone can say; the rest only the whole transaction knows.
    fn may_be(&self, record: &Record) -> bool {
        let Some(key) = &record.transaction else { return false };
        let request = record.request();
        let kind = request.map(|request| request.kind);
        let kind_fits = match self.kind {
            Kinds::Money => kind != Some(Kind::Verification),
            Kinds::All => true,
            Kinds::One(wanted) => kind == Some(wanted),
        };
        let content = request.map(|request| &request.content);
        let amount = content.map_or(0, |content| content.amount_minor);
        kind_fits
            && self.rrn.is_none_or(|rrn| request.is_some_and(|request| request.rrn == rrn))
            && self.stan.is_none_or(|stan| key.stan == stan)
            && self.terminal.is_none_or(|terminal| key.terminal == terminal)
            && self.citizen.is_none_or(|citizen| content.is_some_and(|content| content.citizen == citizen))
            && self.amount_minor_min.is_none_or(|least| amount >= least)
            && self.amount_minor_max.is_none_or(|most| amount <= most)
            && self.to_ms.is_none_or(|to_ms| record.at_ms < to_ms)
    }

    fn is(&self, transaction: &Transaction) -> bool {
        self.bank.is_none_or(|bank| bank_of(transaction) == Some(bank))
            && self.state.is_none_or(|state| transaction.state == state)
            && (!self.suspense || transaction.suspense.is_some())
    }
}

/// The bank that was asked, or that the terminal has named.
pub(crate) fn bank_of(transaction: &Transaction) -> Option<Institution> {
    let named = || transaction.request.as_ref().and_then(|request| request.content.institution);
    transaction.bank().or_else(named)
}

/// What a person types into the one field: a key, an RRN, a terminal or a STAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Typed {
    Key(TxKey),
    Rrn(Rrn),
    Terminal(TerminalId),
    Stan(u32),
}

impl Typed {
    /// By its length: 12 characters are an RRN, 8 a terminal, up to 6 digits a STAN.
    pub(crate) fn read(text: &str) -> Option<Typed> {
        let text = text.trim();
        if let Ok(key) = text.parse() {
            return Some(Typed::Key(key));
        }
        match text.len() {
            12 => Rrn::parse(text.as_bytes()).map(Typed::Rrn),
            8 => TerminalId::parse(text.as_bytes()).map(Typed::Terminal),
            1..=6 if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok().map(Typed::Stan),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{LogOf, Use, citizen};

    fn found(log: &LogOf, wanted: &Wanted) -> Vec<u32> {
        let found = search(&log.reader(), wanted, Reach::PAGE).unwrap();
        found.rows.iter().map(|row| row.transaction.key.stan).collect()
    }

    /// Five uses, a minute apart.
    fn five() -> LogOf {
        LogOf::uses(&[
            Use { stan: 1, amount_minor: 500_000, ..Use::default() },
            Use { stan: 2, amount_minor: 2_000_000, terminal: *b"HN000002", ..Use::default() },
            Use { stan: 3, amount_minor: 2_000_000, citizen: 7, reversed: true, ..Use::default() },
            Use { stan: 4, amount_minor: 3_000_000, declined: true, ..Use::default() },
            Use { stan: 5, amount_minor: 0, kind: Kind::Verification, ..Use::default() },
        ])
    }

    #[test]
    fn the_newest_comes_first_and_verifications_only_when_they_are_asked_for() {
        let log = five();
        assert_eq!(found(&log, &Wanted::default()), [4, 3, 2, 1]);
        assert_eq!(found(&log, &Wanted { kind: Kinds::All, ..Wanted::default() }), [5, 4, 3, 2, 1]);
        assert_eq!(found(&log, &Wanted { kind: Kinds::One(Kind::Verification), ..Wanted::default() }), [5]);
    }

    #[test]
    fn each_filter_leaves_what_fits() {
        let log = five();
        let all = Wanted::default;
        let at_ms = |stan| log.begins_ms(stan);
        let cases = [
            (Wanted { stan: Some(2), ..all() }, vec![2]),
            (Wanted { terminal: TerminalId::parse(b"HN000001"), ..all() }, vec![4, 3, 1]),
            (Wanted { rrn: Some(log.rrn(3)), ..all() }, vec![3]),
            (Wanted { citizen: Some(citizen(7)), ..all() }, vec![3]),
            (Wanted { state: Some(State::Reversed), ..all() }, vec![3]),
            (Wanted { state: Some(State::Declined), ..all() }, vec![4]),
            (
                Wanted { amount_minor_min: Some(2_000_000), amount_minor_max: Some(2_000_000), ..all() },
                vec![3, 2],
            ),
            (Wanted { from_ms: Some(at_ms(2)), to_ms: Some(at_ms(4)), ..all() }, vec![3, 2]),
            (Wanted { bank: Institution::parse(b"970415"), ..all() }, vec![4, 3, 2, 1]),
            (Wanted { bank: Institution::parse(b"970436"), ..all() }, vec![]),
            (Wanted { suspense: true, ..all() }, vec![]),
        ];
        for (wanted, expected) in cases {
            assert_eq!(found(&log, &wanted), expected, "{wanted:?}");
        }
    }

    #[test]
    fn pages_follow_each_other_without_a_gap_or_a_repeat() {
        let uses: Vec<Use> = (1..=120).map(|stan| Use { stan, ..Use::default() }).collect();
        let log = LogOf::uses(&uses);
        let (mut seen, mut wanted) = (Vec::new(), Wanted::default());
        loop {
            let found = search(&log.reader(), &wanted, Reach::PAGE).unwrap();
            assert!(found.rows.len() <= PAGE_ROWS);
            seen.extend(found.rows.iter().map(|row| row.transaction.key.stan));
            wanted.before = found.more_before;
            if wanted.before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=120).rev().collect::<Vec<u32>>());
    }

    #[test]
    fn a_search_stops_at_its_bound_and_says_where() {
        let uses: Vec<Use> = (1..=5_000).map(|stan| Use { stan, bare: true, ..Use::default() }).collect();
        let log = LogOf::uses(&uses);
        let wanted = Wanted { stan: Some(1), ..Wanted::default() };
        let stopped = search(&log.reader(), &wanted, Reach { rows: 50, records: 2_000 }).unwrap();
        assert!(stopped.rows.is_empty() && stopped.stopped_at_ms.is_some());
        let on = Wanted { before: stopped.more_before, ..wanted };
        assert_eq!(found(&log, &on), [1]);
    }

    #[test]
    fn what_is_typed_is_known_by_its_form() {
        let key = "0200/970418/HN000001/2026-05-03T01:02:03Z/000017";
        let cases = [
            (key, Some(Typed::Key(key.parse().unwrap()))),
            (" 612400000017 ", Some(Typed::Rrn(Rrn(*b"612400000017")))),
            ("HN000001", Some(Typed::Terminal(TerminalId(*b"HN000001")))),
            ("17", Some(Typed::Stan(17))),
            ("seventeen", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Typed::read(text), expected, "{text}");
        }
    }
}
