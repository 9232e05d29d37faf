//! Values of flags, with errors that show how one is written.

use std::net::SocketAddr;
use std::time::Duration;

/// A time, such as `20m`.
///
/// # Errors
///
/// If it is none.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text);
    time.map_err(|_| "give a time with its unit, such as 30s, 20m or 2h".to_owned())
}

/// An address with its port.
///
/// # Errors
///
/// If it is none: names are not looked up.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give ADDRESS:PORT, such as 192.0.2.53:53 or [::1]:53".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_how_the_value_is_written() {
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(time("banana").unwrap_err().contains("such as 30s"));
        assert!(time("20").unwrap_err().contains("with its unit"));
        assert_eq!(socket_address("[::1]:53").unwrap().port(), 53);
        assert!(socket_address("1.1.1.1").unwrap_err().contains("ADDRESS:PORT"));
        assert!(socket_address("localhost:50051").unwrap_err().contains("such as"));
    }
}
