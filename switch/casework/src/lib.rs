//! What people do to days, files and cases: each act a chained record; and the desk that joins log, files and acts.
//!
//! [`Casework`] is the fold of all acts: it says what may be done and by whom. [`ActFile`] keeps them on disk, [`Days`] lays them into the log's
//! [`reconciliation::Book`], [`Desk`] joins both with the files that were taken.

mod act;
mod act_file;
mod by_hand;
mod cases;
mod days;
mod desk;
mod due;
mod kept;
mod matching;
mod settlement;
mod told;

pub use act::{About, Act, Deed, NOTE_CHARACTERS_MAX, Resolution, WHO_CHARACTERS_MAX};
pub use act_file::{ACTS_FILE, ActError, ActFile, Acts, HEAD_FILE};
pub use by_hand::{ByHand, Void, by_hand};
pub use cases::{
    Booked, CASES_MAX, Case, CaseState, Casework, Closed, NotByHand, NotDay, NotTakenBack, PARTS_MAX, Parts,
    Proposal, Refused, TakingBack, UNPROVEN_MINOR_MAX, file_case,
};
pub use days::Days;
pub use desk::{
    Arrival, Desk, DeskError, NoTotals, Preview, PreviewLine, Row, at_risk_minor, claims, explanations,
};
pub use due::{AGE_BANDS, DueRules, age_band};
pub use kept::{FILES_DIR, KEEP_WAIT_MAX};
pub use matching::{Matching, PassedOver};
pub use settlement::{NoSettlement, Payment, payments, settlement, settling};
