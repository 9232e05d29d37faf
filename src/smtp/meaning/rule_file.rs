//! The form of a file of rules, as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A file of rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RuleFile {
    /// Pairs of words to be read as one.
    pub(super) compounds: Vec<String>,
    /// Plain words that replies carry whatever they mean: not read.
    pub(super) boilerplate: Vec<String>,
    /// Word classes: name, members. A class of the same name grows.
    pub(super) words: BTreeMap<String, Vec<String>>,
    /// The rules, the first that fits decides.
    pub(super) rule: Vec<Spanned<RuleText>>,
}

/// A rule as it is written. All conditions that are given must hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    /// The name that `mailvet explain` prints. Unique; a user's rule takes the place of ours of the
    /// same name.
    pub(super) name: String,
    /// The meaning of the reply: a label of [`Meaning::name`](super::Meaning::name).
    pub(super) meaning: String,
    /// Commands the reply may answer: `connect banner ehlo starttls mail rcpt data unknown`.
    /// None given: any.
    #[serde(default)]
    pub(super) stage: Vec<String>,
    /// Codes: `550`, `55x`, `5xx`, `none`. None given: any refusal, but for a dead mailbox no 4yz.
    #[serde(default)]
    pub(super) code: Vec<String>,
    /// Enhanced statuses: `5.1.1`, `*.1.1`, `5.7.*`, `none`. None given: any.
    #[serde(default)]
    pub(super) enhanced: Vec<String>,
    /// Exchanger name endings: `google.com` is itself and all names under it. None given: any.
    #[serde(default)]
    pub(super) provider: Vec<String>,
    /// Phrases, one of which must stand in the reply.
    #[serde(default)]
    pub(super) phrases: Vec<String>,
    /// More phrases, one of which must stand in the reply as well.
    #[serde(default)]
    pub(super) with: Vec<String>,
    /// Phrases none of which may stand in the reply.
    #[serde(default)]
    pub(super) unless: Vec<String>,
    /// The limit that the reply names: `recipients` (of a transaction), `messages` (of a session),
    /// `mailbox` (what one mailbox is sent).
    #[serde(default)]
    pub(super) limit: String,
    /// The clause, page or observation that this is known from.
    #[serde(default)]
    pub(super) source: String,
    /// The sender of ours that the example is said to, `local@domain`.
    #[serde(default)]
    pub(super) ourselves: String,
    /// A reply this rule decides.
    #[serde(default)]
    pub(super) example: String,
}
