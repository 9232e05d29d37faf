//! The names of the services, as their paths, the health protocol and reflection have them.

use crate::proto::{
    batch_service_server, callback_service_server, outcome_service_server,
    verification_service_server,
};

/// Every service of the product, the one with a call for each address first.
pub(super) const SERVICE_NAMES: [&str; 4] = [
    verification_service_server::SERVICE_NAME,
    batch_service_server::SERVICE_NAME,
    outcome_service_server::SERVICE_NAME,
    callback_service_server::SERVICE_NAME,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::descriptors;

    #[test]
    fn every_service_of_the_proto_is_named() {
        let mut named = SERVICE_NAMES.map(str::to_owned).to_vec();
        named.sort();
        let mut there: Vec<String> = descriptors()
            .services()
            .map(|service| service.full_name().to_owned())
            .filter(|name| name.starts_with("mailvet."))
            .collect();
        there.sort();
        assert_eq!(named, there);
    }
}
