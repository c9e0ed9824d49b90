//! The threads that check chips: theirs alone, so that whoever waits for a disk or for names keeps no citizen waiting.

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Checks run on them in the order in which they came; how many wait the processor bounds: its requests in flight.
pub(crate) struct ChipThreads(Option<Runtime>);

impl ChipThreads {
    /// So many at most, each started when it is needed.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn new(threads: usize) -> Result<ChipThreads, String> {
        // Nothing but blocking work is ever given to it, so nobody has to drive it.
        let runtime =
            Builder::new_current_thread().max_blocking_threads(threads).thread_name("chips").build();
        Ok(ChipThreads(Some(runtime.map_err(|error| format!("threads: {error}"))?)))
    }

    /// Runs it there; any runtime may wait for what it comes to.
    pub(crate) fn run<T: Send + 'static>(&self, check: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.0.as_ref().expect("there until it is dropped").spawn_blocking(check)
    }
}

impl Drop for ChipThreads {
    /// Waits for nobody: it may be dropped where that is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
