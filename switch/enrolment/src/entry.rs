//! What is held of one citizen, its bytes, and what the lines of a file make of it.

use crate::line::{Account, Action, Problem};

/// Banks in one directory.
pub const BANKS_MAX: usize = 255;

/// The account is the citizen's default.
const DEFAULT: u8 = 0x80;
/// The bank's last whole file, or a later change, marked it.
const MARKED: u8 = 0x40;
const LENGTH: u8 = 0x1f;

/// The longest body: what a page has to have room for.
pub(crate) const BODY_BYTES_MAX: usize = processor::ACCOUNTS_MAX * (2 + crate::line::ACCOUNT_BYTES_MAX);

/// An account of a citizen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    /// Place in the generation's list of banks.
    pub(crate) bank: u8,
    pub(crate) account: Account,
    pub(crate) default: bool,
    pub(crate) marked: bool,
}

/// All accounts of a citizen, in the order in which they were linked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Entry(pub(crate) Vec<Held>);

/// What lines have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Effect {
    pub(crate) linked: u64,
    pub(crate) unlinked: u64,
    pub(crate) changed: u64,
}

/// How many accounts a body has, and whether one is of this bank; `None` when it is no body.
pub(crate) fn survey(mut body: &[u8], bank: u8) -> Option<(u64, bool)> {
    let (mut accounts, mut of_bank) = (0, false);
    while let [here, flags, rest @ ..] = body {
        body = rest.get(usize::from(flags & LENGTH)..)?;
        accounts += 1;
        of_bank |= *here == bank;
    }
    body.is_empty().then_some((accounts, of_bank))
}

impl Entry {
    /// Reads a body; `None` when it is none.
    pub(crate) fn decode(mut body: &[u8]) -> Option<Entry> {
        let mut accounts = Vec::new();
        while let [bank, flags, rest @ ..] = body {
            let (account, rest) = rest.split_at_checked(usize::from(flags & LENGTH))?;
            accounts.push(Held {
                bank: *bank,
                account: Account::new(account)?,
                default: flags & DEFAULT != 0,
                marked: flags & MARKED != 0,
            });
            body = rest;
        }
        let one_default = accounts.iter().filter(|held| held.default).count() == 1;
        (body.is_empty() && one_default && accounts.len() <= processor::ACCOUNTS_MAX)
            .then_some(Entry(accounts))
    }

    /// Appends the body: for each account the bank, flags with the account's length, and the account.
    pub(crate) fn encode(&self, body: &mut Vec<u8>) {
        for held in &self.0 {
            let text = held.account.text().as_bytes();
            let flags = if held.default { DEFAULT } else { 0 } | if held.marked { MARKED } else { 0 };
            body.extend([held.bank, flags | text.len() as u8]);
            body.extend(text);
        }
    }

    /// Applies one line of a change file.
    pub(crate) fn change(&mut self, bank: u8, account: Account, action: Action) -> Result<Effect, Problem> {
        let place = self.0.iter().position(|held| held.bank == bank && held.account == account);
        let mut effect = Effect::default();
        match (action, place) {
            (Action::Link, Some(_)) => {}
            (Action::Link | Action::Held { .. }, None) => {
                if self.0.len() >= processor::ACCOUNTS_MAX {
                    return Err(Problem::TooMany);
                }
                self.0.push(Held { bank, account, default: false, marked: false });
                effect.linked = 1;
            }
            (Action::Unlink | Action::Default, None) => return Err(Problem::NotLinked),
            (Action::Unlink, Some(place)) => {
                self.0.remove(place);
                effect.unlinked = 1;
            }
            (Action::Default | Action::Held { .. }, Some(place)) => effect.changed = self.mark(place),
        }
        self.settle();
        Ok(effect)
    }

    /// Makes a bank's accounts those of its whole file: the lines of this citizen, in the file's order, each with its
    /// number. Lines that cannot be taken are rejected.
    pub(crate) fn replace(
        &mut self,
        bank: u8,
        lines: &[(u64, Account, bool)],
        mut reject: impl FnMut(u64, Problem),
    ) -> Effect {
        let mut effect = Effect::default();
        self.0.retain(|held| {
            let stays = held.bank != bank || lines.iter().any(|(_, account, _)| *account == held.account);
            effect.unlinked += u64::from(!stays);
            stays
        });
        let mut marked = None;
        for (index, (line, account, mark)) in lines.iter().enumerate() {
            if let Some((first, ..)) = lines[..index].iter().find(|(_, earlier, _)| earlier == account) {
                reject(*line, Problem::Twice(*first));
                continue;
            }
            if !self.0.iter().any(|held| held.bank == bank && held.account == *account) {
                match self.change(bank, *account, Action::Link) {
                    Ok(linked) => effect.linked += linked.linked,
                    Err(problem) => {
                        reject(*line, problem);
                        continue;
                    }
                }
            }
            if *mark {
                marked = Some(*account);
            }
        }
        let place = self.0.iter().position(|held| held.bank == bank && Some(held.account) == marked);
        match place {
            Some(place) if !self.0[place].marked => effect.changed += self.mark(place),
            Some(_) => {}
            None => self.unmark(bank),
        }
        self.settle();
        effect
    }

    /// The account becomes the default, and the only one that its bank marks. Counts 1 when the default has moved.
    fn mark(&mut self, place: usize) -> u64 {
        let moved = !self.0[place].default;
        self.unmark(self.0[place].bank);
        for (index, held) in self.0.iter_mut().enumerate() {
            held.default = index == place;
        }
        self.0[place].marked = true;
        u64::from(moved)
    }

    fn unmark(&mut self, bank: u8) {
        for held in self.0.iter_mut().filter(|held| held.bank == bank) {
            held.marked = false;
        }
    }

    /// Where there is no default, it is the account that was linked first.
    fn settle(&mut self) {
        if !self.0.iter().any(|held| held.default)
            && let Some(first) = self.0.first_mut()
        {
            first.default = true;
        }
    }
}
