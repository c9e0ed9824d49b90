//! Where a machine's notes are, and the list of every one that moved: the audit counts from it and nothing else.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::key::TxKey;
use super::notes::{DENOMINATIONS_VND, Notes};

/// What happened to notes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MovementKind {
    /// A service team put them into a cassette.
    Loaded,
    /// A service team took them out of a cassette.
    Emptied,
    /// Cassette to citizen.
    Out,
    /// Presented, not taken, drawn in again: citizen to reject bin.
    Retracted,
    /// Citizen to escrow.
    In,
    /// Escrow to citizen.
    Returned,
    /// Escrow to cassette.
    Stored,
    /// Escrow to reject bin: a jam.
    Rejected,
    /// Nothing moved: what lies in escrow under `key` is asked for again under `new_key`.
    Rekeyed,
}

impl MovementKind {
    /// Whether notes of a request left the machine (1), entered it (-1), or neither (0).
    pub fn out_sign(self) -> i64 {
        match self {
            MovementKind::Out | MovementKind::Returned => 1,
            MovementKind::In | MovementKind::Retracted => -1,
            MovementKind::Stored
            | MovementKind::Rejected
            | MovementKind::Rekeyed
            | MovementKind::Loaded
            | MovementKind::Emptied => 0,
        }
    }
}

/// Notes of one denomination that moved together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// DE41 of the machine.
    pub terminal: Box<str>,
    /// The money request that they moved for; none when a service team moved them.
    pub key: Option<TxKey>,
    /// The request that it became, for [`MovementKind::Rekeyed`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<TxKey>,
    /// What happened.
    pub kind: MovementKind,
    /// Đồng.
    pub denomination_vnd: u64,
    /// Number of notes.
    pub count: u32,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
}

impl Movement {
    /// Count times denomination, đồng.
    pub fn amount_vnd(&self) -> i64 {
        (self.denomination_vnd * u64::from(self.count)) as i64
    }
}

/// What lies where.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Contents {
    /// In the cassettes, one for each denomination.
    pub cassettes: Notes,
    /// In escrow: inserted, not yet the bank's.
    pub escrow: Notes,
    /// In the reject bin: retracted or jammed.
    pub rejected: Notes,
}

/// Why movements cannot be true: more notes left a place than were in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("movement {index} ({kind:?} of {count}×{denomination_vnd}) moves notes that are not there")]
pub struct Impossible {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its kind.
    pub kind: MovementKind,
    /// Its denomination, đồng; another than the four is impossible too.
    pub denomination_vnd: u64,
    /// Its count.
    pub count: u32,
}

impl Contents {
    /// What has to lie where after these movements of one machine, from an empty one on.
    ///
    /// # Errors
    /// [`Impossible`].
    pub fn after(movements: &[Movement]) -> Result<Contents, Impossible> {
        let mut contents = Contents::default();
        for (index, movement) in movements.iter().enumerate() {
            let Movement { kind, denomination_vnd, count, .. } = *movement;
            let impossible = Impossible { index, kind, denomination_vnd, count };
            contents.apply(kind, denomination_vnd, count).ok_or(impossible)?;
        }
        Ok(contents)
    }

    fn apply(&mut self, kind: MovementKind, denomination_vnd: u64, count: u32) -> Option<()> {
        let place = DENOMINATIONS_VND.iter().position(|vnd| *vnd == denomination_vnd)?;
        let take = |from: &mut Notes| {
            from[place] = from[place].checked_sub(count)?;
            Some(())
        };
        match kind {
            MovementKind::Loaded => self.cassettes[place] += count,
            MovementKind::Emptied | MovementKind::Out => take(&mut self.cassettes)?,
            MovementKind::Retracted => self.rejected[place] += count,
            MovementKind::In => self.escrow[place] += count,
            MovementKind::Returned => take(&mut self.escrow)?,
            MovementKind::Stored => {
                take(&mut self.escrow)?;
                self.cassettes[place] += count;
            }
            MovementKind::Rejected => {
                take(&mut self.escrow)?;
                self.rejected[place] += count;
            }
            MovementKind::Rekeyed => {}
        }
        Some(())
    }
}

/// For each money request the đồng that left the machine less those that entered: a withdrawal's are positive, a
/// deposit's negative. Requests whose notes came back in full stand with 0.
pub fn net_out_vnd<'a>(movements: impl IntoIterator<Item = &'a Movement>) -> BTreeMap<TxKey, i64> {
    let mut nets = BTreeMap::new();
    for movement in movements {
        let Some(key) = &movement.key else { continue };
        let amount_vnd = movement.amount_vnd();
        *nets.entry(key.clone()).or_insert(0) += movement.kind.out_sign() * amount_vnd;
        if let Some(new_key) = &movement.new_key {
            *nets.entry(key.clone()).or_insert(0) += amount_vnd;
            *nets.entry(new_key.clone()).or_insert(0) -= amount_vnd;
        }
    }
    nets
}

/// Writes movements as JSON, one a line.
///
/// # Errors
/// Those of `out`.
pub fn write_movements(movements: &[Movement], out: &mut impl Write) -> io::Result<()> {
    for movement in movements {
        serde_json::to_writer(&mut *out, movement)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads what [`write_movements`] wrote.
///
/// # Errors
/// Those of `from`; a line that is no movement is [`io::ErrorKind::InvalidData`] and named by its number.
pub fn read_movements(from: impl BufRead) -> io::Result<Vec<Movement>> {
    from.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(&line?).map_err(|error| {
                let text = format!("line {}: {error}", index + 1);
                io::Error::new(io::ErrorKind::InvalidData, text)
            })
        })
        .collect()
}

