//! The row of an event: whose it is, which one it is, and what is kept of its words.

use std::time::SystemTime;

use crate::address::{Address, Identity, redact};
use crate::outcomes::address_key::AddressKey;
use crate::outcomes::event::{EventProof, OutcomeEvent, stated_address};
use crate::outcomes::kind::OutcomeKind;
use crate::outcomes::stored_outcome::{NewOutcome, StoredOutcome, milliseconds};

/// The kinds that give way where the same event is read otherwise. Who has opted out has.
const GIVING_WAY: [OutcomeKind; 7] = [
    OutcomeKind::Gone,
    OutcomeKind::Blocked,
    OutcomeKind::Content,
    OutcomeKind::Full,
    OutcomeKind::Temporary,
    OutcomeKind::Delivered,
    OutcomeKind::Unknown,
];

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// The row of an event; `None` if it names no address.
pub(super) fn row(
    key: &AddressKey,
    event: &OutcomeEvent,
    trusted: bool,
    keep_addresses: bool,
    now: SystemTime,
) -> Option<NewOutcome> {
    let address = stated_address(&event.address)?;
    let identity = address.identity();
    let digests = key.digests(&identity);
    let words = redact::text(&event.words).replace('\0', "");
    let (mailbox, stamp) = (identity.mailbox.as_str(), stamp(event, now));
    let id = |kind: OutcomeKind| match &event.event_id {
        Some(id) => key.digest("event", &[event.source, id, mailbox, kind.name()]),
        // Without a name, events of the same time and words are one.
        None => {
            let parts = [event.source, "", mailbox, kind.name(), &stamp, &words];
            key.digest("event", &parts)
        }
    };
    let others = GIVING_WAY.into_iter().filter(|kind| is_judged(event) && *kind != event.kind);
    let row = StoredOutcome {
        id: id(event.kind),
        mailbox: digests.mailbox,
        person: digests.person,
        domain: domain(&address),
        kind: event.kind,
        at: event.at.unwrap_or(now).min(now),
        source: event.source.to_owned(),
        words: redact::known(&words, &local_parts(event, &address)),
        address: keep_addresses.then(|| address.wire_utf8()),
    };
    let needs_proof = !trusted && !has_token(key, event, &identity);
    Some(NewOutcome { row, needs_proof, earlier: others.map(id).collect() })
}

/// `true` for an event whose kind our own rules tell, so that others may tell another one. It is a
/// matter of the source: the same mail or line is read again after a rule has changed.
fn is_judged(event: &OutcomeEvent) -> bool {
    let is_mail = matches!(event.proof, EventProof::Mail(_));
    is_mail || matches!(event.source, "postfix" | "exim") && event.kind.is_bounce()
}

/// The time that tells an event without a name from the next one like it.
fn stamp(event: &OutcomeEvent, now: SystemTime) -> String {
    if let Some(stamp) = &event.stamp {
        return stamp.clone();
    }
    // What holds for good is told once, and a mail is the same one however often it is read.
    let is_told_once = event.kind.is_opt_out() || matches!(event.proof, EventProof::Mail(_));
    match (event.at, event.source_time) {
        // As the source says it, so that a time ahead of ours is the same one tomorrow.
        (Some(at), _) => milliseconds(at).to_string(),
        (None, _) if is_told_once => String::new(),
        (None, Some(written)) => milliseconds(written).to_string(),
        (None, None) => format!("day {}", milliseconds(now) / DAY),
    }
}

/// The local parts that a server's words may repeat: of the address that was written to, and of the
/// one that was tried.
fn local_parts(event: &OutcomeEvent, address: &Address) -> Vec<String> {
    let tried = event.tried.as_deref().filter(|tried| *tried != event.address);
    let tried = tried.and_then(|tried| tried.rsplit_once('@')).map(|(local, _)| local);
    let mut parts: Vec<String> = spellings(address.local()).into();
    parts.extend(tried.into_iter().flat_map(spellings));
    parts
}

/// The forms of a local part in which a server may repeat it: as it is, out of its quotes, and
/// without its tag.
fn spellings(local: &str) -> [String; 3] {
    let bare = local.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(local);
    let untagged = bare.split_once('+').map_or(bare, |(untagged, _)| untagged);
    [local, bare, untagged].map(str::to_owned)
}

/// `true` for the operator's own sources, and for mails that came to an address with our token.
fn has_token(key: &AddressKey, event: &OutcomeEvent, identity: &Identity) -> bool {
    let EventProof::Mail(sent_to) = &event.proof else { return true };
    let token = key.token(identity);
    sent_to.iter().any(|it| it.to_ascii_lowercase().contains(&token))
}

