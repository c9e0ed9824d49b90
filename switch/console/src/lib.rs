//! The clerks' console in the browser: people, sessions, audit, and the pages over log and switch.
//!
//! [`start`] serves it on a thread of its own; [`People`] and [`Audit`] are also the command line's.

mod address;
mod app;
mod audit;
#[cfg(all(test, feature = "mutants"))]
mod broken_rules;
mod desk;
mod evidence;
mod exports;
mod format;
mod gate;
mod guard;
mod idle;
mod live;
mod metrics_page;
mod pages;
mod password;
mod people;
mod role;
mod search;
mod serve;
mod sessions;
mod switch;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod texts;
mod views;
mod waiting;

pub use address::CONNECTIONS_OF_ONE_MAX;
pub use app::{CITIZENS_AN_HOUR_MAX, NUMBERS_AN_HOUR_MAX};
pub use audit::{AUDIT_FILE, Audit, AuditError, Entry};
pub use desk::DeskSettings;
pub use gate::{ADDRESS_FAILURES_FREE, FAILURES_FREE, WAIT_MS_MAX, WAIT_MS_MIN};
pub use guard::UPLOAD_BYTES_MAX;
pub use password::{PASSWORD_BYTES_MAX, Password, PasswordError};
pub use people::{By, PEOPLE_FILE, People, PeopleError, Person};
pub use role::{Permission, Role};
pub use search::{EXPORT_ROWS_MAX, PAGE_ROWS};
pub use serve::{CONNECTIONS_MAX, start};
pub use sessions::{SESSIONS_MAX, SESSIONS_OF_ONE_MAX, SessionBounds};
pub use switch::{Asking, ConsoleTls, Settings, Switch};
pub use views::{VIEWS_MAX, VIEWS_OF_ONE_MAX};
pub use waiting::{WAITING_MAX, WAITING_MS_MAX, WAITING_OF_ONE_MAX};
