//! Names of enum values and flags as tables write them.

use super::{CatchAll, Flags};

/// The name of an enum's value in lower case, without its prefix: `VERDICT_RISKY` is `risky`.
#[must_use]
pub fn enum_name(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// The names of the flags that are set.
#[must_use]
pub fn flag_names(flags: &Flags) -> Vec<&'static str> {
    [
        (flags.catch_all() == CatchAll::Yes, "catch_all"),
        (flags.catch_all_untested, "catch_all_untested"),
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
        (flags.cleaned, "cleaned"),
        (flags.several, "several"),
        (flags.irregular, "irregular"),
        (flags.registered_after_consent, "registered_after_consent"),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect()
}
