//! The registration of an address's domain, beside its verdict.

use std::time::{Duration, SystemTime};

use super::{Options, Verifier};
use crate::address::{Address, Domain, DomainName};
use crate::registration::{Registration, RegistrationGap};

/// Longest wait for a registry where a consent is known: the flag of a recycled address has no
/// other source, also beside evidence that is remembered. Without one no verdict waits.
const CONSENT_WAIT: Duration = Duration::from_secs(5);

impl Verifier {
    /// Begins to ask about the registration of an address's domain, if it is wanted.
    pub(super) async fn begin_registration(&self, address: &Address, options: &Options) {
        if let (Some(registrations), Some(name)) = (&self.registrations, address.domain_name())
            && options.wants_registration()
        {
            registrations.begin(name).await;
        }
    }

    /// The registration of an address's domain, if it is wanted: as it is known now, or waited for
    /// as long as the caller said.
    pub(super) async fn wanted_registration(
        &self,
        address: &Address,
        options: &Options,
    ) -> Option<Registration> {
        if !options.wants_registration() {
            return None;
        }
        let name = match address.domain() {
            Domain::Name(name) => name,
            Domain::Literal(literal) => {
                let domain = DomainName::from_ascii(&literal.to_string());
                return Some(Registration::unknown(domain, RegistrationGap::NoDomain));
            }
        };
        Some(match &self.registrations {
            Some(registrations) if !options.registration_wait.is_zero() => {
                registrations.find(name, self.clock.now() + options.registration_wait).await
            }
            _ => self.known_registration(name).await,
        })
    }

    /// The registration of `name` as it is known now, asked for if it is not.
    pub(crate) async fn known_registration(&self, name: &DomainName) -> Registration {
        match &self.registrations {
            Some(registrations) => registrations.current(name).await,
            None => Registration::unknown(name.clone(), RegistrationGap::Disabled),
        }
    }

    /// The registration of an address's domain, if it is wanted, after the evidence was gathered;
    /// with the time of a consent it is waited for in any case, within the deadline.
    pub(super) async fn awaited_registration(
        &self,
        address: &Address,
        options: &Options,
    ) -> Option<Registration> {
        let is_awaited = options.consented_at.is_some()
            && options.wants_registration()
            && options.registration_wait.is_zero();
        match address.domain_name() {
            Some(name) if is_awaited => {
                let until = options.deadline.min(self.clock.now() + CONSENT_WAIT);
                Some(self.find_registration(name, until).await)
            }
            _ => self.wanted_registration(address, options).await,
        }
    }

    /// The registration of `name`, waited for until `deadline`.
    pub async fn find_registration(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        match &self.registrations {
            Some(registrations) => registrations.find(name, deadline).await,
            None => Registration::unknown(name.clone(), RegistrationGap::Disabled),
        }
    }
}
