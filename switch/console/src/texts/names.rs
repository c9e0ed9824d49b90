//! What codes, states, kinds, elements, stages and events of the switch are called.

use casework::Deed;

use super::{Language, Texts};

impl Texts {
    pub(crate) fn is_vietnamese(&self) -> bool {
        self.language == Language::Vietnamese
    }

    /// What a response code means (docs/interface.md#response-codes).
    pub(crate) fn code(&self, code: &str) -> &'static str {
        match code {
            "00" => self.code_00,
            "12" => self.code_12,
            "17" => self.code_17,
            "22" => self.code_22,
            "32" => self.code_32,
            "13" => self.code_13,
            "14" => self.code_14,
            "25" => self.code_25,
            "30" => self.code_30,
            "40" => self.code_40,
            "41" => self.code_41,
            "51" => self.code_51,
            "54" => self.code_54,
            "55" => self.code_55,
            "56" => self.code_56,
            "57" => self.code_57,
            "61" => self.code_61,
            "62" => self.code_62,
            "63" => self.code_63,
            "65" => self.code_65,
            "68" => self.code_68,
            "75" => self.code_75,
            "88" => self.code_88,
            "91" => self.code_91,
            "94" => self.code_94,
            "96" => self.code_96,
            _ => self.code_other,
        }
    }

    /// A kind of exception, and what it means.
    fn exception_texts(&self, kind: reconciliation::Kind) -> (&'static str, &'static str) {
        use reconciliation::Kind;
        match kind {
            Kind::MissingAtBank => (self.ex_missing_at_bank, self.ex_missing_at_bank_says),
            Kind::MissingAtSwitch => (self.ex_missing_at_switch, self.ex_missing_at_switch_says),
            Kind::MissingInJournal => (self.ex_missing_in_journal, self.ex_missing_in_journal_says),
            Kind::Duplicate => (self.ex_duplicate, self.ex_duplicate_says),
            Kind::AmountOver => (self.ex_amount_over, self.ex_amount_over_says),
            Kind::AmountUnder => (self.ex_amount_under, self.ex_amount_under_says),
            Kind::Currency => (self.ex_currency, self.ex_currency_says),
            Kind::DataMismatch => (self.ex_data_mismatch, self.ex_data_mismatch_says),
            Kind::DebitedNotDispensed => (self.ex_debited_not_dispensed, self.ex_debited_not_dispensed_says),
            Kind::PartDispensed => (self.ex_part_dispensed, self.ex_part_dispensed_says),
            Kind::DispensedNotDebited => (self.ex_dispensed_not_debited, self.ex_dispensed_not_debited_says),
            Kind::Retracted => (self.ex_retracted, self.ex_retracted_says),
            Kind::CashOver => (self.ex_cash_over, self.ex_cash_over_says),
            Kind::CashShort => (self.ex_cash_short, self.ex_cash_short_says),
            Kind::OtherDay => (self.ex_other_day, self.ex_other_day_says),
            Kind::LateReversal => (self.ex_late_reversal, self.ex_late_reversal_says),
            Kind::Suspense => (self.ex_suspense, self.ex_suspense_says),
            Kind::TotalsOutOfBalance => (self.ex_totals_out_of_balance, self.ex_totals_out_of_balance_says),
            Kind::TotalsMissing => (self.ex_totals_missing, self.ex_totals_missing_says),
            Kind::UnreadableLine => (self.ex_unreadable_line, self.ex_unreadable_line_says),
            Kind::ControlTotalWrong => (self.ex_control_total_wrong, self.ex_control_total_wrong_says),
            Kind::DuplicateFile => (self.ex_duplicate_file, self.ex_duplicate_file_says),
        }
    }

    pub(crate) fn exception(&self, kind: reconciliation::Kind) -> &'static str {
        self.exception_texts(kind).0
    }

    pub(crate) fn exception_says(&self, kind: reconciliation::Kind) -> &'static str {
        self.exception_texts(kind).1
    }

    /// How a line and a transaction were brought together.
    pub(crate) fn rule(&self, rule: reconciliation::Rule) -> &'static str {
        use reconciliation::Rule;
        match rule {
            Rule::Reference => self.rule_reference,
            Rule::ReferenceOneToMany => self.rule_reference_one_to_many,
            Rule::Stan => self.rule_stan,
            Rule::AmountAndTime => self.rule_amount_and_time,
            Rule::Sequence => self.rule_sequence,
            Rule::ManyToOne => self.rule_many_to_one,
            Rule::ByHand => self.rule_by_hand,
        }
    }

    /// What somebody has done on files, days and cases.
    pub(crate) fn deed(&self, deed: &Deed) -> &'static str {
        match deed {
            Deed::Take { .. } => self.deed_take,
            Deed::TakeBack { .. } => self.deed_take_back,
            Deed::ApproveTakeBack { .. } => self.deed_approve_take_back,
            Deed::RejectTakeBack { .. } => self.deed_reject_take_back,
            Deed::Refuse { .. } => self.deed_refuse,
            Deed::KeepLayout { .. } => self.deed_keep_layout,
            Deed::Claim { .. } => self.deed_claim,
            Deed::Acknowledge { .. } => self.deed_acknowledge,
            Deed::Assign { .. } => self.deed_assign,
            Deed::Note { .. } => self.deed_note,
            Deed::Match { .. } => self.deed_match,
            Deed::Part { .. } => self.deed_part,
            Deed::Propose { .. } => self.deed_propose,
            Deed::Approve { .. } => self.deed_approve,
            Deed::Reject { .. } => self.deed_reject,
            Deed::Dispute { .. } => self.deed_dispute,
            Deed::Reopen { .. } => self.deed_reopen,
            Deed::Close { .. } => self.deed_close,
            Deed::Settle { .. } => self.deed_settle,
        }
    }

    /// An element of 0500 and 0520, by its number.
    pub(crate) fn total_element(&self, number: u8) -> &'static str {
        match number {
            74 => self.to_74,
            75 => self.to_75,
            76 => self.to_76,
            77 => self.to_77,
            78 => self.to_78,
            79 => self.to_79,
            80 => self.to_80,
            81 => self.to_81,
            82 => self.to_82,
            83 => self.to_83,
            84 => self.to_84,
            85 => self.to_85,
            86 => self.to_86,
            87 => self.to_87,
            88 => self.to_88,
            89 => self.to_89,
            _ => self.to_97,
        }
    }

    /// An element of ISO 8583, by its number.
    pub(crate) fn element(&self, number: u8) -> &'static str {
        match number {
            2 => self.el_2,
            3 => self.el_3,
            4 => self.el_4,
            7 => self.el_7,
            11 => self.el_11,
            12 => self.el_12,
            13 => self.el_13,
            15 => self.el_15,
            18 => self.el_18,
            22 => self.el_22,
            25 => self.el_25,
            32 => self.el_32,
            37 => self.el_37,
            38 => self.el_38,
            39 => self.el_39,
            41 => self.el_41,
            42 => self.el_42,
            43 => self.el_43,
            49 => self.el_49,
            54 => self.el_54,
            62 => self.el_62,
            90 => self.el_90,
            95 => self.el_95,
            100 => self.el_100,
            102 => self.el_102,
            103 => self.el_103,
            _ => self.el_other,
        }
    }

    pub(crate) fn kind(&self, kind: processor::Kind) -> &'static str {
        use processor::Kind;
        match kind {
            Kind::Withdrawal => self.kind_withdrawal,
            Kind::Deposit => self.kind_deposit,
            Kind::Balance => self.kind_balance,
            Kind::MiniStatement => self.kind_mini_statement,
            Kind::Transfer => self.kind_transfer,
            Kind::Verification => self.kind_verification,
        }
    }

    pub(crate) fn state(&self, state: processor::State) -> &'static str {
        use processor::State;
        match state {
            State::Unknown => self.state_unknown,
            State::Verifying => self.state_verifying,
            State::IntentSyncing | State::Sent => self.state_sent,
            State::OutcomeSyncing | State::Approved => self.state_approved,
            State::Completed => self.state_completed,
            State::Declined => self.state_declined,
            State::Reversing => self.state_reversing,
            State::Reversed => self.state_reversed,
            State::Tombstone => self.state_tombstone,
            State::Verified => self.state_verified,
        }
    }

    pub(crate) fn role(&self, role: crate::role::Role) -> &'static str {
        use crate::role::Role;
        match role {
            Role::Clerk => self.role_clerk,
            Role::Checker => self.role_checker,
            Role::Operator => self.role_operator,
            Role::Auditor => self.role_auditor,
        }
    }

    pub(crate) fn stage(&self, stage: &str) -> &'static str {
        match stage {
            "read" => self.stage_read,
            "find" => self.stage_find,
            "verify" => self.stage_verify,
            "intent_sync" => self.stage_intent_sync,
            "bank" => self.stage_bank,
            "outcome_sync" => self.stage_outcome_sync,
            "write" => self.stage_write,
            _ => self.stage_total,
        }
    }

    /// An event that is an alarm, one of [`processor::ALARMS`].
    pub(crate) fn event(&self, event: &str) -> &'static str {
        match event {
            "suspended" => self.event_suspended,
            "other_content" => self.event_other_content,
            "signature_used_before" => self.event_signature_used_before,
            "forged" => self.event_forged,
            "stray_answer" => self.event_stray_answer,
            "other_echo" => self.event_other_echo,
            "late_approval" => self.event_late_approval,
            "bank_says_otherwise" => self.event_bank_says_otherwise,
            "reversal_refused" => self.event_reversal_refused,
            "reversal_silent" => self.event_reversal_silent,
            "reversal_unsendable" => self.event_reversal_unsendable,
            "stood_in" => self.event_stood_in,
            "asked_again_refused" => self.event_asked_again_refused,
            "key_not_sent" => self.event_key_not_sent,
            "totals_out_of_balance" => self.event_totals_out_of_balance,
            "totals_unanswered" => self.event_totals_unanswered,
            "advice_flood" => self.event_advice_flood,
            _ => self.event_cash_unexplained,
        }
    }

    /// A kind of record, by its name in the log.
    pub(crate) fn record(&self, name: &str) -> &'static str {
        match name {
            "INTENT" => self.rec_intent,
            "OUTCOME" => self.rec_outcome,
            "DECLINED" => self.rec_declined,
            "REVERSAL" => self.rec_reversal,
            "REVERSED" => self.rec_reversed,
            "COMPLETE" => self.rec_complete,
            "CLAIM" => self.rec_claim,
            "NOTE" => self.rec_note,
            "TOMBSTONE" => self.rec_tombstone,
            "VERIFICATION" => self.rec_verification,
            "CUTOVER" => self.rec_cutover,
            "BLOCK" => self.rec_block,
            "ASKED-AGAIN" => self.rec_asked_again,
            _ => self.rec_resolution,
        }
    }
}
