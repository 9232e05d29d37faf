//! The round trip of a connection, measured on HTTP/2's own opening. Pure.
//!
//! A server opens with SETTINGS, which the client acknowledges as soon as it reads them (RFC 9113
//! section 6.5.3): the time between the two is one round trip.

use std::time::{Duration, SystemTime};

/// The octets that a client of HTTP/2 opens with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Octets of a frame header (RFC 9113 section 4.1).
const HEADER: usize = 9;

/// The type of a SETTINGS frame, and its flag ACK.
const SETTINGS_ACK: (u8, u8) = (4, 1);

/// Follows the octets of a connection until it has measured its round trip, or sees that HTTP/2 is
/// not spoken on it.
#[derive(Debug, Default)]
pub(super) struct RoundTripMeter {
    opened: Option<SystemTime>,
    /// Octets of the preface that have come.
    greeted: usize,
    /// Octets to pass over before the next frame header.
    skip: usize,
    header: [u8; HEADER],
    filled: usize,
    is_done: bool,
    /// `true` if it did not open as HTTP/2.
    is_http1: bool,
}

impl RoundTripMeter {
    /// `true` once there is nothing more to measure.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// `true` once octets came that are not HTTP/2's.
    pub(super) fn is_http1(&self) -> bool {
        self.is_http1
    }

    /// Notes that octets were written; the first ones are our SETTINGS.
    pub(super) fn written(&mut self, now: SystemTime) {
        self.opened.get_or_insert(now);
    }

    /// Takes octets that were read; returns the round trip once, when the client's ACK is among
    /// them.
    pub(super) fn read(&mut self, mut octets: &[u8], now: SystemTime) -> Option<Duration> {
        while let [octet, rest @ ..] = octets
            && !self.is_done
        {
            if let Some(expected) = PREFACE.get(self.greeted) {
                self.greeted += 1;
                self.is_http1 = octet != expected;
                self.is_done = self.is_http1;
                octets = rest;
                continue;
            }
            if self.skip > 0 {
                let skipped = self.skip.min(octets.len());
                self.skip -= skipped;
                octets = &octets[skipped..];
                continue;
            }
            let wanted = (HEADER - self.filled).min(octets.len());
            self.header[self.filled..self.filled + wanted].copy_from_slice(&octets[..wanted]);
            self.filled += wanted;
            octets = &octets[wanted..];
            if self.filled == HEADER {
                self.filled = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                if (kind, flags & SETTINGS_ACK.1) == SETTINGS_ACK {
                    self.is_done = true;
                    return now.duration_since(self.opened?).ok();
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    fn opening() -> Vec<u8> {
        let mut octets = PREFACE.to_vec();
        // SETTINGS with one setting, HEADERS of three octets, then the ACK.
        octets.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0]);
        octets.extend([0, 0, 3, 1, 4, 0, 0, 0, 1, 9, 9, 9]);
        octets.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        octets
    }

    #[test]
    fn the_round_trip_ends_with_the_acknowledgement_of_our_settings() {
        let mut meter = RoundTripMeter::default();
        meter.written(at(10));
        meter.written(at(50));
        let octets = opening();
        let (before, ack) = octets.split_at(octets.len() - 9);
        assert_eq!(meter.read(before, at(20)), None);
        assert_eq!(meter.read(ack, at(90)), Some(Duration::from_millis(80)));
        assert_eq!(meter.read(ack, at(99)), None, "it is measured once");
        meter.written(at(100));
        assert_eq!(meter.read(ack, at(60_000)), None, "a caller's silence is no round trip");
        assert!(meter.is_done() && !meter.is_http1());
    }

    #[test]
    fn nothing_is_measured_where_another_protocol_is_spoken() {
        let mut meter = RoundTripMeter::default();
        meter.written(at(0));
        let request = [b"POST /v1/batches HTTP/1.1\r\n\r\n".as_slice(), &opening()].concat();
        assert_eq!(meter.read(&request, at(300)), None);
        assert!(meter.is_done() && meter.is_http1());
    }

    #[test]
    fn the_round_trip_is_found_however_the_octets_are_cut() {
        let mut meter = RoundTripMeter::default();
        meter.written(at(0));
        let found = opening().iter().filter_map(|octet| meter.read(&[*octet], at(300))).count();
        assert_eq!(found, 1);
    }
}
