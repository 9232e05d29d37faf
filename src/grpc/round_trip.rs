//! The round trip of a connection, measured on HTTP/2's own opening. Pure.
//!
//! A server opens with SETTINGS, which the client acknowledges as soon as it reads them (RFC 9113
//! section 6.5.3): the time between the two is one round trip.

use std::time::{Duration, SystemTime};

/// Octets of the client's connection preface (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// Octets of a frame header (RFC 9113 section 4.1).
const HEADER: usize = 9;

/// The type of a SETTINGS frame, and its flag ACK.
const SETTINGS_ACK: (u8, u8) = (4, 1);

/// Follows the octets of a connection until it has measured its round trip.
#[derive(Debug)]
pub(super) struct RoundTripMeter {
    opened: Option<SystemTime>,
    /// Octets to pass over before the next frame header.
    skip: usize,
    header: [u8; HEADER],
    filled: usize,
    is_done: bool,
}

impl RoundTripMeter {
    pub(super) fn new() -> Self {
        Self { opened: None, skip: PREFACE, header: [0; HEADER], filled: 0, is_done: false }
    }

    /// Notes that octets were written; the first ones are our SETTINGS.
    pub(super) fn written(&mut self, now: SystemTime) {
        self.opened.get_or_insert(now);
    }

    /// Takes octets that were read; returns the round trip once, when the client's ACK is among
    /// them.
    pub(super) fn read(&mut self, mut octets: &[u8], now: SystemTime) -> Option<Duration> {
        while !self.is_done && !octets.is_empty() {
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
                self.is_done = (kind, flags & SETTINGS_ACK.1) == SETTINGS_ACK;
            }
        }
        let opened = self.opened.take_if(|_| self.is_done)?;
        now.duration_since(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
    }

    fn opening() -> Vec<u8> {
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS with one setting, HEADERS of three octets, then the ACK.
        octets.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0]);
        octets.extend([0, 0, 3, 1, 4, 0, 0, 0, 1, 9, 9, 9]);
        octets.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        octets
    }

    #[test]
    fn the_round_trip_ends_with_the_acknowledgement_of_our_settings() {
        let mut meter = RoundTripMeter::new();
        meter.written(at(10));
        meter.written(at(50));
        let octets = opening();
        let (before, ack) = octets.split_at(octets.len() - 9);
        assert_eq!(meter.read(before, at(20)), None);
        assert_eq!(meter.read(ack, at(90)), Some(Duration::from_millis(80)));
        assert_eq!(meter.read(ack, at(99)), None, "it is measured once");
    }

    #[test]
    fn the_round_trip_is_found_however_the_octets_are_cut() {
        let mut meter = RoundTripMeter::new();
        meter.written(at(0));
        let found = opening().iter().filter_map(|octet| meter.read(&[*octet], at(300))).count();
        assert_eq!(found, 1);
    }
}
