//! Cautions: facts about a list that its decision alone would hide.

use std::cmp::Ordering;

use super::share::{Percent, Share, grouped, rows};
use crate::campaign::progress::Progress;
use crate::verdict::Verdict;

/// From this share of undeliverable rows on, a list did not come from people who signed up lately:
/// such lists lose a few per cent a year.
const MOSTLY_UNDELIVERABLE: Percent = Percent::whole(30);

/// Fewest answered rows that say something about a list.
const ENOUGH: u64 = 5;

/// A fact to know before sending, whatever the decision is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caution {
    /// The kind of fact.
    pub kind: CautionKind,
    /// The rows it is about, out of the rows that were answered.
    pub share: Share,
}

/// Kinds of cautions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CautionKind {
    /// A large part of the list is undeliverable: the rest of such a list is not to be trusted.
    MostlyUndeliverable,
    /// Rows whose domain was registered after the recipient's consent.
    RegisteredAfterConsent,
    /// Rows with a consent of whose domain no registry told when it was registered.
    UncheckedConsent,
}

impl CautionKind {
    /// The kind's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MostlyUndeliverable => "mostly_undeliverable",
            Self::RegisteredAfterConsent => "registered_after_consent",
            Self::UncheckedConsent => "unchecked_consent",
        }
    }
}

/// The cautions about a list.
pub(super) fn cautions(progress: &Progress) -> Vec<Caution> {
    let of = progress.finished_rows();
    let dead = Share { count: progress.with_verdict(Verdict::Undeliverable), of };
    let is_dead = of >= ENOUGH && dead.cmp_percent(MOSTLY_UNDELIVERABLE) != Ordering::Less;
    let recycled = Share { count: progress.registered_after_consent, of };
    let unchecked = Share { count: progress.unchecked_consents, of };
    let known = [
        (CautionKind::MostlyUndeliverable, dead, is_dead),
        (CautionKind::RegisteredAfterConsent, recycled, recycled.count > 0),
        (CautionKind::UncheckedConsent, unchecked, unchecked.count > 0),
    ];
    let is_so = known.into_iter().filter(|(_, _, is_so)| *is_so);
    is_so.map(|(kind, share, _)| Caution { kind, share }).collect()
}

impl Caution {
    /// The fact and its consequence, in a few sentences.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (share, count, of) =
            (self.share.percent(), grouped(self.share.count), rows(self.share.of));
        match self.kind {
            CautionKind::MostlyUndeliverable => format!(
                "{share} of {of} are undeliverable. Where does this list come from? A list of \
                 people who signed up loses a few per cent a year; one that was bought, collected \
                 or left alone for years has spam traps and people who will complain among its \
                 deliverable addresses too, and no verification finds those."
            ),
            CautionKind::RegisteredAfterConsent => format!(
                "{count} of {of}: the domain was registered after the person signed up. Somebody \
                 else may have the address now: they are flagged registered_after_consent, and \
                 for a person to look at before they are written to."
            ),
            CautionKind::UncheckedConsent => format!(
                "{count} of {of}: no registry told whether the domain was registered after the \
                 person signed up, so that they are not flagged if it was. Registries are asked \
                 slowly, and not all of them answer: with a longer retry window the rows wait \
                 longer for those that do. None is asked unless registration.enabled is set."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    fn kinds(finished: &[(Reason, u64)]) -> Vec<&'static str> {
        let progress =
            Progress { finished: finished.iter().copied().collect(), ..Progress::default() };
        cautions(&progress).into_iter().map(|caution| caution.kind.name()).collect()
    }

    #[test]
    fn a_list_that_is_mostly_dead_asks_where_it_comes_from() {
        let list = [(Reason::MailboxAccepted, 200), (Reason::MailboxNotFound, 800)];
        assert_eq!(kinds(&list), ["mostly_undeliverable"]);
    }

    #[test]
    fn a_list_with_few_bounces_has_no_caution() {
        assert!(kinds(&[(Reason::MailboxAccepted, 950), (Reason::MailboxNotFound, 50)]).is_empty());
        assert!(kinds(&[(Reason::MailboxNotFound, 4)]).is_empty(), "too few to tell");
        assert!(kinds(&[]).is_empty());
    }

    #[test]
    fn consents_that_no_registry_was_heard_about_are_told_beside_those_that_are_late() {
        let progress = Progress {
            finished: [(Reason::MailboxAccepted, 5_000)].into(),
            registered_after_consent: 1,
            unchecked_consents: 4_900,
            ..Progress::default()
        };
        let cautions = cautions(&progress);
        let kinds: Vec<_> = cautions.iter().map(|caution| caution.kind.name()).collect();
        assert_eq!(kinds, ["registered_after_consent", "unchecked_consent"]);
        let sentence = cautions[1].sentence();
        let words = "4,900 of 5,000 rows: no registry told whether";
        assert!(sentence.starts_with(words), "{sentence}");
    }

    #[test]
    fn a_single_domain_registered_after_the_consent_is_worth_a_sentence() {
        let progress = Progress {
            finished: [(Reason::MailboxAccepted, 3)].into(),
            registered_after_consent: 1,
            ..Progress::default()
        };
        let cautions = cautions(&progress);
        assert_eq!(cautions.len(), 1);
        let sentence = cautions[0].sentence();
        let words = "1 of 3 rows: the domain was registered after the person signed up";
        assert!(sentence.starts_with(words), "{sentence}");
    }
}
