//! The interface of registration data to those who need it. Pure.

use std::time::SystemTime;

use async_trait::async_trait;

use super::facts::Registration;
use crate::address::DomainName;

/// A source of registrations.
#[async_trait]
pub trait RegistrationLookup: Send + Sync {
    /// Begins to ask about the organisational domain of `name`, unless it is known or being asked
    /// about. Does not wait.
    async fn begin(&self, name: &DomainName);

    /// The registration as it is known now. Does not wait.
    async fn current(&self, name: &DomainName) -> Registration;

    /// The registration, waited for until `deadline`.
    async fn find(&self, name: &DomainName, deadline: SystemTime) -> Registration;
}
