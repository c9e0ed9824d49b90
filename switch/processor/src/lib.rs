//! Every decision of the switch: Input in, Output out. No clock, socket, file, thread or chance.
//!
//! [`Processor::handle`] takes one [`Input`]; then [`Processor::poll_output`] is drained and
//! [`Processor::next_deadline`] asked when to come again. Durability is an input: what depends on a record waits in
//! here until the log says that the record's position is synced.

mod admission;
mod advice_rate;
mod advices;
mod amount;
mod banks;
mod broken;
mod config;
mod entropy;
mod figures;
mod ids;
mod intake;
mod io;
mod key_exchange;
mod key_offers;
mod lifecycle;
mod live;
mod messages;
mod network;
mod pin;
mod processor;
mod record;
mod requests;
mod saf;
mod stand_in;
mod standing;
mod suspense;
mod totals;
mod totals_kept;
mod transaction;
mod unordered;
mod used_proofs;
mod writes;

pub use admission::{QUEUE_INTERVAL_US, QUEUE_WAIT_US_MAX, SHED_KEYS_MAX};
pub use advice_rate::{ADVICES_HEARD_MAX, UNKNOWN_ADVICE_EVERY_MS, UNKNOWN_ADVICES_MAX};
pub use config::{ASK_AGAIN_MS, Config, IssuerConfig, Kept, Limits, StandIn, TerminalConfig, Timers};
pub use figures::{Figures, TOTALS_ELEMENTS};
pub use ids::{
    AccountNumber, BankIdentity, Class, Code, Day, Institution, Rrn, TerminalId, TxKey, UtcSeconds,
};
pub use io::{
    ACCOUNTS_MAX, ALARMS, Answered, Authenticity, Away, Command, Event, Found, Input, KnownStatus, LinkId,
    LinkedAccount, Lookup, Now, Output, OwnName, Ticket, TotalsQuestion, TotalsVerdict, Used, Verdict,
    VerifyRequest,
};
pub use key_exchange::{KEY_EXCHANGES_MAX, KeyOwner, KeyRequest, KeyVerdict};
pub use key_offers::{
    KEY_OFFER_TRIES_MAX, KEY_OFFERS_MAX, KEY_OWNER_AWAY, KEY_REFUSED, KeyNotSent, KeyOffer, OfferedKey,
    SentKey,
};
pub use lifecycle::{Answer, Ask, State, Step, Trigger, Write, step};
pub use live::SafStage;
pub use network::CUTOVER_DAYS_MAX;
pub use pin::{Enciphered, PinRequest, PinVerdict};
pub use processor::Processor;
pub use record::{
    Advice, AskedAgain, Block, BlockSubject, Body, Carried, ClaimReason, Content, Declined, Evidence, Intent,
    Kind, LinkedBank, Name, NoteReason, Outcome, Position, Record, RegistryWord, Request, Resolution,
    Reversal, Side, Spend, Suspense, Totals, TotalsStep, Verification,
};
pub use saf::{RETRIED_MAX, SafBank, SafEntry, SafFault, SafFaultSeen, SafFaults, SafRetry};
pub use stand_in::{ASKED_AGAIN_AT_ONCE_MAX, STAND_INS_MAX, StandIns};
pub use standing::{LiveReference, REFERENCES_MAX, References, Standing};
pub use suspense::{SUSPENDED_MAX, SUSPENDED_OF_TERMINAL_MAX, Suspended, SuspendedSet};
pub use totals::{TOTALS_COUNTING_MAX, TOTALS_COUNTING_OF_MEMBER_MAX, TOTALS_TRIES_MAX};
pub use totals_kept::{ENDED_DAYS_MAX, EndedDay, TOTALS_REMEMBERED_MAX, TotalsKept};
pub use transaction::{ADVICES_MAX, BrokenSequence, SentToBank, Transaction};
pub use used_proofs::{PROOF_AGE_MS_MAX, USED_PROOFS_MAX, USED_PROOFS_OF_ONE_MAX, UsedProofs};
