//! A compiled rule: the conditions it sets for a reply.

use std::sync::Arc;

use super::lexicon::FoundWords;
use super::phrase::Phrase;
use super::view::ReplyView;
use super::words::ReplyWords;
use super::{Meaning, ReplyLimit, RuleBasis};
use crate::smtp::{EnhancedStatus, Stage};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) meaning: Meaning,
    pub(super) basis: RuleBasis,
    pub(super) limit: Option<ReplyLimit>,
    pub(super) source: String,
    pub(super) example: String,
    pub(super) ourselves: String,
    pub(super) stages: Vec<Option<Stage>>,
    pub(super) codes: Vec<CodePattern>,
    pub(super) statuses: Vec<StatusPattern>,
    pub(super) providers: Vec<String>,
    pub(super) phrases: Vec<Phrase>,
    pub(super) with: Vec<Phrase>,
    pub(super) unless: Vec<Phrase>,
}

impl Rule {
    /// The rule's example, as it would be seen: at its first stage, from its first provider.
    pub(super) fn example_view(&self) -> ReplyView<'_> {
        let mut view = ReplyView::from_text(&self.example);
        view.ourselves.sender = self.ourselves.split_once('@');
        view.stage = self.stages.first().copied().flatten();
        view.exchanger = self.providers.first().map(String::as_str);
        view
    }

    /// `true` if the rule decides this reply.
    pub(super) fn decides(
        &self,
        view: &ReplyView<'_>,
        found: &FoundWords<'_>,
        words: &ReplyWords,
    ) -> bool {
        let any = |phrases: &[Phrase]| phrases.iter().any(|phrase| phrase.matches(found, words));
        self.codes.iter().any(|pattern| pattern.fits(view.code))
            && (self.stages.is_empty() || self.stages.contains(&view.stage))
            && (self.statuses.is_empty() || self.statuses.iter().any(|s| s.fits(view.enhanced)))
            && (self.providers.is_empty()
                || self.providers.iter().any(|p| is_under(view.exchanger, p)))
            && (self.phrases.is_empty() || any(&self.phrases))
            && (self.with.is_empty() || any(&self.with))
            && !any(&self.unless)
    }
}

/// `true` if `host` is `suffix` or a name under it.
fn is_under(host: Option<&str>, suffix: &str) -> bool {
    let Some(host) = host.map(|host| host.trim_end_matches('.').as_bytes()) else {
        return false;
    };
    let Some(cut) = host.len().checked_sub(suffix.len()) else {
        return false;
    };
    host[cut..].eq_ignore_ascii_case(suffix.as_bytes()) && (cut == 0 || host[cut - 1] == b'.')
}

/// `550`, `55x`, `5xx`, or no code at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodePattern {
    /// The code is not known.
    None,
    /// Codes from the first to the last.
    Range(u16, u16),
}

impl CodePattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'x') && text.len() == 3;
        let tail = text.trim_end_matches('x');
        if !digits || tail.contains('x') || !text.starts_with(['2', '3', '4', '5']) {
            return None;
        }
        let low = text.replace('x', "0").parse().ok()?;
        let high = text.replace('x', "9").parse().ok()?;
        Some(Self::Range(low, high))
    }

    fn fits(self, code: Option<u16>) -> bool {
        match (self, code) {
            (Self::None, None) => true,
            (Self::Range(low, high), Some(code)) => (low..=high).contains(&code),
            _ => false,
        }
    }

    /// `true` if it fits a 2yz only.
    pub(super) fn is_positive(self) -> bool {
        matches!(self, Self::Range(200..=299, 200..=299))
    }
}

/// `5.1.1`, with `*` for any number, or no status at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusPattern {
    /// The reply has no enhanced status.
    None,
    /// Class, subject and detail; each may be open.
    Parts(Option<u16>, Option<u16>, Option<u16>),
}

impl StatusPattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::None);
        }
        let part = |part: &str| match part {
            "*" => Some(None),
            _ => part.parse().ok().map(Some),
        };
        let mut parts = text.split('.');
        let pattern = Self::Parts(part(parts.next()?)?, part(parts.next()?)?, part(parts.next()?)?);
        parts.next().is_none().then_some(pattern)
    }

    /// `true` if it fits only statuses of one subject: `5.1.1`, `*.1.*`.
    pub(super) const fn names_a_subject(self) -> bool {
        matches!(self, Self::Parts(_, Some(_), _))
    }

    fn fits(self, status: Option<EnhancedStatus>) -> bool {
        let same = |want: Option<u16>, is: u16| want.is_none_or(|want| want == is);
        match (self, status) {
            (Self::None, None) => true,
            (Self::Parts(class, subject, detail), Some(status)) => {
                same(class, u16::from(status.class))
                    && same(subject, status.subject)
                    && same(detail, status.detail)
            }
            _ => false,
        }
    }
}

/// A stage by its name in rule files; `unknown` is `Some(None)`.
pub(super) fn parse_stage(name: &str) -> Option<Option<Stage>> {
    Some(match name {
        "connect" => Some(Stage::Connect),
        "banner" => Some(Stage::Banner),
        "ehlo" => Some(Stage::Ehlo),
        "starttls" => Some(Stage::StartTls),
        "mail" => Some(Stage::Mail),
        "rcpt" => Some(Stage::Rcpt),
        "data" => Some(Stage::Data),
        "unknown" => None,
        _ => return None,
    })
}
