//! What the machines of a load paid out and took in, as the audit takes it.

use crate::terminal::{Movement, MovementKind, TxKey};

/// Every withdrawal and deposit is of this: one note.
pub(super) const AMOUNT_VND: u64 = 100_000;

/// One note that left a machine, or that it kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    /// It was kept: a deposit.
    pub(super) is_deposit: bool,
    /// Number of the machine.
    pub(super) machine: u32,
    /// DE7 of the 0200 with its year, seconds since 1970.
    pub(super) sent_at_s: i64,
    /// DE11 of the 0200.
    pub(super) stan: u32,
}

/// Movements of all machines: each is loaded with what it will pay out, then pays. `name` gives DE41 of a machine.
pub(super) fn movements(paid: &[Paid], acquirer: &str, name: impl Fn(u32) -> Box<str>) -> Vec<Movement> {
    let mut by_machine = paid.to_vec();
    by_machine.sort_by_key(|paid| paid.machine);
    let mut movements = Vec::with_capacity(paid.len() + paid.len() / 8);
    for notes in by_machine.chunk_by(|one, other| one.machine == other.machine) {
        let terminal = name(notes[0].machine);
        let at_ms = notes[0].sent_at_s * 1000;
        let out = notes.iter().filter(|note| !note.is_deposit).count() as u32;
        if out > 0 {
            movements.push(movement(&terminal, None, MovementKind::Loaded, out, at_ms));
        }
        for note in notes {
            let key = TxKey {
                mti: 200,
                acquirer: acquirer.into(),
                terminal: terminal.clone(),
                sent_at_s: note.sent_at_s,
                stan: note.stan,
            };
            let kinds: &[_] = match note.is_deposit {
                true => &[MovementKind::In, MovementKind::Stored],
                false => &[MovementKind::Out],
            };
            for kind in kinds {
                movements.push(movement(&terminal, Some(key.clone()), *kind, 1, note.sent_at_s * 1000));
            }
        }
    }
    movements
}

fn movement(terminal: &str, key: Option<TxKey>, kind: MovementKind, count: u32, at_ms: i64) -> Movement {
    let denomination_vnd = AMOUNT_VND;
    Movement { terminal: terminal.into(), key, new_key: None, kind, denomination_vnd, count, at_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{Contents, net_out_vnd};

    #[test]
    fn every_note_was_in_the_machine_that_pays_it() {
        let paid = |machine, stan| Paid { is_deposit: false, machine, sent_at_s: 9, stan };
        let paid = [paid(3, 1), paid(1, 1), paid(3, 2)];
        let movements = movements(&paid, "970418", |machine| format!("L000000{machine}").into());
        for machine in ["L0000001", "L0000003"] {
            let own: Vec<_> = movements.iter().filter(|it| &*it.terminal == machine).cloned().collect();
            assert_eq!(Contents::after(&own), Ok(Contents::default()));
        }
        assert_eq!(net_out_vnd(&movements).into_values().collect::<Vec<_>>(), [100_000; 3]);
    }

    #[test]
    fn what_a_machine_took_in_stays_in_it() {
        let paid = [Paid { is_deposit: true, machine: 1, sent_at_s: 9, stan: 4 }];
        let movements = movements(&paid, "970418", |_| "L0000001".into());
        assert_eq!(net_out_vnd(&movements).into_values().collect::<Vec<_>>(), [-100_000]);
        assert_ne!(Contents::after(&movements), Ok(Contents::default()));
    }
}
