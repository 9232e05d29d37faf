//! State of one exchanger over all its sessions: its counts, its rates, its greylist.
//!
//! Pure: the time is an argument. Everything here is bounded.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::counts::ExchangerCounts;

/// Most triplets a greylist holds; when it is full it starts anew.
const GREYLIST_LIMIT: usize = 100_000;

/// State of an exchanger.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) counts: ExchangerCounts,
    connections: CountWindow,
    recipients: CountWindow,
    greylist: HashMap<(IpAddr, String, String), SystemTime>,
}

impl Ledger {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            counts: ExchangerCounts::default(),
            connections: CountWindow::new(window),
            recipients: CountWindow::new(window),
            greylist: HashMap::new(),
        }
    }

    /// Forgets the counts; connections that are open stay counted.
    pub(super) fn reset_counts(&mut self) {
        let parallel = self.counts.parallel;
        self.counts =
            ExchangerCounts { parallel, peak_parallel: parallel, ..ExchangerCounts::default() };
    }

    /// Counts a new connection and says how many there are, and in the window, with this one.
    pub(super) fn connected(&mut self, now: SystemTime) -> (u64, u64) {
        let counts = &mut self.counts;
        counts.connections += 1;
        counts.parallel += 1;
        counts.peak_parallel = counts.peak_parallel.max(counts.parallel);
        let in_window = self.connections.add(now);
        counts.peak_connections_in_window = counts.peak_connections_in_window.max(in_window);
        (counts.parallel, in_window)
    }

    pub(super) fn disconnected(&mut self) {
        self.counts.parallel -= 1;
    }

    /// Counts a recipient and says how many there are in the window, with this one.
    pub(super) fn recipient(&mut self, now: SystemTime) -> u64 {
        self.counts.rcpt += 1;
        let in_window = self.recipients.add(now);
        let counts = &mut self.counts;
        counts.peak_recipients_in_window = counts.peak_recipients_in_window.max(in_window);
        in_window
    }

    /// Remaining waiting time of this triplet; zero if it may pass.
    pub(super) fn greylisted(
        &mut self,
        triplet: (IpAddr, String, String),
        delay: Duration,
        now: SystemTime,
    ) -> Duration {
        if self.greylist.len() >= GREYLIST_LIMIT {
            self.greylist.clear();
        }
        let first = *self.greylist.entry(triplet).or_insert(now);
        (first + delay).duration_since(now).unwrap_or_default()
    }
}

/// Sliding-window counter of events, in steps of a six-hundredth of the window.
#[derive(Debug)]
struct CountWindow {
    step: Duration,
    /// (number of the step, events in it), oldest first.
    steps: VecDeque<(u128, u64)>,
    total: u64,
}

const STEPS: u32 = 600;

impl CountWindow {
    fn new(length: Duration) -> Self {
        let step = (length / STEPS).max(Duration::from_nanos(1));
        Self { step, steps: VecDeque::new(), total: 0 }
    }

    /// Adds an event and says how many there are.
    fn add(&mut self, now: SystemTime) -> u64 {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let step = since.as_nanos() / self.step.as_nanos();
        while let Some(&(old, events)) = self.steps.front()
            && old + u128::from(STEPS) <= step
        {
            self.total -= events;
            self.steps.pop_front();
        }
        match self.steps.back_mut() {
            Some((last, events)) if *last == step => *events += 1,
            _ => self.steps.push_back((step, 1)),
        }
        self.total += 1;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_window_forgets_what_is_older_than_itself() {
        let mut window = CountWindow::new(MINUTE);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(window.add(start), 1);
        assert_eq!(window.add(start + MINUTE / 2), 2);
        assert_eq!(window.add(start + MINUTE), 2);
        assert_eq!(window.add(start + MINUTE * 10), 1);
    }

    #[test]
    fn a_window_holds_a_bounded_number_of_steps() {
        let mut window = CountWindow::new(MINUTE);
        for second in 0..10_000 {
            window.add(SystemTime::UNIX_EPOCH + Duration::from_millis(second * 37));
        }
        assert!(window.steps.len() <= STEPS as usize);
        assert_eq!(window.total, window.steps.iter().map(|s| s.1).sum::<u64>());
    }

    #[test]
    fn a_triplet_passes_when_its_delay_is_over() {
        let mut ledger = Ledger::new(MINUTE);
        let start = SystemTime::UNIX_EPOCH;
        let key = || (IpAddr::from([127, 0, 0, 1]), String::new(), "jane@example.test".to_owned());
        assert_eq!(ledger.greylisted(key(), MINUTE * 5, start), MINUTE * 5);
        assert_eq!(ledger.greylisted(key(), MINUTE * 5, start + MINUTE), MINUTE * 4);
        assert_eq!(ledger.greylisted(key(), MINUTE * 5, start + MINUTE * 5), Duration::ZERO);
    }
}
