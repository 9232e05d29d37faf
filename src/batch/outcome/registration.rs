//! A domain's registration as it is stored with an outcome.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{milliseconds, time};
use crate::address::DomainName;
use crate::registration::{
    Registration, RegistrationFacts, RegistrationGap, RegistrationReport, RegistrationState,
};

/// A registration, in keys that are stable. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct StoredRegistration {
    /// Empty while it is shared: the organisational domain of the row's own address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) domain: String,
    /// `registered`, `not_registered`, or the name of a gap.
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registered_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registrar: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl StoredRegistration {
    /// The stored form of `report`.
    pub(super) fn of(report: &RegistrationReport) -> Self {
        let RegistrationReport { registration, note } = report;
        let facts = registration.facts().cloned().unwrap_or_default();
        let state = match registration.state {
            RegistrationState::Registered(_) => "registered",
            RegistrationState::NotRegistered => "not_registered",
            RegistrationState::Unknown(gap) => gap.name(),
        };
        Self {
            domain: registration.domain.to_string(),
            state: state.to_owned(),
            registered_at: facts.registered_at.map(milliseconds),
            changed_at: facts.changed_at.map(milliseconds),
            expires_at: facts.expires_at.map(milliseconds),
            statuses: facts.statuses,
            registrar: facts.registrar,
            source: registration.source.as_deref().map(str::to_owned),
            asked_at: registration.asked_at.map(milliseconds),
            note: note.clone(),
        }
    }

    /// The cause, if the registration is not known.
    pub(super) fn gap(&self) -> Option<RegistrationGap> {
        match self.state.as_str() {
            "registered" | "not_registered" => None,
            name => {
                let known = RegistrationGap::ALL.into_iter().find(|gap| gap.name() == name);
                Some(known.unwrap_or(RegistrationGap::UnreadableAnswer))
            }
        }
    }

    /// The report again. A state of a later version was not understood.
    pub(super) fn into_report(self) -> RegistrationReport {
        let state = match self.gap() {
            Some(gap) => RegistrationState::Unknown(gap),
            None if self.state == "not_registered" => RegistrationState::NotRegistered,
            None => RegistrationState::Registered(Arc::new(RegistrationFacts {
                registered_at: self.registered_at.map(time),
                changed_at: self.changed_at.map(time),
                expires_at: self.expires_at.map(time),
                statuses: self.statuses,
                registrar: self.registrar,
            })),
        };
        let registration = Registration {
            domain: DomainName::from_ascii(&self.domain),
            state,
            source: self.source.map(Into::into),
            asked_at: self.asked_at.map(time),
        };
        RegistrationReport { registration, note: self.note }
    }
}