/// The notes of one machine. Nothing moves here without a [`Movement`].
#[derive(Clone, Debug)]
pub(super) struct Vault {
    terminal: Box<str>,
    contents: Contents,
    moved: Vec<Movement>,
}

impl Vault {
    pub(super) fn new(terminal: &str) -> Vault {
        Vault { terminal: terminal.into(), contents: Contents::default(), moved: Vec::new() }
    }

    pub(super) fn contents(&self) -> Contents {
        self.contents
    }

    /// Fills and empties the cassettes until they hold `wanted`.
    pub(super) fn service(&mut self, wanted: &Notes, at_ms: i64) {
        let have = self.contents.cassettes;
        let more = Notes(std::array::from_fn(|place| wanted[place].saturating_sub(have[place])));
        let less = Notes(std::array::from_fn(|place| have[place].saturating_sub(wanted[place])));
        self.shift(MovementKind::Emptied, &less, None, at_ms);
        self.shift(MovementKind::Loaded, &more, None, at_ms);
    }

    /// Moves notes for a request.
    ///
    /// # Panics
    /// When they are not where the movement takes them from: the machine checks before it moves.
    pub(super) fn shift(&mut self, kind: MovementKind, notes: &Notes, key: Option<&TxKey>, at_ms: i64) {
        for (denomination_vnd, count) in notes.each() {
            let done = self.contents.apply(kind, denomination_vnd, count);
            done.expect("the machine moves notes that it has counted");
            self.push(kind, denomination_vnd, count, key.cloned(), None, at_ms);
        }
    }

    /// What lies in escrow belongs to another request from here on.
    pub(super) fn rekey(&mut self, key: &TxKey, new_key: &TxKey, at_ms: i64) {
        for (denomination_vnd, count) in self.contents.escrow.each() {
            let (key, new_key) = (Some(key.clone()), Some(new_key.clone()));
            self.push(MovementKind::Rekeyed, denomination_vnd, count, key, new_key, at_ms);
        }
    }

    /// What has moved since this was last asked.
    pub(super) fn take_moved(&mut self) -> Vec<Movement> {
        std::mem::take(&mut self.moved)
    }

    fn push(
        &mut self,
        kind: MovementKind,
        denomination_vnd: u64,
        count: u32,
        key: Option<TxKey>,
        new_key: Option<TxKey>,
        at_ms: i64,
    ) {
        let terminal = self.terminal.clone();
        self.moved.push(Movement { terminal, key, new_key, kind, denomination_vnd, count, at_ms });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(stan: u32) -> TxKey {
        let (acquirer, terminal) = ("970418".into(), "HN000001".into());
        TxKey { mti: 200, acquirer, terminal, sent_at_s: 1_651_539_723, stan }
    }

    #[test]
    fn contents_and_nets_follow_from_the_movements_alone() {
        let mut vault = Vault::new("HN000001");
        vault.service(&Notes([10, 10, 10, 10]), 1);
        vault.shift(MovementKind::Out, &Notes([2, 1, 0, 0]), Some(&key(1)), 2);
        vault.shift(MovementKind::Retracted, &Notes([0, 1, 0, 0]), Some(&key(1)), 3);
        vault.shift(MovementKind::In, &Notes([0, 0, 5, 1]), Some(&key(2)), 4);
        vault.rekey(&key(2), &key(3), 5);
        vault.shift(MovementKind::Returned, &Notes([0, 0, 1, 0]), Some(&key(3)), 6);
        vault.shift(MovementKind::Rejected, &Notes([0, 0, 0, 1]), Some(&key(3)), 7);
        vault.shift(MovementKind::Stored, &Notes([0, 0, 4, 0]), Some(&key(3)), 8);
        vault.service(&Notes([9, 9, 9, 9]), 9);
        let moved = vault.take_moved();
        assert_eq!(Contents::after(&moved).unwrap(), vault.contents());
        assert_eq!(
            vault.contents(),
            Contents { cassettes: Notes([9; 4]), escrow: Notes::NONE, rejected: Notes([0, 1, 0, 1]) }
        );
        let nets: Vec<(u32, i64)> =
            net_out_vnd(&moved).into_iter().map(|(key, net)| (key.stan, net)).collect();
        assert_eq!(nets, [(1, 1_000_000), (2, 0), (3, -450_000)]);

        let mut lines = Vec::new();
        write_movements(&moved, &mut lines).unwrap();
        assert_eq!(read_movements(&lines[..]).unwrap(), moved);
        let text = String::from_utf8(lines).unwrap();
        let out = text.lines().nth(4).unwrap();
        assert_eq!(
            out,
            r#"{"terminal":"HN000001","key":"0200/970418/HN000001/2022-05-03T01:02:03Z/000001","kind":"out","denomination_vnd":500000,"count":2,"at_ms":2}"#
        );
    }

    #[test]
    fn a_movement_of_notes_that_are_not_there_is_named() {
        let mut vault = Vault::new("HN000001");
        vault.service(&Notes([1, 0, 0, 0]), 1);
        vault.shift(MovementKind::Out, &Notes([1, 0, 0, 0]), Some(&key(1)), 2);
        let mut moved = vault.take_moved();
        moved[0].count = 0;
        let refused = Contents::after(&moved).unwrap_err();
        assert_eq!((refused.index, refused.kind), (1, MovementKind::Out));
        moved[0] = Movement { denomination_vnd: 20_000, count: 1, ..moved[0].clone() };
        assert_eq!(Contents::after(&moved).unwrap_err().index, 0);
        let error = read_movements(&b"{}\n"[..]).unwrap_err();
        assert!(error.to_string().starts_with("line 1: "), "{error}");
    }
}
