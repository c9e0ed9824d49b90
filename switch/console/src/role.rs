//! Roles of people and what each may do: the one table that every page asks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a person is in the house. A person may have several, but no case is ever checked by its maker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works the day: looks, matches, proposes.
    Clerk,
    /// Checks what clerks have made.
    Checker,
    /// Looks after the running switch and the people of the console.
    Operator,
    /// Looks at everything and changes nothing.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Clerk, Role::Checker, Role::Operator, Role::Auditor];

    /// The word in files, on the command line and in the audit.
    pub fn name(self) -> &'static str {
        match self {
            Role::Clerk => "clerk",
            Role::Checker => "checker",
            Role::Operator => "operator",
            Role::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("`{text}` is none of clerk, checker, operator, auditor"))
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Permission {
    /// Look at the running switch, at transactions and at one whole, all numbers masked.
    Look,
    /// Find a citizen's transactions by the citizen's number.
    FindCitizen,
    /// See one full citizen number; each look is recorded.
    SeeCitizenNumber,
    /// Decide about a transaction that waits for a person.
    Resolve,
    /// Open the next business day.
    CutOver,
    /// Work on cases: take, note, propose, dispute.
    Work,
    /// Check what somebody else has proposed; close a day.
    Check,
    /// See who may log in.
    SeePeople,
    /// Shut somebody out or let somebody in again.
    ChangePeople,
    /// See what people have done.
    SeeAudit,
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 10] = [
        Permission::Look,
        Permission::FindCitizen,
        Permission::SeeCitizenNumber,
        Permission::Resolve,
        Permission::CutOver,
        Permission::Work,
        Permission::Check,
        Permission::SeePeople,
        Permission::ChangePeople,
        Permission::SeeAudit,
    ];

    /// The word in the audit.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Look => "look",
            Permission::FindCitizen => "find citizen",
            Permission::SeeCitizenNumber => "see citizen number",
            Permission::Resolve => "resolve",
            Permission::CutOver => "cut over",
            Permission::Work => "work on cases",
            Permission::Check => "check",
            Permission::SeePeople => "see people",
            Permission::ChangePeople => "change people",
            Permission::SeeAudit => "see audit",
        }
    }

    /// The roles that have it.
    pub fn roles(self) -> &'static [Role] {
        match self {
            Permission::Look => &[Role::Clerk, Role::Checker, Role::Operator, Role::Auditor],
            Permission::FindCitizen => &[Role::Clerk, Role::Checker, Role::Auditor],
            Permission::SeeCitizenNumber => &[Role::Clerk, Role::Checker],
            Permission::Resolve => &[Role::Checker, Role::Operator],
            Permission::CutOver => &[Role::Operator],
            Permission::Work => &[Role::Clerk, Role::Checker],
            Permission::Check => &[Role::Checker],
            Permission::SeePeople => &[Role::Operator, Role::Auditor],
            Permission::ChangePeople => &[Role::Operator],
            Permission::SeeAudit => &[Role::Auditor],
        }
    }
}
