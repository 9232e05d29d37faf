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
    let is_own = args.server.is_none();
    let (url, trust) = service(args.server, common)?;
    // A certificate that was renewed on disk, and not taken up yet, is no reason for a restart.
    let trust = if args.liveness && is_own { Trust::Whichever } else { trust };
    let name = if args.liveness { grpc::LIVENESS } else { "" };
    let answer = async {
        let client = args.client.connect(&url, &trust, TIME_LIMIT, Some(TIME_LIMIT)).await?;
        let request = HealthCheckRequest { service: name.to_owned() };
        anyhow::Ok(HealthClient::new(client).check(request).await?.into_inner().status())
    }
    .await;
    match answer {
        Ok(ServingStatus::Serving) => {
            print_line!("{url} is serving");
            Ok(true)
        }
        Ok(status) => {
            print_line!("{url} is {}", status.as_str_name());
            Ok(false)
        }
        Err(error) => {
            print_line!("{url} does not answer: {}", message(&error));
            Ok(false)
        }
    }
}

/// The service at `server`; without one, that of the configuration on this machine, with the
/// certificate it shows.
pub(super) fn service(server: Option<String>, common: &Common) -> anyhow::Result<(String, Trust)> {
    if let Some(url) = server {
        return Ok((url, Trust::Authorities));
    }
    let own = common.load(Table::new())?.server;
    let at = reachable(own.listen);
    Ok(match own.tls.certificate {
        Some(certificate) => (format!("https://{at}"), Trust::Exactly(certificate)),
        None => (format!("http://{at}"), Trust::Authorities),
    })
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
