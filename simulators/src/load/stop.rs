//! What ends a load before its time: the word to stop, given once and looked at wherever something is offered or prepared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the task that is told and the thread that offers.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on nothing more is offered.
    pub(super) fn give(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// It has been given.
    pub(super) fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// An interrupt, a request to end, or a terminal that has gone.
///
/// # Errors
/// The system's own.
pub(super) async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}
