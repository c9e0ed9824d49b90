//! Counts members' totals of a day as console and command line do, from log and acts, on a thread of its own: the processor asks, and waits for nothing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use casework::{ActError, ActFile, Casework, Days};
use journal::{LogReader, ReadError};
use keys::DataKeys;
use processor::{Day, Input, TOTALS_COUNTING_MAX, Ticket, TotalsQuestion, TotalsVerdict};
use reconciliation::{Book, Held};
use tokio::sync::mpsc;

use crate::bus::Inbound;
use crate::config::ReconciliationSettings;

/// Below links and log: a count is waited for by a machine that has time.
const NICE: i32 = 10;

/// Transactions that can change no day any more are let go after so many records.
const RECORDS_BETWEEN_FORGETTING: u64 = 262_144;

/// Of so many days single transactions are held, whatever a bank may say of an older one still.
const DAYS_HELD: usize = 8;

/// The way to the thread that counts.
pub(crate) struct TotalsCounter(SyncSender<(Ticket, TotalsQuestion)>);

impl TotalsCounter {
    /// Starts the thread; it ends with the process. It reads the log when it is first asked, and then what has come since. Without `reconciliation`
    /// nobody closes a day, and nothing has a fee.
    pub(crate) fn start(
        log: LogReader,
        reconciliation: Option<&ReconciliationSettings>,
        keys: &DataKeys,
        first_day: Day,
        answers: &mpsc::Sender<Inbound>,
    ) -> std::io::Result<TotalsCounter> {
        let (queue, waiting) = sync_channel(TOTALS_COUNTING_MAX);
        let answers = answers.clone();
        let held = Held { days: DAYS_HELD, ..Held::default() };
        let fees = reconciliation.map(|of| of.fees.clone()).unwrap_or_default();
        let counting = Counting {
            log,
            acts: reconciliation.map(|of| ActFile::new(&of.dir, keys.clone())),
            days: Days::new(Book::new(fees, Some(first_day)).holding(held)),
        };
        std::thread::Builder::new()
            .name("totals".to_owned())
            .spawn(move || counting.answer_all(&waiting, &answers))?;
        Ok(TotalsCounter(queue))
    }

    /// Asks; an answer at once where nothing more can wait.
    pub(crate) fn count(&self, ticket: Ticket, question: TotalsQuestion) -> Option<TotalsVerdict> {
        match self.0.try_send((ticket, question)) {
            Ok(()) => None,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Some(TotalsVerdict::Unavailable),
        }
    }
}

struct Counting {
    log: LogReader,
    acts: Option<ActFile>,
    days: Days,
}

/// Why a day cannot be counted now.
#[derive(Debug, thiserror::Error)]
enum CountError {
    #[error(transparent)]
    Log(#[from] ReadError),
    /// A count that knew no closes might say otherwise than the members' files.
    #[error(transparent)]
    Acts(#[from] ActError),
}

impl Counting {
    fn answer_all(mut self, waiting: &Receiver<(Ticket, TotalsQuestion)>, answers: &mpsc::Sender<Inbound>) {
        // Only what it costs the others: where the system refuses, counting is as urgent as they are.
        rustix::process::setpriority_process(None, NICE).ok();
        while let Ok((ticket, question)) = waiting.recv() {
            let verdict = self.count(question).unwrap_or_else(|error| {
                tracing::error!(%error, "totals cannot be counted");
                TotalsVerdict::Unavailable
            });
            let input = Box::new(Input::TotalsCounted(ticket, verdict));
            if answers.blocking_send(Inbound::Input(input)).is_err() {
                return;
            }
        }
    }

    fn count(&mut self, question: TotalsQuestion) -> Result<TotalsVerdict, CountError> {
        let casework = match &self.acts {
            Some(acts) => acts.read()?.0,
            None => Arc::default(),
        };
        self.read_on(&casework)?;
        let book = self.days.book();
        let counted = book.sheet(question.day).map(|sheet| TotalsVerdict::Counted {
            ours: sheet.figures(question.side, question.member),
            as_of: book.next(),
        });
        Ok(counted.unwrap_or(TotalsVerdict::DayUnknown))
    }

    fn read_on(&mut self, casework: &Casework) -> Result<(), ReadError> {
        let forget_at_times = |book: &mut Book, position| {
            if position % RECORDS_BETWEEN_FORGETTING == RECORDS_BETWEEN_FORGETTING - 1 {
                book.forget_completed();
            }
            true
        };
        let lost = |days: &Days| days.broken() + days.book().left_out();
        let (times_begun, lost_before) = (self.days.times_begun(), lost(&self.days));
        self.days.read_on(casework, |from| self.log.scan_sealed(from), forget_at_times)?;
        let is_anew = self.days.times_begun() != times_begun;
        let records = lost(&self.days).saturating_sub(if is_anew { 0 } else { lost_before });
        if records > 0 {
            tracing::warn!(records, "records of transactions that were let go long ago are not counted");
        }
        Ok(())
    }
}
