//! What is appended to a row.

use std::time::SystemTime;

use super::from_proto;
use crate::proto::{CatchAll, Verdict, Verification};

/// The names of the appended columns.
pub(super) const NAMES: [&str; 7] =
    ["verdict", "action", "reason", "suggestion", "flags", "code", "evidence_time"];

/// The values of one row, in the order of [`NAMES`].
pub(super) fn values(verification: &Verification) -> [String; 7] {
    let evidence = verification.evidence.as_ref();
    let code = evidence.map(|evidence| evidence.code).filter(|code| *code > 0);
    let gathered_at = evidence.and_then(|evidence| from_proto::time(evidence.gathered_at?));
    [
        verdict(verification.verdict()),
        from_proto::name(verification.action().as_str_name(), "ACTION_"),
        from_proto::name(verification.reason().as_str_name(), "REASON_"),
        verification.suggestion.clone(),
        flags(verification).join(" "),
        code.map(|code| code.to_string()).unwrap_or_default(),
        gathered_at.map(rfc3339).unwrap_or_default(),
    ]
}

/// A verdict's name.
pub(super) fn verdict(verdict: Verdict) -> String {
    from_proto::name(verdict.as_str_name(), "VERDICT_")
}

/// The names of the flags that are set.
fn flags(verification: &Verification) -> Vec<&'static str> {
    let Some(flags) = verification.flags.as_ref() else { return Vec::new() };
    [
        (flags.catch_all() == CatchAll::Yes, "catch_all"),
        (flags.disposable, "disposable"),
        (flags.role, "role"),
        (flags.free_provider, "free_provider"),
        (flags.tagged, "tagged"),
        (flags.relay, "relay"),
        (flags.mixed_script, "mixed_script"),
        (flags.dotless, "dotless"),
        (flags.address_literal, "address_literal"),
        (flags.special_use, "special_use"),
        (flags.unusual_at_provider, "unusual_at_provider"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
