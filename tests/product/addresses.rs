//! Where the services of a cluster are reached that run at the moment.

use std::sync::{Arc, Mutex};

use tonic::transport::{Channel, Endpoint, Error};

/// Where each service is reached.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<Mutex<Vec<String>>>);

impl Addresses {
    pub(crate) fn set(&self, addresses: Vec<String>) {
        *self.0.lock().unwrap() = addresses;
    }

    /// A connection to the service that is `turn` services after the first.
    pub(crate) async fn connect(&self, turn: usize) -> Result<Channel, Error> {
        let address = {
            let addresses = self.0.lock().unwrap();
            addresses[turn % addresses.len()].clone()
        };
        Endpoint::from_shared(format!("http://{address}"))?.connect().await
    }
}
