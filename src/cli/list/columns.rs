//! The columns that are appended to a row.

use crate::address::Address;
use crate::proto::from_message;
use crate::proto::json::JsonError;
use crate::proto::names::{enum_name, flag_names};
use crate::proto::{self, Reason, Verdict, Verification};
use crate::report::rfc3339;

/// The names of the appended columns.
pub(super) const NAMES: [&str; 11] = [
    "verdict",
    "action",
    "reason",
    "suggestion",
    "flags",
    "code",
    "evidence_time",
    "address",
    "duplicate_of",
    "problem",
    "other_addresses",
];

/// The names of what is appended to an object of JSON lines.
pub(super) const KEYS: [&str; 4] = ["verification", "duplicateOf", "problem", "otherAddresses"];

/// The place of the address among them.
pub(super) const ADDRESS: usize = 7;

/// The values of one row, in the order of [`NAMES`].
pub(super) type Values = [String; NAMES.len()];

/// The reason of a recipient who wants no mail.
const OPTED_OUT: &str = "opted_out";

/// The problem of a row that holds nothing that was meant to be an address.
const NO_ADDRESS: &str = "no_address";

/// The facts about a row beside its verification.
#[derive(Debug, Default)]
pub(super) struct RowFacts {
    /// The address that the verdict is about, as it was asked.
    pub(super) address: String,
    /// The first row that reaches the same mailbox: its number from 1, with the name of its list
    /// before it if that is another one.
    pub(super) duplicate_of: Option<String>,
    /// The further addresses of the row.
    pub(super) others: Vec<String>,
}

/// The answer of a row.
#[derive(Debug, Default)]
pub(super) struct RowAnswer {
    /// The values of the appended columns; the first is the verdict, empty if there is none.
    pub(super) values: Values,
    /// The verification that was chosen.
    pub(super) verification: Option<Verification>,
    /// The further addresses of the row.
    pub(super) others: Vec<String>,
    /// Those of the row's other addresses that are not to be written to.
    pub(super) suppressed: Vec<String>,
}

impl RowAnswer {
    /// `true` if its recipient wants no mail: whatever is sent to, this row is not.
    pub(super) fn is_opted_out(&self) -> bool {
        self.values[2] == OPTED_OUT
    }

    /// `true` if an earlier row reaches the same mailbox.
    pub(super) fn is_duplicate(&self) -> bool {
        !self.values[8].is_empty()
    }

    /// The answer as JSON values under [`KEYS`], empty where there is none.
    pub(super) fn to_json(&self) -> Result<[String; KEYS.len()], JsonError> {
        let text = |text: &str| match text {
            "" => String::new(),
            text => serde_json::Value::from(text).to_string(),
        };
        let verification = match &self.verification {
            Some(message) => proto::json::to_string("Verification", message)?,
            None => String::new(),
        };
        // A row that was not asked about has no verification; the reason is all there is.
        let is_excluded = self.verification.is_none() && !self.values[2].is_empty();
        let problem = if is_excluded { &self.values[2] } else { &self.values[9] };
        let others = match self.others.as_slice() {
            [] => String::new(),
            others => serde_json::Value::from(others).to_string(),
        };
        Ok([verification, text(&self.values[8]), text(problem), others])
    }
}

/// The values of a row without an address.
pub(super) fn without_address() -> Values {
    let mut values = Values::default();
    NO_ADDRESS.clone_into(&mut values[9]);
    values
}

/// The values of a row on the caller's own suppression list: it was not asked.
pub(super) fn excluded(facts: &RowFacts) -> Values {
    let mut values = Values::default();
    for (value, text) in values.iter_mut().zip(["risky", "suppress", OPTED_OUT]) {
        text.clone_into(value);
    }
    beside(&mut values, facts);
    values
}

/// The values of a row with a verification.
pub(super) fn values(verification: &Verification, facts: &RowFacts) -> Values {
    let evidence = verification.evidence.as_ref();
    let code = evidence.and_then(|evidence| evidence.code);
    let gathered_at = evidence.and_then(|evidence| from_message::time(evidence.gather_time?));
    let mut values = Values::default();
    values[0] = verdict(verification.verdict());
    values[1] = enum_name(verification.action().as_str_name(), "ACTION_");
    values[2] = from_message::reason_name(verification.reason);
    values[3] = verification.suggestion.clone().unwrap_or_default();
    values[4] = flag_names(&verification.flags.unwrap_or_default()).join(" ");
    values[5] = code.map(|code| code.to_string()).unwrap_or_default();
    values[6] = gathered_at.map(rfc3339).unwrap_or_default();
    if verification.reason() == Reason::InvalidSyntax {
        let error = Address::parse(&facts.address).err();
        values[9] = error.map(|error| error.kind.name().to_owned()).unwrap_or_default();
    }
    beside(&mut values, facts);
    if !verification.address.is_empty() {
        values[ADDRESS].clone_from(&verification.address);
    }
    values
}

/// The values that no verification is needed for.
fn beside(values: &mut Values, facts: &RowFacts) {
    values[ADDRESS].clone_from(&facts.address);
    values[8] = facts.duplicate_of.clone().unwrap_or_default();
    values[10] = facts.others.join(" ");
}

/// A verdict's name.
pub(super) fn verdict(verdict: Verdict) -> String {
    enum_name(verdict.as_str_name(), "VERDICT_")
}
