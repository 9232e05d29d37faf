//! Registrations in the terminal, and the flag that asks for them.

use toml::Table;

use super::common::set;
use super::render::printable;
use crate::registration::facts::date;
use crate::registration::{RegistrationReport, RegistrationState};

/// Sets the configuration that the flag `--posture` stands for.
pub(super) fn set_posture(flags: &mut Table) {
    set(flags, "posture", "enabled", true.into());
}

/// The configuration that the flag `--registration` stands for.
pub(super) fn registration_flags(is_wanted: bool) -> Table {
    let mut flags = Table::new();
    if is_wanted {
        set(&mut flags, "registration", "enabled", true.into());
    }
    flags
}

/// A registration in one line.
pub(super) fn registration(report: &RegistrationReport) -> String {
    let RegistrationReport { registration, note } = report;
    let mut parts = Vec::new();
    match &registration.state {
        RegistrationState::Unknown(gap) => {
            parts.push(format!("not known ({}): {}", gap.name(), gap.sentence()));
        }
        RegistrationState::NotRegistered => parts.push("no such domain".to_owned()),
        RegistrationState::Registered(facts) => {
            let since = facts.registered_at.map(|at| format!("since {}", date(at)));
            parts.push(since.unwrap_or_else(|| "registered".to_owned()));
            parts.extend(facts.expires_at.map(|at| format!("until {}", date(at))));
            parts.extend(facts.changed_at.map(|at| format!("changed {}", date(at))));
            parts.extend(facts.registrar.as_deref().map(|name| format!("at {}", printable(name))));
            if !facts.statuses.is_empty() {
                parts.push(printable(&facts.statuses.join(", ")));
            }
        }
    }
    // A registry that did not answer says nothing.
    let verb = match &registration.state {
        RegistrationState::Unknown(_) => "asked:",
        RegistrationState::NotRegistered | RegistrationState::Registered(_) => "says",
    };
    parts.extend(registration.source.as_deref().map(|source| format!("{verb} {source}")));
    let line = parts.join("; ");
    match note {
        Some(note) => format!("{line}: {note}"),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::DomainName;
    use crate::registration::{Registration, RegistrationGap};

    #[test]
    fn a_registry_that_did_not_answer_is_not_said_to_say_so() {
        let line = |state| {
            let domain = DomainName::parse("acme.test").unwrap();
            let source = Some("rdap.example".into());
            let told = Registration { domain, state, source, asked_at: None };
            registration(&RegistrationReport { registration: told, note: None })
        };
        let unknown = line(RegistrationState::Unknown(RegistrationGap::RegistryUnavailable));
        assert!(unknown.ends_with("; asked: rdap.example"), "{unknown}");
        assert_eq!(line(RegistrationState::NotRegistered), "no such domain; says rdap.example");
    }
}
