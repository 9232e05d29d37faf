//! The registration of an address's domain, beside its verdict.

use std::time::SystemTime;

use super::{Options, Verifier};
use crate::address::{Address, Domain, DomainName};
use crate::registration::{Registration, RegistrationGap};

impl Verifier {
    /// Begins to ask about the registration of an address's domain, if it is wanted.
    pub(super) async fn begin_registration(&self, address: &Address, options: &Options) {
        if let (Some(registrations), Some(name)) = (&self.registrations, address.domain_name())
            && options.wants_registration()
        {
            registrations.begin(name).await;
        }
    }

    /// The registration of an address's domain as it is known now, if it is wanted.
    pub(super) async fn current_registration(
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
            Some(registrations) => registrations.current(name).await,
            None => Registration::unknown(name.clone(), RegistrationGap::Disabled),
        })
    }

    /// The registration of `name`, waited for until `deadline`.
    pub async fn find_registration(&self, name: &DomainName, deadline: SystemTime) -> Registration {
        match &self.registrations {
            Some(registrations) => registrations.find(name, deadline).await,
            None => Registration::unknown(name.clone(), RegistrationGap::Disabled),
        }
    }
}
