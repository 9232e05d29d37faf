//! Replies of mail servers to explain: requests to views, explanations to messages.

use super::request::BadField;
use crate::proto::{self, ExplainReplyRequest, ExplainReplyResponse, ReplyMeaning};
use crate::smtp::{Explanation, Meaning, Ourselves, ReplyView, Stage};

/// The longest reply looked at, in octets: as long as one that a session reads.
const LONGEST_REPLY: usize = 16 * 1024;

/// The reply of a request, as the rules look at it.
pub(super) fn view(request: &ExplainReplyRequest) -> Result<ReplyView<'_>, BadField> {
    match request.reply.len() {
        0 => return Err(BadField::new("reply", "is empty; give what the server said")),
        length if length > LONGEST_REPLY => {
            let message = format!("is {length} octets long; give at most {LONGEST_REPLY}");
            return Err(BadField::new("reply", message));
        }
        _ => {}
    }
    let address = match request.client_ip.as_str() {
        "" => None,
        ip => Some(ip.parse().map_err(|_| BadField::new("client_ip", "is not an IP address"))?),
    };
    let ourselves = Ourselves {
        address,
        helo: given(&request.helo_name),
        sender: given(&request.sender).and_then(|sender| sender.rsplit_once('@')),
    };
    Ok(ReplyView {
        stage: stage(request.stage)?,
        exchanger: given(&request.exchanger),
        ourselves,
        ..ReplyView::from_text(&request.reply)
    })
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn stage(stage: i32) -> Result<Option<Stage>, BadField> {
    Ok(Some(match proto::Stage::try_from(stage) {
        Ok(proto::Stage::Unspecified) => return Ok(None),
        Ok(proto::Stage::Connect) => Stage::Connect,
        Ok(proto::Stage::Banner) => Stage::Banner,
        Ok(proto::Stage::Ehlo) => Stage::Ehlo,
        Ok(proto::Stage::Starttls) => Stage::StartTls,
        Ok(proto::Stage::Mail) => Stage::Mail,
        Ok(proto::Stage::Rcpt) => Stage::Rcpt,
        Ok(proto::Stage::Syntax | proto::Stage::Dns) | Err(_) => {
            let remedy = "is not a stage of an SMTP session; use 3 to 8, or leave it out";
            return Err(BadField::new("stage", remedy));
        }
    }))
}

/// The answer for an explanation.
pub(super) fn explanation(explanation: Explanation) -> ExplainReplyResponse {
    ExplainReplyResponse {
        meaning: meaning(explanation.meaning).into(),
        text: explanation.meaning.sentence().to_owned(),
        rule: explanation.rule.to_string(),
        retry_delay: explanation.retry_after.and_then(|wait| wait.try_into().ok()),
    }
}

fn meaning(meaning: Meaning) -> ReplyMeaning {
    match meaning {
        Meaning::Accepted => ReplyMeaning::Accepted,
        Meaning::MailboxNotFound => ReplyMeaning::MailboxNotFound,
        Meaning::MailboxDisabled => ReplyMeaning::MailboxDisabled,
        Meaning::MailboxFull => ReplyMeaning::MailboxFull,
        Meaning::Greylisted => ReplyMeaning::Greylisted,
        Meaning::SenderBlocked => ReplyMeaning::SenderBlocked,
        Meaning::RateLimited => ReplyMeaning::RateLimited,
        Meaning::RelayDenied => ReplyMeaning::RelayDenied,
        Meaning::DomainNotFound => ReplyMeaning::DomainNotFound,
        Meaning::AuthOrTlsRequired => ReplyMeaning::AuthOrTlsRequired,
        Meaning::SyntaxError => ReplyMeaning::SyntaxError,
        Meaning::MessageContent => ReplyMeaning::MessageContent,
        Meaning::TemporaryFailure => ReplyMeaning::TemporaryFailure,
        Meaning::NetworkOrServerError => ReplyMeaning::NetworkOrServerError,
        Meaning::AmbiguousPolicy => ReplyMeaning::AmbiguousPolicy,
        Meaning::Unknown => ReplyMeaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Classifier;

    fn request(reply: &str) -> ExplainReplyRequest {
        ExplainReplyRequest { reply: reply.to_owned(), ..ExplainReplyRequest::default() }
    }

    #[test]
    fn a_reply_is_explained_as_on_the_command_line() {
        let request = request("550 5.1.1 <a@example.com>: user unknown");
        let answer = explanation(Classifier::builtin().explain(&view(&request).unwrap()));
        assert_eq!(answer.meaning(), ReplyMeaning::MailboxNotFound);
        assert!(!answer.text.is_empty() && !answer.rule.is_empty());
    }

    #[test]
    fn every_meaning_has_the_name_that_the_command_line_prints() {
        for found in Meaning::ALL {
            let name = meaning(found).as_str_name().trim_start_matches("REPLY_MEANING_");
            assert_eq!(name.to_lowercase(), found.name());
        }
    }

    #[test]
    fn a_field_that_cannot_be_taken_is_named() {
        let field = |request: &ExplainReplyRequest| view(request).unwrap_err().field;
        assert_eq!(field(&request("")), "reply");
        assert_eq!(field(&request(&"x".repeat(LONGEST_REPLY + 1))), "reply");
        let with_stage = ExplainReplyRequest { stage: 2, ..request("550 no") };
        assert_eq!(field(&with_stage), "stage");
        let with_ip = ExplainReplyRequest { client_ip: "here".to_owned(), ..request("550 no") };
        assert_eq!(field(&with_ip), "client_ip");
    }
}
