//! What the machines of a load paid out, as the audit takes it.

use crate::terminal::{Movement, MovementKind, TxKey};

/// Every withdrawal is of this: one note.
pub(super) const AMOUNT_VND: u64 = 100_000;

/// One note that left a machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
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
        movements.push(movement(&terminal, None, MovementKind::Loaded, notes.len() as u32, at_ms));
        for note in notes {
            let key = TxKey {
                mti: 200,
                acquirer: acquirer.into(),
                terminal: terminal.clone(),
                sent_at_s: note.sent_at_s,
                stan: note.stan,
            };
            movements.push(movement(&terminal, Some(key), MovementKind::Out, 1, note.sent_at_s * 1000));
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
        let paid = [(3, 1), (1, 1), (3, 2)].map(|(machine, stan)| Paid { machine, sent_at_s: 9, stan });
        let movements = movements(&paid, "970418", |machine| format!("L000000{machine}").into());
        for machine in ["L0000001", "L0000003"] {
            let own: Vec<_> = movements.iter().filter(|it| &*it.terminal == machine).cloned().collect();
            assert_eq!(Contents::after(&own), Ok(Contents::default()));
        }
        assert_eq!(net_out_vnd(&movements).into_values().collect::<Vec<_>>(), [100_000; 3]);
    }
}