/// The domain that outcomes are counted by.
fn domain(address: &Address) -> String {
    address.domain_name().map_or_else(|| "[]".to_owned(), |name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// Midnight.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 24 * 20_000
    }

    fn event(address: &str, kind: OutcomeKind) -> OutcomeEvent {
        OutcomeEvent::new("table", address, kind)
    }

    fn row_at(event: &OutcomeEvent, now: SystemTime) -> StoredOutcome {
        row(&AddressKey::new(&[7; 32]), event, false, false, now).unwrap().row
    }

    #[test]
    fn an_event_without_a_time_is_that_of_its_file_or_its_day() {
        for kind in [OutcomeKind::Sent, OutcomeKind::Gone, OutcomeKind::Delivered] {
            let event = event("jane@acme.test", kind);
            let of_file = |written| OutcomeEvent { source_time: Some(written), ..event.clone() };
            let id = |event: &OutcomeEvent, now| row_at(event, now).id;
            let (january, february) = (of_file(now() - HOUR * 1000), of_file(now()));
            assert_eq!(id(&january, now()), id(&january, now() + HOUR * 50), "the same file again");
            assert_ne!(id(&january, now()), id(&february, now()), "the next campaign");
            assert_eq!(id(&event, now()), id(&event, now() + HOUR * 23), "the same day");
            assert_ne!(id(&event, now()), id(&event, now() + HOUR * 24), "the next day");
            assert_eq!(row_at(&january, now()).at, now(), "it is known from now on");
        }
    }

    #[test]
    fn an_address_with_a_name_beside_it_is_that_address() {
        let of = |text: &str| {
            let event = event(text, OutcomeKind::Unsubscribed);
            row(&AddressKey::new(&[7; 32]), &event, false, false, now()).map(|new| new.row)
        };
        let jane = of("jane@acme.test");
        for text in
            ["Jane Doe <jane@acme.test>", "\"Doe, J.\" <jane@acme.test>", "<jane@acme.test>"]
        {
            assert_eq!(of(text), jane, "{text}");
        }
        for text in ["Jane <jane@acme.test>, Joe <joe@acme.test>", "jane doe@acme.test", "Jane"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn what_holds_for_good_is_told_once() {
        for kind in [OutcomeKind::Complaint, OutcomeKind::Unsubscribed] {
            let event = event("jane@acme.test", kind);
            let later = OutcomeEvent { source_time: Some(now()), ..event.clone() };
            assert_eq!(row_at(&event, now()).id, row_at(&later, now() + HOUR * 24).id);
        }
    }

    #[test]
    fn a_mail_that_says_no_time_is_the_same_one_whenever_it_is_read() {
        let proof = EventProof::Mail(["news@sender.test".to_owned()].into());
        let mail = OutcomeEvent { proof, ..event("jane@acme.test", OutcomeKind::Gone) };
        let later = OutcomeEvent { source_time: Some(now()), ..mail.clone() };
        assert_eq!(row_at(&mail, now()).id, row_at(&later, now() + HOUR * 24).id);
    }

    #[test]
    fn a_mail_is_the_same_one_however_its_time_is_reckoned() {
        let proof = EventProof::Mail(["news@sender.test".to_owned()].into());
        let mail = OutcomeEvent { proof, ..event("jane@acme.test", OutcomeKind::Gone) };
        for own in [None, Some(now() - HOUR)] {
            let before = OutcomeEvent { at: own, ..mail.clone() };
            let stamp = own.map_or_else(String::new, |at| milliseconds(at).to_string());
            let reckoned = OutcomeEvent { at: Some(now()), stamp: Some(stamp), ..mail.clone() };
            assert_eq!(row_at(&reckoned, now()).id, row_at(&before, now()).id);
            assert_eq!(row_at(&reckoned, now()).at, now());
        }
    }

    #[test]
    fn no_words_are_kept_with_the_local_part_that_they_are_about() {
        for (address, words) in [
            ("jane.doe@acme.test", "550 5.1.1 User jane.doe unknown"),
            ("jane.doe@acme.test", "550 5.1.1 unknown user: \"Jane.Doe\""),
            ("jane.doe@acme.test", "550 5.1.1 jane.doe... User unknown"),
            ("jane.doe@acme.test", "550 5.1.1 <jane.doe@acme.test> unknown"),
            ("jane.doe+news@acme.test", "550 5.1.1 jane.doe: no such user"),
            ("\"jane.doe+news\"@acme.test", "550 5.1.1 jane.doe+news: no such user"),
        ] {
            let kept = row_at(&event(address, OutcomeKind::Gone).saying(words), now()).words;
            let is_without = !kept.to_ascii_lowercase().contains("doe") && !kept.contains("news");
            assert!(is_without && kept.starts_with("550 5.1.1 "), "{kept}");
        }
    }

    #[test]
    fn no_words_are_kept_with_the_local_part_that_a_mail_was_forwarded_to() {
        for tried in ["jd.doe@elsewhere.test", "jd.doe+jane@elsewhere.test"] {
            let event = event("jane@acme.test", OutcomeKind::Gone).tried(tried);
            let kept = row_at(&event.saying("550 5.1.1 User jd.doe unknown"), now()).words;
            assert!(!kept.contains("doe") && kept.starts_with("550 5.1.1 "), "{kept}");
        }
    }

    /// An event that was kept by an earlier version is known again.
    #[test]
    fn an_event_is_known_by_its_words_as_they_came() {
        let words = "550 5.1.1 User jane.doe unknown";
        let event = event("jane.doe@acme.test", OutcomeKind::Gone).at(Some(now())).saying(words);
        let stamp = milliseconds(now()).to_string();
        let parts = ["table", "", "jane.doe@acme.test", "gone", &stamp, words];
        assert_eq!(row_at(&event, now()).id, AddressKey::new(&[7; 32]).digest("event", &parts));
    }
}
