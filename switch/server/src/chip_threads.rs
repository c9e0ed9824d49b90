//! The threads that check chips: theirs alone, so that whoever waits for a disk or for names keeps no citizen waiting.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

/// Checks run on them in the order in which they came; how many wait the processor bounds: its requests in flight.
pub(crate) struct ChipThreads(Sender<Check>);

type Check = Box<dyn FnOnce() + Send>;

impl ChipThreads {
    /// Starts so many; they end when nobody can give them anything any more.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn start(threads: usize) -> Result<ChipThreads, String> {
        let (queue, waiting) = channel::<Check>();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().name(format!("chips-{number}"));
            thread.spawn(move || check_all(&waiting)).map_err(|error| format!("threads: {error}"))?;
        }
        Ok(ChipThreads(queue))
    }

    /// Runs it there; what it comes to may be waited for anywhere.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (told, heard) = oneshot::channel();
        // Who has asked may be gone.
        let check: Check = Box::new(move || drop(told.send(check())));
        self.0.send(check).expect("the threads live as long as the queue");
        heard
    }
}

fn check_all(waiting: &Mutex<Receiver<Check>>) {
    loop {
        let next = waiting.lock().expect("no thread panics while it waits").recv();
        let Ok(check) = next else { return };
        check();
    }
}
