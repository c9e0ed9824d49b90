//! Certificates end: metrics say when, and the program's log says so in time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Validity;
use crate::current::Current;

/// A certificate is warned of from so many days before its end.
pub const EXPIRY_WARNING_DAYS: i64 = 30;

const DAY_S: i64 = 86_400;

/// How often certificates that end soon are told of.
const PAUSE: Duration = Duration::from_secs(86_400);

/// A link's certificate that is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// `terminals`, `registry`, or a bank's id.
    pub link: String,
    /// `own` or `authority`.
    pub whose: &'static str,
    /// Until when it is good.
    pub validity: Validity,
}

/// The days that are left, rounded down, where they are [`EXPIRY_WARNING_DAYS`] or fewer; negative: it has ended.
pub fn expires_soon(not_after_s: i64, now_s: i64) -> Option<i64> {
    let days = (not_after_s - now_s).div_euclid(DAY_S);
    (days <= EXPIRY_WARNING_DAYS).then_some(days)
}

/// Says how things stand once a day, for as long as the process lives.
pub async fn watch(certificates: Arc<Current<Vec<Watched>>>) {
    loop {
        tell(&certificates.get());
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sets the metrics, and warns of what ends soon.
pub(crate) fn tell(certificates: &[Watched]) {
    for Watched { link, whose, validity } in certificates {
        let gauge = metrics::gauge!(
            "atm_switch_certificate_not_after_seconds", "link" => link.clone(), "certificate" => *whose
        );
        gauge.set(validity.not_after_s as f64);
        let (file, subject) = (validity.file.display(), &validity.subject);
        match expires_soon(validity.not_after_s, now_s()) {
            None => {}
            Some(days) if days < 0 => {
                tracing::error!(link, whose, %file, subject, "a certificate has ended: connections fail");
            }
            Some(days) => tracing::warn!(link, whose, %file, subject, days, "a certificate ends soon"),
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_begins_thirty_days_ahead() {
        let now_s = 1_000 * DAY_S;
        assert_eq!(expires_soon(now_s + 31 * DAY_S, now_s), None);
        assert_eq!(expires_soon(now_s + 31 * DAY_S - 1, now_s), Some(30));
        assert_eq!(expires_soon(now_s, now_s), Some(0));
        assert_eq!(expires_soon(now_s - 1, now_s), Some(-1));
    }
}
