//! Values of flags, with errors that show how one is written.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// A time, such as `20m`.
///
/// # Errors
///
/// If it is none.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text);
    time.map_err(|_| "give a time with its unit, such as 30s, 20m or 2h".to_owned())
}

/// A day, such as `2024-05-01`: its beginning, in UTC.
///
/// # Errors
///
/// If it is none, or before 1970.
pub(super) fn date(text: &str) -> Result<SystemTime, String> {
    let start = format!("{text}T00:00:00Z").parse::<Timestamp>().ok();
    let start = start.and_then(|start| SystemTime::try_from(start).ok());
    start
        .filter(|start| *start >= SystemTime::UNIX_EPOCH)
        .ok_or_else(|| "give a day since 1970, such as 2024-05-01".to_owned())
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
        let day = date("2024-05-01").unwrap().duration_since(SystemTime::UNIX_EPOCH);
        assert_eq!(day.unwrap().as_secs(), 1_714_521_600);
        assert!(date("01.05.2024").is_err() && date("1969-12-31").is_err());
        assert_eq!(socket_address("[::1]:53").unwrap().port(), 53);
        assert!(socket_address("1.1.1.1").unwrap_err().contains("ADDRESS:PORT"));
        assert!(socket_address("localhost:50051").unwrap_err().contains("such as"));
    }
}
