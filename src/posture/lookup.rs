//! The interface of postures to those who need them. Pure.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::facts::PostureReport;
use super::parking::ParkingService;
use crate::address::DomainName;
use crate::dns::Route;

/// A source of postures.
#[async_trait]
pub trait PostureLookup: Send + Sync {
    /// The posture of `domain`, whose mail goes along `route`, no older than `max_age`, waited for
    /// until `deadline`.
    async fn find(
        &self,
        domain: &DomainName,
        route: &Route,
        max_age: Option<Duration>,
        deadline: SystemTime,
    ) -> PostureReport;

    /// The service that parks the organisational domain of `name`, if it is parked and DNS tells by
    /// `deadline`.
    async fn find_parking(
        &self,
        name: &DomainName,
        deadline: SystemTime,
    ) -> Option<&'static ParkingService>;
}
