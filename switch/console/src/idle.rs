//! Threads for what reads or writes much: they have a processor only while nobody else wants it.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::sync::oneshot;

/// Their name: of every search, of everything that reads a day, of every export.
pub(crate) const NAME: &str = "console-idle";

/// Does the work on a thread of its own, which stands back behind every other of the machine (`SCHED_IDLE`, sched(7)). A nice value is not enough: a
/// thread that has a processor keeps it for its slice of some milliseconds, whoever wakes, and a withdrawal wakes a thread at each of its hops
/// (docs/performance.md#exports). How many there are at once is bounded by whose turn it is.
///
/// # Errors
/// The thread cannot be started, or the work has panicked.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        stand_back();
        // Whoever asked may have gone.
        tell.send(work()).ok();
    })?;
    told.await.map_err(|_| std::io::Error::other("a thread of the console has panicked"))
}

fn stand_back() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Sets the nice value too, which the system may refuse and the policy does not look at. Where the policy is refused, the work is as urgent as the
    // console's other threads.
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).ok();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use thread_priority::thread_schedule_policy;

    use super::*;

    #[tokio::test]
    async fn what_reads_much_stands_back_and_nothing_else_does() {
        let of_work = run(|| thread_schedule_policy().unwrap()).await.unwrap();
        assert_eq!(of_work, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
        let own = thread_schedule_policy().unwrap();
        assert_eq!(own, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other));
        assert!(run(|| panic!("at work")).await.is_err());
    }
}
