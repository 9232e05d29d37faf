//! The evidence of a verdict in the words of people. Pure.

use crate::proto::{Action, Evidence, Reason, Stage, Verdict, Verification};
use crate::report::printable;

/// The answer to "will mail to this address arrive?", in one sentence.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Deliverable => "The recipient's own mail server accepts mail for this address.",
        Verdict::Risky => "Mail may arrive, at a cost.",
        Verdict::Undeliverable => {
            "There is evidence that this mailbox, or its domain, takes no mail."
        }
        Verdict::Unknown | Verdict::Unspecified => {
            "Nobody can tell now. Nothing speaks against the address."
        }
    }
}

/// The step to take, in a few words.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Send => "Send",
        Action::Review | Action::Unspecified => "Decide yourself",
        Action::RetryLater => "Ask again later",
        Action::Suppress => "Do not send",
    }
}

/// What was seen, in a sentence or two; `None` if nobody was asked.
pub(super) fn evidence(verification: &Verification) -> Option<String> {
    let evidence = verification.evidence.as_ref()?;
    if let Some(error) = &verification.syntax_error
        && verification.reason() == Reason::InvalidSyntax
    {
        return Some(printable(&error.text));
    }
    let words = said(evidence)?;
    let remembered =
        if evidence.from_cache { " This is remembered from an earlier answer." } else { "" };
    Some(format!("{words}{remembered}"))
}

fn said(evidence: &Evidence) -> Option<String> {
    let server = match (&evidence.exchanger, &evidence.exchanger_ip) {
        (Some(name), Some(ip)) => format!("The mail server {} ({ip})", printable(name)),
        (Some(name), None) => format!("The mail server {}", printable(name)),
        (None, _) => return evidence.failure.as_deref().map(|text| sentence(&printable(text))),
    };
    let when = when(evidence.stage());
    match (evidence.code, &evidence.failure) {
        (Some(code), _) => {
            let enhanced = evidence.enhanced_status();
            let space = if enhanced.is_empty() { "" } else { " " };
            let reply = printable(evidence.reply());
            Some(format!("{server} answered {code}{space}{enhanced} “{reply}” {when}."))
        }
        (None, Some(failure)) => Some(format!("{server}, {when}: {}.", printable(failure))),
        (None, None) => None,
    }
}

fn when(stage: Stage) -> &'static str {
    match stage {
        Stage::Unspecified | Stage::Syntax | Stage::Dns => "when it was asked",
        Stage::Connect => "when a connection was opened",
        Stage::Banner => "in its greeting",
        Stage::Ehlo => "when mailvet said its name",
        Stage::Starttls => "when encryption was begun",
        Stage::Mail => "when mailvet named a sender",
        Stage::Rcpt => "when it was asked about this recipient",
    }
}

fn sentence(text: &str) -> String {
    let mut sentence = text.trim_end_matches('.').to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence + "."
}

/// A flag's name in words.
pub(super) fn flag(name: &str) -> &str {
    match name {
        "catch_all" => "its domain accepts every recipient",
        "catch_all_untested" => "whether its domain accepts everybody was not tested",
        "disposable" => "a throw-away address",
        "role" => "a function such as info@, not a person",
        "free_provider" => "at a provider where anybody may sign up",
        "tagged" => "with a tag that its provider ignores",
        "relay" => "its domain forwards to an address that it hides",
        "mixed_script" => "its domain mixes scripts, as look-alikes do",
        "dotless" => "its domain has no dot",
        "address_literal" => "its domain is an IP address",
        "special_use" => "its domain is set aside for something else than mail",
        "unusual_at_provider" => "its provider does not give out such names today",
        "cleaned" => "there was more text around it",
        "several" => "several addresses were given; this is the first",
        "irregular" => "its spelling breaks the rules, and it may exist all the same",
        "registered_after_consent" => {
            "its domain was registered after its owner signed up: it may be somebody else's"
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::SyntaxError;

    fn answer(evidence: Evidence) -> Verification {
        Verification { evidence: Some(evidence), ..Verification::default() }
    }

    #[test]
    fn a_reply_is_told_with_who_said_it_and_when() {
        let told = evidence(&answer(Evidence {
            stage: Stage::Rcpt.into(),
            exchanger: Some("mx1.acme.test".to_owned()),
            exchanger_ip: Some("127.0.0.1".to_owned()),
            code: Some(550),
            enhanced_status: Some("5.1.1".to_owned()),
            reply: Some("No such user".to_owned()),
            from_cache: true,
            ..Evidence::default()
        }));
        assert_eq!(
            told.unwrap(),
            "The mail server mx1.acme.test (127.0.0.1) answered 550 5.1.1 “No such user” when it \
             was asked about this recipient. This is remembered from an earlier answer."
        );
    }

    #[test]
    fn what_came_in_place_of_a_reply_is_told() {
        let failed = Evidence {
            failure: Some("the domain does not exist".to_owned()),
            ..Evidence::default()
        };
        assert_eq!(evidence(&answer(failed)).unwrap(), "The domain does not exist.");
        assert_eq!(evidence(&answer(Evidence::default())), None);
        let mut malformed = answer(Evidence::default());
        malformed.set_reason(Reason::InvalidSyntax);
        malformed.syntax_error =
            Some(SyntaxError { text: "two dots in a row".to_owned(), ..SyntaxError::default() });
        assert_eq!(evidence(&malformed).unwrap(), "two dots in a row");
    }
}
