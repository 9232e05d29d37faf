//! Configured limits on callers.

use serde::{Deserialize, Serialize};

/// Limits on the use by one caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Calls in any minute; a stream is one call. Default 0: as many as it likes.
    pub calls_per_minute: u32,
    /// Addresses in any 24 hours: of single calls, of streams and of batches. Default 0: as many as
    /// it likes.
    pub addresses_per_day: u64,
}

/// Signs of a directory harvest attack, for each caller. An honest list holds many addresses at the
/// free providers, some at each company, and seldom more wrong ones than right ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Harvesting {
    /// Different local parts that may be asked about at one registrable domain in an hour, which
    /// begins with the first of them. Default 5000; 0: any number. A longer list of one domain is
    /// verified in parts, an hour apart.
    pub local_parts_per_domain: u32,
    /// The same for each free provider. Default 0, any number: a third of a consumer list may be at
    /// one of them. Guessing there still meets `unknown_percent`.
    pub local_parts_per_free_provider: u32,
    /// The share of mailboxes that do not exist, in percent of those that mail servers told
    /// something about in the last hour, above which a caller has to wait. Default 80: the worst
    /// lists have half as many, and guessed names nearly all. 100: any share.
    pub unknown_percent: u8,
    /// Number of mailboxes below which that share means nothing. Default 500.
    pub unknown_sample: u32,
    /// Exempts anonymous callers from this machine. Default true: whoever sits there has
    /// the command line anyway. Say false behind a proxy on the same machine.
    pub spare_loopback: bool,
}

impl Default for Harvesting {
    fn default() -> Self {
        Self {
            local_parts_per_domain: 5000,
            local_parts_per_free_provider: 0,
            unknown_percent: 80,
            unknown_sample: 500,
            spare_loopback: true,
        }
    }
}

impl Harvesting {
    /// The cap on local parts at one domain; 0: none.
    pub(super) fn local_parts(&self, is_free_provider: bool) -> u32 {
        if is_free_provider {
            self.local_parts_per_free_provider
        } else {
            self.local_parts_per_domain
        }
    }
}
