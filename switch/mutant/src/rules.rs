//! The list of broken rules: docs/mutants.md shows it as a table.

macro_rules! mutants {
    ($($variant:ident = $name:literal, $rule:literal, fault: $fault:literal, shows: $shows:literal;)*) => {
        /// A broken rule.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mutant {
            $(#[doc = $rule] $variant,)*
        }

        impl Mutant {
            /// All of them, in the order of docs/mutants.md.
            pub const ALL: &[Mutant] = &[$(Mutant::$variant),*];

            /// Its name on command lines and in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $name,)*
                }
            }

            /// What it does, and the place in docs/lifecycle.md that forbids it.
            pub const fn rule(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $rule,)*
                }
            }

            /// The faults without which it does nothing.
            pub const fn fault(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $fault,)*
                }
            }

            /// What ledgers, cassettes, terminals or the log's bytes then show.
            pub const fn shows(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $shows,)*
                }
            }
        }
    };
}

impl Mutant {
    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Mutant> {
        Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }
}

mutants! {
    // The one rule for sending.
    ApprovalBeforeOutcomeDurable = "approval-before-outcome-durable",
        "A 00 leaves before its OUTCOME is durable (one rule for sending).",
        fault: "a crash in OUTCOME's sync window",
        shows: "cash left, and the log has no OUTCOME: the INTENT is reversed";
    UnavailableBeforeReversalDurable = "unavailable-before-reversal-durable",
        "A 91 leaves in OUTCOME_SYNCING before its REVERSAL is durable (one rule for sending).",
        fault: "a slow fsync at the deadline, and a crash that keeps OUTCOME and loses REVERSAL",
        shows: "the terminal was told 91, the debit stays without cash";
    RequestBeforeIntentDurable = "request-before-intent-durable",
        "The 0200 leaves before its INTENT is durable (promise 2).",
        fault: "a crash in INTENT's sync window",
        shows: "a debit of an identity that the log does not hold";
    ReversalBeforeDurable = "reversal-before-durable",
        "91 and 0420 leave before their REVERSAL is durable (one rule for sending).",
        fault: "a crash in REVERSAL's sync window",
        shows: "the bank's ledger has an 0420 whose identity the log does not hold";
    DeclineBeforeDurable = "decline-before-durable",
        "A decline leaves before its DECLINED is durable (one rule for sending).",
        fault: "a crash in DECLINED's sync window",
        shows: "the terminal was told a code that the log does not hold";
    VerificationBeforeDurable = "verification-before-durable",
        "The 0110 leaves before its VERIFICATION is durable (one rule for sending).",
        fault: "a crash in VERIFICATION's sync window",
        shows: "the terminal holds a reference that the log does not";
    StoredAnswerBeforeDurable = "stored-answer-before-durable",
        "A stored answer leaves for a repeat before its record is durable (one rule for sending).",
        fault: "an 0201 in a sync window, and a crash in it",
        shows: "the terminal was told 91 or a decline, the log does not hold it; a debit stays without cash";
    AdviceAnsweredBeforeDurable = "advice-answered-before-durable",
        "0230 and 0430 leave before their record is durable (one rule for sending).",
        fault: "a crash in the sync window of an advice",
        shows: "the terminal forgets an advice that the log does not hold: cash and ledger differ, or APPROVED for ever";

    // A bank's answers.
    NoReversalOnTimeout = "no-reversal-on-timeout",
        "A bank's silence ends in DECLINED instead of a reversal (SENT, deadline).",
        fault: "the bank carries out and does not answer; a restart in SENT",
        shows: "a debit without cash and without an 0420";
    LinkDownDeclinesSent = "link-down-declines-sent",
        "A lost bank link ends what was sent as DECLINED (scenario: link lost after the send).",
        fault: "the last link to a bank breaks between 0200 and 0210",
        shows: "a debit without cash and without an 0420";
    LateApprovalForwarded = "late-approval-forwarded",
        "A late approval answers the repeat while the reversal is under way (scenario: late approval).",
        fault: "an answer behind its deadline, and an 0201 behind it; a fsync slower than the deadline",
        shows: "the terminal pays, the bank reverses: cash without a debit";
    LateApprovalAfterReversedDropped = "late-approval-after-reversed-dropped",
        "A late approval behind REVERSED is dropped instead of reopening it (REVERSED, 0210 with 00).",
        fault: "a bank without tombstones that holds a 0200 back beyond its own timer, and two 25",
        shows: "a debit without cash, REVERSED in the log";
    LateApprovalOfDeclinedDropped = "late-approval-of-declined-dropped",
        "A late approval behind DECLINED is dropped instead of reversed (DECLINED, 0210 with 00).",
        fault: "a bank that declines and then says the truth",
        shows: "a debit without cash, DECLINED in the log";
    LateDeclineEndsReversal = "late-decline-ends-reversal",
        "A late decline ends the reversal (scenario: late decline).",
        fault: "a bank that approves, and declines late, while the 0420 is not acknowledged",
        shows: "REVERSED in the log, the debit stays";
    SawTwiceIsDecline = "saw-twice-is-decline",
        "A 94 from a bank counts as a decline (SENT, 0210 with 94).",
        fault: "a doubled 0200 whose first answer is lost, at a bank that answers repeats with 94",
        shows: "a debit without cash and without an 0420";
    EchoSkipsAmount = "echo-skips-amount",
        "DE4 of a bank's answer is not compared (scenario: other echo).",
        fault: "an answer that echoes another amount",
        shows: "00 to the terminal and OUTCOME in the log, where 96 and a reversal belong";
    AnswersByStanAlone = "answers-by-stan-alone",
        "A bank's answer finds its request by DE11 alone (keys).",
        fault: "an answer with the DE11 of what is in flight and an older DE7, as behind a STAN wrap",
        shows: "an OUTCOME, DECLINED or REVERSED that the bank's ledger does not know";
    AnswerFromAnotherBank = "answer-from-another-bank",
        "An answer counts whichever bank sends it (scenario: one from another bank).",
        fault: "an answer that arrives on another bank's link",
        shows: "OUTCOME or DECLINED in the log, and nothing in the ledger of the bank that was asked";
    ForgedAnswerAccepted = "forged-answer-accepted",
        "A message with a wrong MAC counts (scenario: 0210 with a wrong MAC; wrong MAC).",
        fault: "forged answers and requests",
        shows: "OUTCOME in the log, and nothing in the bank's ledger; a record of a request that nobody sent";
    MacNotChecked = "mac-not-checked",
        "A MAC is not compared with what was signed (scenario: 0210 with a wrong MAC).",
        fault: "bytes that change on a link, in the runs with real keys",
        shows: "OUTCOME in the log, and nothing or another amount in the bank's ledger";
    DayOfSending = "day-of-sending",
        "DE15 of a 0200 is the day of its sending, not of its INTENT (day).",
        fault: "a cutover in INTENT's sync window",
        shows: "the bank's ledger has another day than INTENT";

    // Reversals towards banks.
    FreshReversalIdentity = "fresh-reversal-identity",
        "Each 0421 has an identity of its own (promise 3).",
        fault: "silence to an 0420",
        shows: "the bank's ledger has several 0420 for one original";
    ReopenedUnderNewIdentity = "reopened-under-new-identity",
        "A reversal that is reopened takes a new identity (REVERSED, 0210 with 00).",
        fault: "a bank without tombstones that holds a 0200 back beyond two 25",
        shows: "two REVERSAL records of one transaction with two identities";
    ReversalDroppedAfterTries = "reversal-dropped-after-tries",
        "A reversal is sent three times, then no more (promise 3).",
        fault: "a bank that is silent to, or refuses, an 0420 three times",
        shows: "REVERSING at the end, the debit stays";
    SafWindowLostWithLink = "saf-window-lost-with-link",
        "What was at the bank when its link broke is not sent again (promise 3).",
        fault: "a bank link that breaks between 0420 and 0430",
        shows: "REVERSING at the end, the debit stays";
    BlockStopsReversals = "block-stops-reversals",
        "A blocked bank gets no reversals (scenario: bank blocked).",
        fault: "an operator's block of a bank that is owed a reversal, until the end",
        shows: "REVERSING at the end, the debit stays";
    UnknownEndsReversal = "unknown-ends-reversal",
        "The first 25 ends a reversal where the bank keeps no tombstones (REVERSING, 25).",
        fault: "an 0420 that overtakes its 0200 at a bank without tombstones, whose answer is lost",
        shows: "REVERSED in the log after one 25, the debit stays";
    UnknownBelievedThoughApproved = "unknown-believed-though-approved",
        "A 25 is believed though an approval was seen (REVERSING, 25 and an approval was seen).",
        fault: "a bank that answers an 0420 with 25 by mistake",
        shows: "REVERSED in the log, the debit stays";
    PartialReversedWhole = "partial-reversed-whole",
        "A partial dispense is reversed whole (DE95).",
        fault: "a machine that dispenses a part",
        shows: "cash without a debit";
    LeftAmountSwapped = "left-amount-swapped",
        "DE95 towards the bank is what did not leave (DE95).",
        fault: "any reversal",
        shows: "the bank gives back the wrong part";
    LeftAmountWithoutDecimals = "left-amount-without-decimals",
        "DE95 towards the bank is written without the decimal places of its link (DE95).",
        fault: "a partial dispense at a bank with two decimals",
        shows: "the bank gives back too much";
    OriginalDataPackedBackwards = "original-data-packed-backwards",
        "A number of more than 19 digits is packed with its nibbles swapped: DE90 in BCD dialects (interface: dialects).",
        fault: "any reversal at a bank that speaks BCD",
        shows: "the bank refuses each 0421, the debit stays";
    OriginalDataNamesReversal = "original-data-names-reversal",
        "DE90 towards the bank names the reversal itself (keys).",
        fault: "any reversal",
        shows: "the bank answers 25, the debit stays";
    ReversalOnOriginalDay = "reversal-on-original-day",
        "A reversal settles in the original's day, which may be closed (day).",
        fault: "a cutover between INTENT and REVERSAL",
        shows: "REVERSAL and the bank's ledger name a day that an earlier CUTOVER closed";

    // What terminals advise.
    UnconfirmedApprovalReversed = "unconfirmed-approval-reversed",
        "An APPROVED past its age is reversed (at a restart: never reversed by a timer).",
        fault: "a terminal that is cut off for longer than the age after it has paid",
        shows: "cash without a debit";
    UnknownOriginalWithoutTombstone = "unknown-original-without-tombstone",
        "An 0420 whose original is unknown burns no key (unknown, 0420).",
        fault: "a 0200 that arrives behind its 0420",
        shows: "the terminal was acknowledged, the log has no record of it; the 0200 is carried out";
    TombstoneDoesNotStopRequest = "tombstone-does-not-stop-request",
        "A burnt key is carried out all the same (TOMBSTONE; its 0200 gets 94).",
        fault: "a 0200 that arrives behind its 0420",
        shows: "INTENT behind TOMBSTONE: the log refuses it, or a debit without cash";
    ReversalWhileIntentSyncsIgnored = "reversal-while-intent-syncs-ignored",
        "An 0420 in INTENT_SYNCING is noted and the 0200 leaves all the same (INTENT_SYNCING, 0420).",
        fault: "a fsync slower than the terminal's patience",
        shows: "a debit without cash behind an acknowledged 0420";
    ReversalBeforeAnswerIgnored = "reversal-before-answer-ignored",
        "An 0420 in SENT is noted and not carried out (SENT, 0420).",
        fault: "a terminal that gives up before the bank has answered",
        shows: "a debit without cash behind an acknowledged 0420";
    ReversedApprovalAnswersApproved = "reversed-approval-answers-approved",
        "The repeat of an APPROVED that was reversed answers 00 (promise 4).",
        fault: "an 0201 that arrives behind the 0420",
        shows: "the terminal is told 00 behind REVERSAL";
    EarlyCompletionForgotten = "early-completion-forgotten",
        "A 0220 before the bank's answer does not complete its OUTCOME (SENT, 0220).",
        fault: "a terminal that restarts with notes in escrow while the bank is asked",
        shows: "the log ends in APPROVED though it has taken the 0220";
    AdviceTakenTwice = "advice-taken-twice",
        "0221 and 0421 are recorded once more (scenario: 0421, 0221).",
        fault: "an answer to an advice that is lost",
        shows: "two records of one advice key";
    RepeatAnsweredAsRepeat = "repeat-answered-as-repeat",
        "The answer to a repeat keeps the repeat's mark: 0421 gets 0431 (scenario: 0421, 0221).",
        fault: "an answer to an advice or request that is lost",
        shows: "a terminal is told an MTI that no answer has, and owes its advice for ever";
    AdviceShed = "advice-shed",
        "An advice is shed at overload (scenario: overload).",
        fault: "more in flight than the limit when an advice comes",
        shows: "an 0430 or 0230 with 91";
    AdvicesUnbounded = "advices-unbounded",
        "Advices of nothing that is known are recorded at any rate (advices).",
        fault: "a terminal that makes advices up",
        shows: "each is recorded, until the disk is full";

    // Requests, keys and limits.
    RepeatsExecuted = "repeats-executed",
        "The repeat of what has ended is carried out again (promise 4).",
        fault: "an 0201 behind the end: an answer that is lost, a restart",
        shows: "a second INTENT of a key: the log refuses it, or a second debit";
    KeyWithoutDate = "key-without-date",
        "A repeat's key takes the day of the switch's clock instead of its own (keys).",
        fault: "a repeat behind midnight of what began before it",
        shows: "another answer, or a second record, for one key";
    YearOfTheClock = "year-of-the-clock",
        "DE7 is read in the year of the switch's clock (keys).",
        fault: "a transaction across New Year's midnight",
        shows: "30 to a request in time; an answer of a bank that finds nothing";
    OtherContentAccepted = "other-content-accepted",
        "Other content under a known key gets the stored answer (scenario: same key, other content).",
        fault: "a terminal whose counter fell back",
        shows: "00 for an amount that was never approved: cash without a debit";
    StaleLookUpBelieved = "stale-look-up-believed",
        "A look-up that began before the transaction's last record is believed (keys: asks the log first).",
        fault: "a slow look-up while its transaction ends",
        shows: "a record that cannot follow, or a second INTENT of a key";
    ShedKeyExecuted = "shed-key-executed",
        "A shed key is carried out when it is repeated (never recorded: shed keys are refused again).",
        fault: "overload, and an 0201 behind it",
        shows: "91 and 00 for one key";
    ReferenceServesTwice = "reference-serves-twice",
        "A reference vouches for a second money transaction (INTENT consumes it).",
        fault: "a terminal that uses a reference again",
        shows: "two INTENT with one reference";
    TerminalTakesAllProofs = "terminal-takes-all-proofs",
        "One terminal may use up the memory of used signatures (used signatures).",
        fault: "requests with signatures, faster than any machine",
        shows: "the 12,001st within 240 s is remembered";
    SignatureServesTwice = "signature-serves-twice",
        "A chip's signature vouches for a second request (used signatures).",
        fault: "a 0100 and a one-step 0200 with one DE7, DE11 and amount",
        shows: "VERIFICATION and INTENT over one signature";
    StandInOverFloor = "stand-in-over-floor",
        "The switch stands in for the registry above the floor limit (stand-in).",
        fault: "a registry that is away, and a large withdrawal",
        shows: "an INTENT that owes the registry a question, above the floor limit";
    StandInWithoutStatus = "stand-in-without-status",
        "The switch stands in though nothing recent is known of the card (stand-in).",
        fault: "a registry that is away, and a card that it has not vouched for lately",
        shows: "an INTENT that owes the registry a question, of a card without a status";
    StandInTwice = "stand-in-twice",
        "The switch stands in for a citizen of whom the registry is already owed a question (stand-in).",
        fault: "a registry that is away, and two withdrawals of one citizen",
        shows: "two INTENT of one citizen that owe the registry a question";
    PinPassedOver = "pin-passed-over",
        "A request whose PIN is not translated goes to its bank without it (VERIFYING, PIN).",
        fault: "a security module that is away",
        shows: "a bank that wants PINs gets a 0200 without one";
    LimitIgnoresInFlight = "limit-ignores-in-flight",
        "What is in flight does not count against a citizen's day (limits).",
        fault: "one citizen at several machines at once",
        shows: "the INTENT of a citizen's day are above the limit";
    LimitNotGivenBack = "limit-not-given-back",
        "A reversal gives nothing back to the citizen's day (limits).",
        fault: "any reversal",
        shows: "the log's use of a day is not what its transactions come to";
    LimitGivenBackOnOpenDay = "limit-given-back-on-open-day",
        "A reversal or decline gives back to the open day, not to INTENT's (day).",
        fault: "a cutover between INTENT and its end",
        shows: "the log's use of a day falls below zero, or stays too high";
    JumpedClockOpensDay = "jumped-clock-opens-day",
        "A day is opened by a wall clock that has jumped ahead (day).",
        fault: "a wall clock that jumps ahead over a cutover",
        shows: "the day is open before its time";

    // What a restart takes up, and counters.
    SafForgottenAtRestart = "saf-forgotten-at-restart",
        "REVERSING is not taken up at a restart (at a restart).",
        fault: "a restart while a reversal waits",
        shows: "REVERSING at the end, the debit stays";
    UnresolvedIntentIgnored = "unresolved-intent-ignored",
        "An INTENT without an end is not reversed at a restart (at a restart).",
        fault: "a restart in SENT, and a terminal that is gone",
        shows: "an INTENT without an end; a debit without cash";
    ApprovedAgeForgotten = "approved-age-forgotten",
        "APPROVED has no age after a restart (APPROVED, past its age).",
        fault: "a restart in APPROVED, and a terminal that is gone",
        shows: "APPROVED at the end without SUSPENSE";
    CompleteForgotten = "complete-forgotten",
        "A start reads over COMPLETE: the transaction is APPROVED again (COMPLETED).",
        fault: "a restart behind COMPLETE, and a terminal that repeats its 0220 or is gone",
        shows: "a second COMPLETE, or a NOTE of age or REVERSAL behind COMPLETE";
    CutoverForgottenAtRestart = "cutover-forgotten-at-restart",
        "The open day is not taken up at a restart (day).",
        fault: "a restart behind a cutover",
        shows: "INTENT with a day before the last CUTOVER";
    BankCountersForgotten = "bank-counters-forgotten",
        "The counters towards banks begin anew at a restart (counters resume above the highest durable value).",
        fault: "a restart within the second of the last identity, or behind a clock that was set back",
        shows: "an identity given twice, or below one that stands before it in the log";
    RrnCounterForgotten = "rrn-counter-forgotten",
        "The counter of DE37 begins anew at a restart (counters resume above the highest durable value).",
        fault: "a restart on the same day",
        shows: "two requests with one DE37 of the switch";
    BankTimeFallsWithClock = "bank-time-falls-with-clock",
        "DE7 towards a bank follows a clock that steps back (keys).",
        fault: "a clock that is set back",
        shows: "the identities of a bank fall in the log";
    StanWrapReusesIdentity = "stan-wrap-reuses-identity",
        "At its end the STAN gives the last identity again (scenario: STAN wraps).",
        fault: "a STAN that wraps",
        shows: "two INTENT with one identity";

    // The log: what a start reads, checks and makes durable.
    CutAtAnyBadRecord = "cut-at-any-bad-record",
        "A bad record is cut off with all that follows, also where it was synced (at a restart: stop and name it).",
        fault: "a byte that flips in a record that was durable",
        shows: "the start goes on, and what terminals and banks were told is not in the log";
    LaterRecordsNotBelieved = "later-records-not-believed",
        "What later records say was synced does not keep a bad record from being cut (at a restart).",
        fault: "a power loss that takes the note of the synced position, then a byte that flips",
        shows: "the start goes on, and what terminals and banks were told is not in the log";
    RestartActsBeforeSync = "restart-acts-before-sync",
        "A start acts on what a killed process left unsynced, before it syncs it (at a restart).",
        fault: "a kill between write and sync, then a power loss behind the start",
        shows: "an answer or 0420 of a record that the log does not hold; the next start refuses";
    FailedSyncTailBelieved = "failed-sync-tail-believed",
        "A start syncs the tail that a failed sync left, instead of writing it anew (at a restart).",
        fault: "a sync that fails, then a power loss behind the start",
        shows: "an answer or 0420 of a record that the log does not hold; the next start refuses";
    OldSegmentNotSynced = "old-segment-not-synced",
        "A new segment is begun before the one in front of it is synced (log: a segment's name vouches for all before it).",
        fault: "a power loss behind the change of segments",
        shows: "a hole in the log: the start refuses, or answers without records";
    CheckpointBeforeDurable = "checkpoint-before-durable",
        "A checkpoint and the index take a segment before it is durable (a checkpoint vouches for what was synced).",
        fault: "a power loss between a segment's seal and its sync",
        shows: "the start refuses a log that was cut as a power loss may cut it";
    CheckpointForgetsOpen = "checkpoint-forgets-open",
        "A checkpoint does not hold what is open (at a restart).",
        fault: "a restart behind a checkpoint while a reversal or intent of an older segment is open",
        shows: "REVERSING or SENT at the end, the debit stays";
    EndedTransactionsForgotten = "ended-transactions-forgotten",
        "A start forgets what has ended, also when a record reopens it (REVERSED, DECLINED, 0210 with 00).",
        fault: "a late approval that reopens an end, then a restart or a seal while both stand in one segment",
        shows: "the start refuses the log, or its index cannot go on";
    IntentNamesForgotten = "intent-names-forgotten",
        "The log does not find a request by its name towards the bank (keys: (bank, DE7, DE11) is indexed).",
        fault: "a bank that declines and then says the truth, behind the end",
        shows: "a debit without cash, DECLINED in the log";
    LaterNamesForgotten = "later-names-forgotten",
        "The index knows a transaction's first record alone (promise 4).",
        fault: "a repeat, or a record behind the end, once the segments are sealed",
        shows: "another answer than the one before; the start refuses the log";
    OldKeysForgotten = "old-keys-forgotten",
        "What memory does not hold is taken for absent (keys: asks the log first).",
        fault: "a repeat of what stands in a sealed segment",
        shows: "two INTENT of one key: a second debit";
    LostIndexNotRebuilt = "lost-index-not-rebuilt",
        "A start with an empty index begins at the checkpoint all the same (log: the index can be deleted).",
        fault: "a lost index, and a repeat of what stands before the checkpoint",
        shows: "two INTENT of one key: a second debit";
    RottenIndexBelieved = "rotten-index-believed",
        "A start does not hold the index against the log (log: built anew when it cannot be believed).",
        fault: "an index that has lost names, and a repeat of what stood under them",
        shows: "two INTENT of one key: a second debit";

    // Totals of a day.
    TotalsAnsweredBeforeDurable = "totals-answered-before-durable",
        "0510, 0530 and 0520 leave before their TOTALS is durable (interface: totals).",
        fault: "a crash in the sync window of TOTALS",
        shows: "an acquirer was told what the log does not hold; a bank was asked by a name that is not in the log";
    TotalsRepeatCountedAnew = "totals-repeat-counted-anew",
        "A repeat of a 0500 is counted and recorded once more (interface: the same answer).",
        fault: "a 0501 behind the answer: an answer that is lost, a restart",
        shows: "two TOTALS of one name";
    TotalsForgottenAtRestart = "totals-forgotten-at-restart",
        "A start knows nothing of what was said and asked (at a restart).",
        fault: "a restart between CUTOVER and 0530, or before a 0501",
        shows: "a bank that is never asked for a day that ended; two TOTALS of one name";

    // The log in other hands: what docs/security.md#attacks names finds them.
    RecordFollowsNothing = "record-follows-nothing",
        "A record need not follow from the one before it, by link or position (log: edited, reordered).",
        fault: "a byte edited behind a mended checksum, records swapped or left out",
        shows: "a log that others have written is read as ours";
    CutLogTaken = "cut-log-taken",
        "A log that ends before what was durable, or was vouched for, is whole (log: cut, rolled back).",
        fault: "a cut tail, an earlier copy put back",
        shows: "what terminals and banks were told is not in the log, and nobody notices";
    ReplacedLogTaken = "replaced-log-taken",
        "The chain is not compared with the heads that were kept (log: gone on with).",
        fault: "an earlier copy put back and gone on with",
        shows: "other records stand where the kept heads vouch for some, and nobody notices";
    OlderLogStarted = "older-log-started",
        "A start does not compare the log with the second place (log: rolled back).",
        fault: "an earlier copy put back",
        shows: "the switch starts on it, and pays twice";
    EmptyPlaceIsFirstStart = "empty-place-is-first-start",
        "A second place that is empty is a first start (log: emptied or not mounted).",
        fault: "an earlier copy put back, and the second place emptied",
        shows: "the switch starts on it without an alarm";
    OldChainKeyTaken = "old-chain-key-taken",
        "A record may be chained under an older K_log than the one before it (log: an old K_log).",
        fault: "records that somebody has chained under a K_log of before",
        shows: "they are read as ours";
    PersonalInClear = "personal-in-clear",
        "What is personal in a record is not sealed (log: a disk that is taken away).",
        fault: "a disk that is taken away",
        shows: "numbers and accounts stand on it in clear";
    HeadSignatureUnchecked = "head-signature-unchecked",
        "A head's signature is not verified (log: heads forged).",
        fault: "a head with a changed byte, or of another key",
        shows: "a log that was put back is vouched for";
    PlainAuditUnchecked = "plain-audit-unchecked",
        "What is left of the audit of before its lines were chained need not be what was vouched for (log: the audit edited).",
        fault: "a plain line that was edited, or the file gone",
        shows: "the audit is told as whole";

    // Messages, keys and what is sealed.
    BytesBehindTaken = "bytes-behind-taken",
        "Bytes behind a message's last element are passed over (messages).",
        fault: "a bitmap or length that lies",
        shows: "a message that is not what was signed, or sent";
    PaidOutReversed = "paid-out-reversed",
        "An 0420 behind COMPLETE is carried out (messages: a reversal of what was paid out).",
        fault: "an 0420 of a withdrawal whose notes were taken",
        shows: "cash without a debit";
    ReversalOfMoreTaken = "reversal-of-more-taken",
        "An 0420 that says that more has left than was asked reverses the whole (messages).",
        fault: "an 0420 with DE95 above DE4",
        shows: "a debit is taken back that nobody can explain";
    AbsentMacAccepted = "absent-mac-accepted",
        "A message without a MAC counts (security: an absent MAC is a wrong MAC).",
        fault: "a message whose MAC was left out",
        shows: "a message that anybody may have sent is taken";
    KeyUsageIgnored = "key-usage-ignored",
        "A key block's key is taken for whatever was asked for (security: the usage that was asked for).",
        fault: "a key block of another usage in the place of the right one",
        shows: "a MAC key is taken where a PIN key belongs";
    KeyComesBack = "key-comes-back",
        "A key block of an earlier version is taken (security: no key comes back).",
        fault: "an earlier key block that is sent again",
        shows: "the key before is in use again";
    KeyUsedUnconfirmed = "key-used-unconfirmed",
        "A key that was sent is used at any 00, whatever check value it says (interface: key exchange).",
        fault: "an 0810 that says another key's check value",
        shows: "the two ends have different keys";
    ForeignAnswered = "foreign-answered",
        "A message for another than the connection has proved to be is answered (interface: TLS).",
        fault: "a terminal's connection with another terminal's DE41",
        shows: "an answer signed with the other terminal's key";
    SealedOpensAnywhere = "sealed-opens-anywhere",
        "What is sealed in a record is not bound to it (log: a piece opens in its own record alone).",
        fault: "a sealed piece behind another record's clear fields",
        shows: "one citizen's PAN and account beside another's transaction";
    PinBlockOfAnything = "pin-block-of-anything",
        "Whatever a PIN block is deciphered to is a PIN (PIN and keys).",
        fault: "a PIN block under another PAN, key or format",
        shows: "the bank gets the PIN of another card, or none";
    PinLeftOutTaken = "pin-left-out-taken",
        "A bank that wants PINs gets a request without one (PIN and keys).",
        fault: "a PIN block that was left out",
        shows: "the request goes on, instead of 55";
    KeyBlockUnsigned = "key-block-unsigned",
        "A key block's MAC is not verified (PIN and keys).",
        fault: "a changed bit, a block under another's exchange key",
        shows: "a key that nobody has sent is in use";
    ExchangeKeyComesBack = "exchange-key-comes-back",
        "An exchange key of before may come back (PIN and keys).",
        fault: "an exchange key of before, brought again",
        shows: "the blocks that came under it open again";
    ExchangeKeyOfTwo = "exchange-key-of-two",
        "An owner's exchange key, or any other key, may be another owner's too (PIN and keys).",
        fault: "one exchange key brought for two owners",
        shows: "the one owner reads the keys that are sent to the other";
    KeyOfAnotherAlgorithm = "key-of-another-algorithm",
        "A key may be of another algorithm than its link or bank goes by (PIN and keys).",
        fault: "a bank's key of the wrong algorithm",
        shows: "all PINs of the bank are refused";
    KeyThatMayNotServe = "key-that-may-not-serve",
        "A key is taken whatever its mode of use is (PIN and keys).",
        fault: "a key that cannot make what it is here for, the other direction's MAC key",
        shows: "PINs are refused; a MAC that was made here comes back as the other end's";
    KeyVersionJumps = "key-version-jumps",
        "A key may have any version above the one that is there (PIN and keys).",
        fault: "a key of the last version",
        shows: "no key can follow it";
    VersionStandsStill = "version-stands-still",
        "The version of a key does not go on under its exchange key (PIN and keys).",
        fault: "a second key of one name",
        shows: "the other end refuses it, or the first would come back";
    VersionsNeverAnew = "versions-never-anew",
        "Versions go on counting under a new exchange key (PIN and keys).",
        fault: "version 99, and a new exchange key",
        shows: "no key can follow it";
    KeyRollsBack = "key-rolls-back",
        "A key of an earlier or the same place is taken behind the newest (PIN and keys).",
        fault: "another key of the version that is there; with a payShield an earlier block",
        shows: "it is in use in place of the newest";
    OldKeyEndsUnseen = "old-key-ends-unseen",
        "The day of an old MAC key begins when the new one comes (PIN and keys).",
        fault: "an 0810 that is lost, a sender that goes on with the old key",
        shows: "its messages are refused after a day";
    OldMacKeyForEver = "old-mac-key-for-ever",
        "An old MAC key is good for ever (PIN and keys).",
        fault: "a MAC under the key before, after its day",
        shows: "it is taken";
    OwnerExchangesAtOnce = "owner-exchanges-at-once",
        "One owner may have any number of key exchanges under way (PIN and keys).",
        fault: "key exchanges in a flood, from one owner",
        shows: "they take the places of all others";

    // Card, person and links: tests/tests/defences/main.rs finds them.
    PanOfAnotherCard = "pan-of-another-card",
        "The card's number is not compared with the PAN's (card and person).",
        fault: "a card in somebody else's name",
        shows: "a chip is found good for another citizen";
    ExpiredCardTaken = "expired-card-taken",
        "A card past its last day is taken (card and person).",
        fault: "a card past its last day",
        shows: "a chip is found good";
    ChipKeyUnsigned = "chip-key-unsigned",
        "A chip's key need not be what the SOD signs (card and person).",
        fault: "a cloned chip with a key of its own",
        shows: "a chip is found good";
    ChipSignatureUnchecked = "chip-signature-unchecked",
        "The chip's signature over the challenge is not verified (card and person).",
        fault: "a copied card, a signature of another request",
        shows: "a chip is found good";
    SodSignatureUnchecked = "sod-signature-unchecked",
        "The document signer's signature over the SOD is not verified (card and person).",
        fault: "a SOD with a changed byte",
        shows: "a SOD is found good";
    SignerOfAnybody = "signer-of-anybody",
        "An authority need not have signed the document signer's certificate (card and person).",
        fault: "a signer of an authority of the same name",
        shows: "a SOD is found good";
    ExpiredSignerTaken = "expired-signer-taken",
        "A document signer past its last day is taken (card and person).",
        fault: "a signer past its last day",
        shows: "a SOD is found good";
    RevokedSignerTaken = "revoked-signer-taken",
        "A revoked document signer is taken (card and person).",
        fault: "a revoked signer",
        shows: "a chip is found good";
    ProofOfAnotherTime = "proof-of-another-time",
        "A proof's DE7 may lie anywhere (card and person).",
        fault: "a proof of another time",
        shows: "it is checked further, instead of refused";
    RegistrySignatureUnchecked = "registry-signature-unchecked",
        "The signature of the registry's answer is not verified (card and person).",
        fault: "a spoofed answer",
        shows: "a verdict that the registry never gave";
    RegistryAnswerToAnother = "registry-answer-to-another",
        "The registry's answer may be to another request (card and person).",
        fault: "an answer played again",
        shows: "a verdict about somebody else";
    RegistryAnswerOfAnotherTime = "registry-answer-of-another-time",
        "The registry's answer may be stale, early or expired (card and person).",
        fault: "an answer of another time",
        shows: "a verdict that holds no longer";
    RegistryReferenceAgain = "registry-reference-again",
        "A reference of the registry may come twice (card and person).",
        fault: "an answer played again",
        shows: "a verdict twice";
    VerifiedThoughDead = "verified-though-dead",
        "VERIFIED counts whatever the statuses beside it say (card and person).",
        fault: "an answer that contradicts itself",
        shows: "a verdict for the dead";
    RegistryAskedForEver = "registry-asked-for-ever",
        "A registry that fails again and again is asked all the same (card and person).",
        fault: "a registry that fails",
        shows: "each request waits for it";
    Dg1Unsigned = "dg1-unsigned",
        "A card's DG1 need not be what the SOD signs (card and person).",
        fault: "another card's DG1, one with a changed date",
        shows: "a chip is found good";
    ListOfAnybodyTaken = "list-of-anybody-taken",
        "An authority need not have signed a revocation list (card and person).",
        fault: "a list with a changed byte",
        shows: "a revoked signer is good again";
    ListOfAPartTaken = "list-of-a-part-taken",
        "A revocation list of a part, or of changes, is taken for a whole one (card and person).",
        fault: "a list of a part",
        shows: "a revoked signer is good again";
    ListPutBackTaken = "list-put-back-taken",
        "A revocation list may be older than the one in use (card and person).",
        fault: "a list that was put back, or taken away",
        shows: "a revoked signer is good again";
    OldListServes = "old-list-serves",
        "A revocation list that is missing or too old serves (card and person).",
        fault: "lists that are kept away",
        shows: "a revoked signer is taken, instead of 91";
    VerdictOfBeforeHolds = "verdict-of-before-holds",
        "A SOD that was found good stays good under other authorities (card and person).",
        fault: "an authority that is trusted no more",
        shows: "its cards are taken";
    CitizenStatusIgnored = "citizen-status-ignored",
        "The status of the citizen is not looked at (card and person).",
        fault: "a citizen deceased, missing, restricted, unknown",
        shows: "another code, and a verdict for the dead";
    CardStatusIgnored = "card-status-ignored",
        "The status of the card is not looked at (card and person).",
        fault: "a card revoked, lost, replaced, expired",
        shows: "another code, and a verdict for a lost card";
    RegistryMatchNotAsked = "registry-match-not-asked",
        "A verdict counts for cash out without a match (card and person).",
        fault: "a withdrawal without a match",
        shows: "the verdict is one that vouches";
    CashWithoutMatch = "cash-without-match",
        "Cash goes out without a match (card and person).",
        fault: "a verdict without a match",
        shows: "the bank is asked";
    SilenceVouches = "silence-vouches",
        "A registry that says nothing vouches (card and person).",
        fault: "a registry that is down",
        shows: "the bank is asked";
    RegistryWaitedFor = "registry-waited-for",
        "The registry is waited for much longer than configured (card and person).",
        fault: "a registry that is slow",
        shows: "the answer that came too late counts";
    SpoiledIsAway = "spoiled-is-away",
        "A registry whose answers cannot be believed is away (card and person).",
        fault: "answers that are spoiled on the way",
        shows: "the switch stands in, whenever somebody wants it to";
    RefusalAfterwardsIgnored = "refusal-afterwards-ignored",
        "A refusal behind a withdrawal that went out in the registry's stead is noted alone (card and person).",
        fault: "a card that was reported lost while the registry was away",
        shows: "nobody is told of it";
    RegistryOfAnybody = "registry-of-anybody",
        "Any server is the registry (card and person).",
        fault: "another server in the registry's place",
        shows: "it is spoken to";
    CertificateSpeaksForAll = "certificate-speaks-for-all",
        "A certificate speaks for any terminal (links).",
        fault: "a terminal's certificate in front of another terminal's keys",
        shows: "a message of the other is taken";
    CertificateOfNobody = "certificate-of-nobody",
        "A certificate that names no terminal of ours is let in (links).",
        fault: "a certificate of the right authority for nobody",
        shows: "the connection stays open";
    AddressNotLookedAt = "address-not-looked-at",
        "Any address is let in (links).",
        fault: "an address that is not allowed",
        shows: "the connection stays open";
    AddressTakesAll = "address-takes-all",
        "An address may have any number of connections (links).",
        fault: "one with its share",
        shows: "the next stays open";
    SlowPeerKept = "slow-peer-kept",
        "A peer that is silent or slow is waited for (links).",
        fault: "half frames, silence",
        shows: "the connection stays open";
    BytesWaitUnbounded = "bytes-wait-unbounded",
        "Any number of bytes waits for a peer (links).",
        fault: "a peer that does not read",
        shows: "memory grows";
    CertificateNotAsked = "certificate-not-asked",
        "A terminal need not show a certificate (links).",
        fault: "a connection without a certificate",
        shows: "it is closed later than in the handshake";
    BankOfAnybody = "bank-of-anybody",
        "Any server is the bank that was meant (links).",
        fault: "a bank of another name or authority",
        shows: "a message goes there";
    OldDoorKept = "old-door-kept",
        "What a reload replaces stays in use (links).",
        fault: "an authority that is taken away",
        shows: "its certificates are let in";
    BadCertificatePassedOver = "bad-certificate-passed-over",
        "A certificate file that cannot be used is no mistake (links).",
        fault: "a certificate file that cannot be used",
        shows: "the configuration is not refused for it";
    ClearLinkAnywhere = "clear-link-anywhere",
        "Any address is taken for loopback (links).",
        fault: "a link in clear off loopback",
        shows: "everything goes in clear";

    // The console: switch/console/src/broken_rules.rs finds them, and tests of casework and exchange.
    RoleNotAsked = "role-not-asked",
        "A page or form is for any role (console: role jump).",
        fault: "a page or form of another role, by its address",
        shows: "it is shown and done";
    OwnProposalChecked = "own-proposal-checked",
        "A maker may check their own proposal (console: maker is never checker).",
        fault: "an approval by the maker",
        shows: "money moves by one person alone";
    OtherProposalChecked = "other-proposal-checked",
        "An approval counts for whatever proposal stands there (console: what the checker has seen).",
        fault: "a proposal that is put under the checker's click",
        shows: "what nobody has looked at is approved";
    BookedUndoneByOne = "booked-undone-by-one",
        "What was booked is taken back by its reopening alone (console: by two).",
        fault: "a case with something booked, reopened",
        shows: "nothing is booked any more, by one person";
    DebtBookedTwice = "debt-booked-twice",
        "One debt is booked of each case that shows it (console: one debt).",
        fault: "a transaction that neither bank nor machine has as the log has it, both cases adjusted",
        shows: "a member pays twice for the same cash";
    ProposalNotShown = "proposal-not-shown",
        "The list of what waits does not say what each proposal comes to (console: bulk approval).",
        fault: "many proposals at once",
        shows: "amounts are approved that stand on no page";
    GoneApprovedInBulk = "gone-approved-in-bulk",
        "What is gone or another by now is approved among the others (console: bulk approval).",
        fault: "a file that comes between proposal and approval",
        shows: "a proposal upon nothing is resolved";
    PageWithoutSession = "page-without-session",
        "Any page goes on without a session (console: no session).",
        fault: "a request without a cookie",
        shows: "no log-in page comes";
    FormFromElsewhere = "form-from-elsewhere",
        "A form may come from any page (console: CSRF).",
        fault: "a form from another site, port or scheme",
        shows: "it is done";
    FormWithoutToken = "form-without-token",
        "A form needs no token (console: CSRF).",
        fault: "a form without its token, or with another session's",
        shows: "it is done";
    HostNotLookedAt = "host-not-looked-at",
        "A request may be for any host (console: DNS rebinding).",
        fault: "somebody else's name that points here",
        shows: "the page comes";
    SessionOfAnyPlace = "session-of-any-place",
        "A session may be used from anywhere (console: session theft).",
        fault: "a cookie from another address or browser",
        shows: "both are in";
    CookieInReach = "cookie-in-reach",
        "The session's cookie is for scripts and other sites too (console: session theft).",
        fault: "a log-in",
        shows: "a cookie without HttpOnly and SameSite";
    OldSessionKept = "old-session-kept",
        "A log-in leaves the session before it alive (console: session fixation).",
        fault: "a second log-in of one browser",
        shows: "the session before it is in";
    SessionWithoutEnd = "session-without-end",
        "A session never ends by itself (console: a session left open).",
        fault: "a quarter of an hour without a request",
        shows: "it is in";
    SessionKeptByPage = "session-kept-by-page",
        "What a page asks by itself keeps a session alive (console: a session left open).",
        fault: "the Live page, left open",
        shows: "it is in for a shift";
    LogOutKeepsSession = "log-out-keeps-session",
        "Logging out takes the cookie alone (console: a session left open).",
        fault: "the cookie, sent again",
        shows: "it is in";
    ShutOutStaysIn = "shut-out-stays-in",
        "A session outlives its person's rights and password (console: a session left open).",
        fault: "somebody who is shut out, another password",
        shows: "the session is in";
    GuessesUnbounded = "guesses-unbounded",
        "No failed log-in makes the next one wait (console: guessing passwords).",
        fault: "guesses for one person",
        shows: "each is looked at";
    FailuresOfAddressUncounted = "failures-of-address-uncounted",
        "Failed log-ins are counted by name alone (console: guessing passwords).",
        fault: "guesses for many names from one address",
        shows: "each is looked at";
    UnknownNameTold = "unknown-name-told",
        "A failed log-in says that nobody has the name (console: guessing passwords).",
        fault: "a log-in by a name that nobody has",
        shows: "another answer than to a wrong password";
    UnknownNameRecorded = "unknown-name-recorded",
        "A name that nobody has is recorded as it was typed (console: guessing passwords).",
        fault: "a password, typed into the field of the name",
        shows: "it stands in the audit";
    LooksUnbounded = "looks-unbounded",
        "Looks at numbers and searches for citizens have no bound (console: bulk look-up).",
        fault: "more within an hour than there may be",
        shows: "each is shown";
    ExportsWithoutRest = "exports-without-rest",
        "An export has no rest behind it (console: exports in a row).",
        fault: "exports asked for one behind the other",
        shows: "the next begins at once";
    LookWithoutReason = "look-without-reason",
        "A full number needs no reason (console: bulk look-up).",
        fault: "a look without a reason",
        shows: "the number is shown";
    LookNotRecorded = "look-not-recorded",
        "A look at a full number is not recorded (console: bulk look-up).",
        fault: "any look",
        shows: "the audit does not have it";
    NumberInAddress = "number-in-address",
        "A search for a citizen goes on by the number (console: numbers in addresses).",
        fault: "any search for a citizen",
        shows: "the number stands in the address";
    RrnShownAsItIs = "rrn-shown-as-it-is",
        "What stands in a bank's column of RRNs is shown as it is (console: numbers in files).",
        fault: "a citizen's number in it",
        shows: "whoever sees the line sees the number";
    FileNameShown = "file-name-shown",
        "The name that a browser gives a file is shown as it is (console: numbers in files).",
        fault: "a citizen's number in it",
        shows: "whoever sees the preview sees the number";
    TextsNotEscaped = "texts-not-escaped",
        "What was typed or sent is put on the page as it is (console: script).",
        fault: "a tag in a field",
        shows: "it is a tag on the page";
    PolicyLeftOut = "policy-left-out",
        "Pages come without a policy for scripts (console: script).",
        fault: "any page",
        shows: "no Content-Security-Policy";
    FormulaInACell = "formula-in-a-cell",
        "A cell of a list is written as it is (console: formula).",
        fault: "a value that begins as a formula",
        shows: "a spreadsheet computes it";
    BackToAnywhere = "back-to-anywhere",
        "Whoever comes back comes back to any page (console: open redirect).",
        fault: "a page of somebody else's to come back to",
        shows: "the browser is sent there";
    BodyWaitedFor = "body-waited-for",
        "A form or file is waited for, however long it takes (console: a body that never ends).",
        fault: "a body of which nothing comes",
        shows: "its place is taken for a hundred times as long";
    FormOfAnySize = "form-of-any-size",
        "A form may have any size (console: a body that is endless).",
        fault: "a form of 100,000 bytes",
        shows: "it is read";
    FileOfAnySize = "file-of-any-size",
        "A file may have any size (console: a body that is endless).",
        fault: "a file of more than 64 MiB",
        shows: "it is read";
    BrowserTakesAll = "browser-takes-all",
        "An address may have any number of browsers' connections (console: connections).",
        fault: "one with its share",
        shows: "the next is answered";
    HouseOfManyAddresses = "house-of-many-addresses",
        "Each address of an IPv6 house counts by itself (console: connections, guessing passwords).",
        fault: "other addresses of one house",
        shows: "each has its bounds anew";
    WorkbookOfAnySize = "workbook-of-any-size",
        "A workbook may unpack to any size (console: workbooks).",
        fault: "a few kilobytes that unpack to all of the memory",
        shows: "it is read";
    WorkbookCountBelieved = "workbook-count-believed",
        "A workbook's own count of its texts is believed (console: workbooks).",
        fault: "a count that there is no memory for",
        shows: "room is made for it";
    WorkbookStylesUnbounded = "workbook-styles-unbounded",
        "A workbook's styles have no bounds (console: workbooks).",
        fault: "many formats, or a long name of one",
        shows: "each takes copies";
    CellOfAnyLength = "cell-of-any-length",
        "A cell may have any length (console: workbooks).",
        fault: "a long text that many cells have",
        shows: "each takes a copy";
    CalendarWithoutEnd = "calendar-without-end",
        "A moment is rounded up behind the calendar's last (console: a cell that ends the program).",
        fault: "the last second of the year 9999",
        shows: "the program ends";
    WaitingFileOfAnybody = "waiting-file-of-anybody",
        "A file that waits is anybody's who knows its name (console: somebody else's file).",
        fault: "another person's click",
        shows: "it is taken";
    AuditChainUnchecked = "audit-chain-unchecked",
        "A line of the audit need not follow from the one before it (console: the audit edited).",
        fault: "a line that was edited",
        shows: "the audit is read as whole";
}
