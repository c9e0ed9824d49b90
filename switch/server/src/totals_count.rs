//! Counts members' totals of a day from the log, on a thread of its own: the processor asks, and waits for nothing.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use journal::{LogReader, ReadError};
use processor::{Body, Day, Input, TOTALS_COUNTING_MAX, Ticket, TotalsQuestion, TotalsVerdict};
use reconciliation::{Book, FeeTable, Held};
use tokio::sync::mpsc;

use crate::bus::Inbound;

/// Below links and log: a count is waited for by a machine that has time.
const NICE: i32 = 10;

/// Transactions that can change no day any more are let go after so many records.
const RECORDS_BETWEEN_FORGETTING: u64 = 262_144;

/// Of so many days single transactions are held, whatever a bank may say of an older one still.
const DAYS_HELD: usize = 8;

/// The way to the thread that counts.
pub(crate) struct TotalsCounter(SyncSender<(Ticket, TotalsQuestion)>);

impl TotalsCounter {
    /// Starts the thread; it ends with the process. It reads the log when it is first asked, and then what has come since.
    pub(crate) fn start(
        log: LogReader,
        fees: FeeTable,
        first_day: Day,
        answers: &mpsc::Sender<Inbound>,
    ) -> std::io::Result<TotalsCounter> {
        let (queue, waiting) = sync_channel(TOTALS_COUNTING_MAX);
        let answers = answers.clone();
        let held = Held { days: DAYS_HELD, ..Held::default() };
        let counting = Counting { log, book: Book::new(fees, Some(first_day)).holding(held) };
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
    book: Book,
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

    fn count(&mut self, question: TotalsQuestion) -> Result<TotalsVerdict, ReadError> {
        self.read_on()?;
        let counted = self.book.sheet(question.day).map(|sheet| TotalsVerdict::Counted {
            ours: sheet.figures(question.side, question.member),
            as_of: self.book.next(),
        });
        Ok(counted.unwrap_or(TotalsVerdict::DayUnknown))
    }

    fn read_on(&mut self) -> Result<(), ReadError> {
        let from = self.book.next();
        let left = self.log.synced().saturating_sub(from);
        for next in self.log.scan(from).take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let (position, record) = next?;
            let left_out = self.book.left_out();
            let is_broken = self.book.apply(position, &record).is_err();
            let is_counted = !is_broken && self.book.left_out() == left_out;
            if !is_counted && !matches!(record.body, Body::Reversed(_)) {
                tracing::warn!(position, "a record of a transaction that was let go long ago is not counted");
            }
            if position % RECORDS_BETWEEN_FORGETTING == RECORDS_BETWEEN_FORGETTING - 1 {
                self.book.forget_completed();
            }
        }
        Ok(())
    }
}
