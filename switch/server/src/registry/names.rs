//! The registry's name, looked up one at a time: a look-up that has begun cannot be taken back, and holds a thread for as long as the
//! system's resolver waits for servers that say nothing.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower_service::Service;

/// Look-ups under way. One more waits, within the time of its connection.
const LOOKUPS_MAX: usize = 1;

/// Looks names up. Addresses that stand in the URL itself need none.
#[derive(Clone)]
pub(super) struct Names {
    free: Arc<Semaphore>,
    look_up: fn(&str) -> io::Result<IntoIter<SocketAddr>>,
}

impl Names {
    /// As the system does it.
    pub(super) fn of_the_system() -> Names {
        Names::by(|name| (name, 0).to_socket_addrs())
    }

    fn by(look_up: fn(&str) -> io::Result<IntoIter<SocketAddr>>) -> Names {
        Names { free: Arc::new(Semaphore::new(LOOKUPS_MAX)), look_up }
    }
}

impl Service<Name> for Names {
    type Response = IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<IntoIter<SocketAddr>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Names { free, look_up } = self.clone();
        Box::pin(async move {
            let permit = free.acquire_owned().await.map_err(io::Error::other)?;
            let looking = tokio::task::spawn_blocking(move || {
                let _until_it_ends = permit;
                look_up(name.as_str())
            });
            looking.await.map_err(io::Error::other)?
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use super::*;

    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static HAS_ANSWER: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    fn without_answer(_: &str) -> io::Result<IntoIter<SocketAddr>> {
        BEGUN.fetch_add(1, Ordering::SeqCst);
        let (has_answer, changed) = &HAS_ANSWER;
        drop(changed.wait_while(has_answer.lock().unwrap(), |has_answer| !*has_answer).unwrap());
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], 443))].into_iter())
    }

    #[tokio::test]
    async fn questions_that_give_up_leave_one_look_up_behind_however_many_they_are() {
        let mut names = Names::by(without_answer);
        for _ in 0..5 {
            let looking = names.call("registry.example".parse().unwrap());
            assert!(tokio::time::timeout(Duration::from_millis(20), looking).await.is_err());
        }
        assert!(BEGUN.load(Ordering::SeqCst) <= LOOKUPS_MAX);
        *HAS_ANSWER.0.lock().unwrap() = true;
        HAS_ANSWER.1.notify_all();
        let found = names.call("registry.example".parse().unwrap()).await.unwrap();
        assert_eq!(found.collect::<Vec<_>>(), [SocketAddr::from(([127, 0, 0, 1], 443))]);
        assert_eq!(BEGUN.load(Ordering::SeqCst), 2);
    }
}
