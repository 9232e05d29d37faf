//! `mailvet health`: the gRPC health protocol, for a container's HEALTHCHECK.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use toml::Table;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::args::HealthArgs;
use super::client::Trust;
use super::common::Common;
use super::render::message;
use crate::grpc;

/// The time that a healthy service may take to say so.
const TIME_LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn run(args: HealthArgs, common: &Common) -> anyhow::Result<bool> {
    let own;
    let (url, trust) = match args.server {
        Some(url) => (url, Trust::Authorities),
        None => {
            own = common.load(Table::new())?.server;
            own_service(&own)
        }
    };
    let answer = async {
        let client = args.client.connect(&url, trust, TIME_LIMIT, Some(TIME_LIMIT)).await?;
        let request = HealthCheckRequest { service: String::new() };
        anyhow::Ok(HealthClient::new(client).check(request).await?.into_inner().status())
    }
    .await;
    match answer {
        Ok(ServingStatus::Serving) => {
            anstream::println!("{url} is serving");
            Ok(true)
        }
        Ok(status) => {
            anstream::println!("{url} is {}", status.as_str_name());
            Ok(false)
        }
        Err(error) => {
            anstream::println!("{url} does not answer: {}", message(&error));
            Ok(false)
        }
    }
}

/// The URL of the service with this configuration on this machine, and the certificate it shows.
pub(super) fn own_service(own: &grpc::Config) -> (String, Trust<'_>) {
    let at = reachable(own.listen);
    match &own.tls.certificate {
        Some(certificate) => (format!("https://{at}"), Trust::Exactly(certificate)),
        None => (format!("http://{at}"), Trust::Authorities),
    }
}

/// Address of a service that listens on `listen`: an unspecified one is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
