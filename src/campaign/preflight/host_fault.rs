//! Signs that the host that asked is at fault, and not the recipients. Pure.

use std::collections::BTreeMap;

use super::share::{Share, grouped};
use crate::verdict::Reason;

/// Share of the addresses that had to be looked up or asked, in per cent, from which on it is this
/// host that reaches nobody. Large lists hold some dead servers, and never nine of ten.
const NEARLY_ALL: u64 = 90;

/// Nearly nobody was reached: port 25 is closed, DNS fails, or the network leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFault {
    /// Addresses that were not reached, of those that had to be.
    pub unreached: Share,
    /// Addresses of them whose domain DNS did not tell about.
    pub without_dns: u64,
}

impl HostFault {
    /// Looks for the signs in results, counted by the reason that decided. `fell_silent` of those
    /// that timed out did so at a server that had greeted: it was reached.
    #[must_use]
    pub fn detect(results: &BTreeMap<Reason, u64>, fell_silent: u64) -> Option<Self> {
        let count = |wanted: &dyn Fn(Reason) -> bool| -> u64 {
            results.iter().filter(|(reason, _)| wanted(**reason)).map(|(_, rows)| rows).sum()
        };
        let unreached = count(&|reason| {
            use Reason as R;
            matches!(reason, R::Timeout | R::NoConnection | R::DnsFailure | R::TargetRefused)
        });
        let unreached = unreached.saturating_sub(fell_silent);
        let needed = count(&|reason| {
            use Reason as R;
            !matches!(
                reason,
                R::InvalidSyntax | R::ProviderRule | R::BouncedBefore | R::OptedOut | R::NotProbed
            )
        });
        let is_fault = unreached > 0 && unreached * 100 >= needed * NEARLY_ALL;
        is_fault.then(|| Self {
            unreached: Share { count: unreached, of: needed },
            without_dns: count(&|reason| reason == Reason::DnsFailure),
        })
    }

    /// The meaning and the remedy, in a sentence or two.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Share { count, of } = self.unreached;
        let whom = match (count, of) {
            (1, 1) => "The only address that had to be asked about was not reached".to_owned(),
            (count, of) if count == of => format!("None of {} addresses was reached", grouped(of)),
            (count, of) => {
                format!("{} of {} addresses were not reached", grouped(count), grouped(of))
            }
        };
        let cause = if self.without_dns * 2 > count {
            "DNS does not answer this host"
        } else {
            "port 25 is closed to this host, or its network leads nowhere"
        };
        let most_likely = if of < 3 { "It may be" } else { "Most likely it is" };
        format!(
            "{whom}. {most_likely} not the recipients but this host: {cause}. Run mailvet doctor \
             here to see."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(results: &[(Reason, u64)]) -> Option<HostFault> {
        HostFault::detect(&results.iter().copied().collect(), 0)
    }

    #[test]
    fn a_list_of_which_nearly_nobody_was_reached_is_the_host_s_fault() {
        for reason in
            [Reason::Timeout, Reason::NoConnection, Reason::DnsFailure, Reason::TargetRefused]
        {
            let fault = detect(&[(reason, 95), (Reason::MailboxAccepted, 5)]).unwrap();
            let sentence = fault.sentence();
            assert!(sentence.starts_with("95 of 100 addresses were not reached."), "{sentence}");
            assert!(sentence.contains("mailvet doctor"), "{sentence}");
            assert_eq!(sentence.contains("DNS"), reason == Reason::DnsFailure, "{sentence}");
        }
        let mixed = [(Reason::Timeout, 1), (Reason::NoConnection, 2), (Reason::InvalidSyntax, 9)];
        assert!(detect(&mixed).unwrap().sentence().starts_with("None of 3 addresses was reached"));
        assert!(detect(&[(Reason::Timeout, 1)]).unwrap().sentence().contains("It may be"));
    }

    #[test]
    fn servers_that_answer_clear_the_host() {
        for results in [
            &[][..],
            &[(Reason::InvalidSyntax, 10)],
            &[(Reason::Timeout, 89), (Reason::MailboxAccepted, 11)],
            &[(Reason::SenderBlocked, 100)],
            &[(Reason::Greylisted, 50), (Reason::Timeout, 50)],
            &[(Reason::NotProbed, 100)],
            // A batch that came to its time limit before most of its rows had their turn.
            &[(Reason::NotProbed, 950), (Reason::MailboxAccepted, 40), (Reason::Timeout, 10)],
        ] {
            assert_eq!(detect(results), None, "{results:?}");
        }
    }

    #[test]
    fn a_server_that_greeted_and_fell_silent_was_reached() {
        let all = BTreeMap::from([(Reason::Timeout, 2)]);
        assert_eq!(HostFault::detect(&all, 2), None);
        assert_eq!(HostFault::detect(&all, 1), None);
        assert!(HostFault::detect(&all, 0).is_some());
        let most = BTreeMap::from([(Reason::Timeout, 91), (Reason::NoConnection, 9)]);
        assert_eq!(HostFault::detect(&most, 1).map(|fault| fault.unreached.count), Some(99));
    }
}
