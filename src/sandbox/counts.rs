//! Counters of a sandbox: the other side's view of a prober's speed and manners.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters of one exchanger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangerCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub parallel: u64,
    /// The most connections open at the same time.
    pub peak_parallel: u64,
    /// The most new connections in one `limits.window`.
    pub peak_connections_in_window: u64,
    /// The most `RCPT` in one `limits.window`.
    pub peak_recipients_in_window: u64,
    /// TLS handshakes completed.
    pub tls: u64,
    /// `MAIL` commands.
    pub mail: u64,
    /// `RCPT` commands.
    pub rcpt: u64,
    /// `RCPT` commands answered 2yz.
    pub accepted: u64,
    /// `RSET` commands.
    pub rset: u64,
    /// `QUIT` commands.
    pub quit: u64,
    /// Flights: reads that brought at least one whole command, each answered.
    pub flights: u64,
    /// `DATA`, `BDAT`, `VRFY` and `EXPN` commands. A prober sends none.
    pub violations: u64,
    /// Clients that talked before the banner was over.
    pub early_talkers: u64,
    /// Flights of several commands where PIPELINING was not offered.
    pub unoffered_pipelining: u64,
}

impl ExchangerCounts {
    /// Adds another exchanger's: sums, and the greatest of the peaks.
    fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.parallel += other.parallel;
        self.peak_parallel = self.peak_parallel.max(other.peak_parallel);
        self.peak_connections_in_window =
            self.peak_connections_in_window.max(other.peak_connections_in_window);
        self.peak_recipients_in_window =
            self.peak_recipients_in_window.max(other.peak_recipients_in_window);
        self.tls += other.tls;
        self.mail += other.mail;
        self.rcpt += other.rcpt;
        self.accepted += other.accepted;
        self.rset += other.rset;
        self.quit += other.quit;
        self.flights += other.flights;
        self.violations += other.violations;
        self.early_talkers += other.early_talkers;
        self.unoffered_pipelining += other.unoffered_pipelining;
    }
}

/// DNS queries by type, retransmissions included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryCounts {
    /// MX queries.
    pub mx: u64,
    /// A queries.
    pub a: u64,
    /// AAAA queries.
    pub aaaa: u64,
    /// TXT queries.
    pub txt: u64,
    /// PTR queries.
    pub ptr: u64,
    /// Queries of any other type.
    pub other: u64,
}

impl QueryCounts {
    /// Queries of all types.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.mx + self.a + self.aaaa + self.txt + self.ptr + self.other
    }
}

/// Everything a sandbox counted, by exchanger and together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxCounts {
    /// By the exchanger's host name, in lower case without a trailing dot.
    pub exchangers: BTreeMap<String, ExchangerCounts>,
    /// DNS queries.
    pub dns: QueryCounts,
}

impl SandboxCounts {
    /// The exchanger's counts; nothing if there is no such exchanger.
    #[must_use]
    pub fn exchanger(&self, host: &str) -> ExchangerCounts {
        self.exchangers.get(host).copied().unwrap_or_default()
    }

    /// All exchangers together: sums, and the greatest of the peaks.
    #[must_use]
    pub fn total(&self) -> ExchangerCounts {
        let mut total = ExchangerCounts::default();
        for counts in self.exchangers.values() {
            total.add(counts);
        }
        total
    }
}
