//! MTA-STS (RFC 8461): the record in DNS, the policy, and the exchangers that it names. Pure.

use std::time::Duration;

use crate::address::DomainName;

/// The largest `max_age` (RFC 8461 section 3.2), in seconds.
const LONGEST_MAX_AGE: u64 = 31_557_600;

/// The longest `id` of a record (RFC 8461 section 3.1).
const LONGEST_ID: usize = 32;

/// Exchangers that a policy may name, and the octets of their names in all: policies are
/// remembered. Those of large providers name a handful.
const MOST_PATTERNS: usize = 100;
const MOST_OCTETS: usize = 4 * 1024;

/// The name of the record that says that a domain has a policy (RFC 8461 section 3.1).
#[must_use]
pub fn record_name(domain: &DomainName) -> DomainName {
    DomainName::from_ascii(&format!("_mta-sts.{domain}"))
}

/// The name of the host that has a domain's policy (RFC 8461 section 3.3).
#[must_use]
pub fn policy_host(domain: &DomainName) -> DomainName {
    DomainName::from_ascii(&format!("mta-sts.{domain}"))
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtaStsPolicy {
    /// The consequence of an exchanger that does not meet it.
    pub mode: MtaStsMode,
    /// Time for which senders keep the policy.
    pub max_age: Duration,
    /// The exchangers that it names, as it writes them in lower case: `mx.example`, `*.example`.
    /// Each once; never empty, unless the mode is [`MtaStsMode::None`].
    pub mx: Vec<String>,
}

/// The modes of a policy (RFC 8461 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtaStsMode {
    /// Mail is not delivered to an exchanger that does not meet the policy.
    Enforce,
    /// It is delivered, and reported.
    Testing,
    /// The domain has no policy any more.
    None,
}

impl MtaStsMode {
    /// Its name in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

/// The fault of a record or a policy, for which senders do as if there were none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MtaStsFault {
    /// More than one record claims to be it.
    #[error("there are several MTA-STS records, so that none counts")]
    SeveralRecords,
    /// The record has no usable `id`.
    #[error("the MTA-STS record has no id of 1 to 32 letters and digits")]
    RecordId,
    /// A line is none of a policy.
    #[error("the policy has a line without a colon")]
    Line,
    /// The version is missing, or another one.
    #[error("the policy does not say \"version: STSv1\"")]
    Version,
    /// The mode is missing, or none that is known.
    #[error("the policy has no mode of enforce, testing and none")]
    Mode,
    /// The time for which to keep it is missing, or out of range.
    #[error("the policy has no max_age of 0 to 31557600 seconds")]
    MaxAge,
    /// It names no exchanger.
    #[error("the policy names no exchanger")]
    NoExchanger,
    /// It names more exchangers than are kept.
    #[error(
        "the policy names more than {MOST_PATTERNS} exchangers, or has more than 4 KiB of them"
    )]
    TooLong,
}

/// The `id` of the one MTA-STS record among the texts of a name, if there is one.
///
/// # Errors
/// [`MtaStsFault`].
pub fn read_record(texts: &[String]) -> Result<Option<String>, MtaStsFault> {
    let mut records = texts.iter().filter_map(|text| {
        let (version, rest) = text.split_once(';')?;
        (version.trim_end() == "v=STSv1").then_some(rest)
    });
    let Some(record) = records.next() else { return Ok(None) };
    if records.next().is_some() {
        return Err(MtaStsFault::SeveralRecords);
    }
    let id = record.split(';').find_map(|field| field.trim().strip_prefix("id="));
    let is_id = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    id.filter(is_id).map(|id| Some(id.to_owned())).ok_or(MtaStsFault::RecordId)
}

impl MtaStsPolicy {
    /// Reads a policy (RFC 8461 section 3.2). Unknown fields are left aside; of a field that stands
    /// twice the first counts.
    ///
    /// # Errors
    /// [`MtaStsFault`].
    pub fn parse(text: &str) -> Result<Self, MtaStsFault> {
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut patterns = PatternList::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').ok_or(MtaStsFault::Line)?;
            let value = value.trim();
            match field.trim_end() {
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => patterns.add(value.trim_end_matches('.')),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(MtaStsFault::Version);
        }
        let modes = [MtaStsMode::Enforce, MtaStsMode::Testing, MtaStsMode::None];
        let mode = modes.into_iter().find(|known| mode == Some(known.name()));
        let mode = mode.ok_or(MtaStsFault::Mode)?;
        let max_age = max_age.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let max_age = max_age.and_then(|text| text.parse().ok()).ok_or(MtaStsFault::MaxAge)?;
        if max_age > LONGEST_MAX_AGE {
            return Err(MtaStsFault::MaxAge);
        }
        if patterns.is_too_long {
            return Err(MtaStsFault::TooLong);
        }
        let mx = patterns.kept;
        if mx.is_empty() && mode != MtaStsMode::None {
            return Err(MtaStsFault::NoExchanger);
        }
        Ok(Self { mode, max_age: Duration::from_secs(max_age), mx })
    }

    /// Returns whether the policy names `exchanger` (RFC 8461 section 4.1): itself, or all names of
    /// one label more than what follows `*.`.
    #[must_use]
    pub fn names(&self, exchanger: &DomainName) -> bool {
        let host = exchanger.as_str();
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => host == pattern,
        })
    }
}

/// The exchangers that a policy names, within bounds.
#[derive(Default)]
struct PatternList {
    kept: Vec<String>,
    octets: usize,
    is_too_long: bool,
}

impl PatternList {
    /// Adds a pattern, unless it is there or names no host.
    fn add(&mut self, pattern: &str) {
        if self.is_too_long || !is_pattern(pattern) {
            return;
        }
        if self.kept.iter().any(|kept| kept.eq_ignore_ascii_case(pattern)) {
            return;
        }
        self.octets += pattern.len();
        self.is_too_long = self.kept.len() == MOST_PATTERNS || self.octets > MOST_OCTETS;
        if !self.is_too_long {
            self.kept.push(pattern.to_ascii_lowercase());
        }
    }
}

/// Returns whether a text is a host name, or `*.` and one: letters, digits, hyphens, and the
/// underscores of some.
fn is_pattern(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_part)
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_one_record_of_its_version_has_an_id() {
        let id = |all: &[&str]| read_record(&texts(all));
        assert_eq!(id(&["v=STSv1; id=20260831T01;"]), Ok(Some("20260831T01".to_owned())));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1 ;x=1;id=a"]), Ok(Some("a".to_owned())));
        assert_eq!(id(&["v=STSv10; id=1", "v=stsv1; id=1", "v=STSv1"]), Ok(None));
        assert_eq!(id(&[]), Ok(None));
        assert_eq!(id(&["v=STSv1;id=1", "v=STSv1;id=2"]), Err(MtaStsFault::SeveralRecords));
        for wrong in ["v=STSv1;", "v=STSv1; id=;", "v=STSv1; id=a-b", "v=STSv1; ID=1"] {
            assert_eq!(id(&[wrong]), Err(MtaStsFault::RecordId), "{wrong}");
        }
        let long = format!("v=STSv1; id={}", "1".repeat(33));
        assert_eq!(id(&[&long]), Err(MtaStsFault::RecordId));
    }

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: MX1.Example\r\nmx:*.mail.example.\r\n\
                          colour: blue\r\nmax_age: 86400\r\n";

    #[test]
    fn a_policy_is_read_and_unknown_fields_are_left_aside() {
        let policy = MtaStsPolicy::parse(POLICY).unwrap();
        assert_eq!(policy.mode, MtaStsMode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(86_400));
        assert_eq!(policy.mx, ["mx1.example", "*.mail.example"]);
        let twice = MtaStsPolicy::parse(&POLICY.replace("colour: blue", "mode: none")).unwrap();
        assert_eq!(twice.mode, MtaStsMode::Enforce, "the first counts");
        let none = MtaStsPolicy::parse("max_age: 0\nmode: none\nversion: STSv1").unwrap();
        assert!(none.mx.is_empty() && none.max_age.is_zero());
    }

    #[test]
    fn a_policy_with_a_fault_is_none() {
        use MtaStsFault::{Line, MaxAge, Mode, NoExchanger, Version};
        let cases = [
            ("version: STSv1", "version: STSv2", Version),
            ("version: STSv1\r\n", "", Version),
            ("mode: enforce", "mode: Enforce", Mode),
            ("max_age: 86400", "max_age: 31557601", MaxAge),
            ("max_age: 86400", "max_age: +1", MaxAge),
            ("max_age: 86400", "max_age:", MaxAge),
            ("colour: blue", "<html>", Line),
        ];
        for (from, to, fault) in cases {
            assert_eq!(MtaStsPolicy::parse(&POLICY.replace(from, to)), Err(fault), "{to}");
        }
        let nobody = "version: STSv1\nmode: testing\nmx:\nmax_age: 1";
        assert_eq!(MtaStsPolicy::parse(nobody), Err(NoExchanger));
    }

    fn naming(patterns: impl IntoIterator<Item = String>) -> Result<MtaStsPolicy, MtaStsFault> {
        let lines: String =
            patterns.into_iter().map(|pattern| format!("mx: {pattern}\n")).collect();
        MtaStsPolicy::parse(&format!("version: STSv1\nmode: enforce\nmax_age: 1\n{lines}"))
    }

    #[test]
    fn of_a_policy_each_host_name_is_kept_once_and_nothing_else() {
        let named = ["a", "MX.example", "mx.example.", "*.x_y.example", "a b", "*.", "mx..example"];
        let junk = (0..10_000).map(|_| "a".to_owned());
        let policy = naming(named.map(str::to_owned).into_iter().chain(junk)).unwrap();
        assert_eq!(policy.mx, ["a", "mx.example", "*.x_y.example"]);
        let long = "x".repeat(64);
        assert_eq!(naming(["<html>".to_owned(), long]), Err(MtaStsFault::NoExchanger));
    }

    #[test]
    fn what_is_remembered_of_a_policy_is_bounded_in_number_and_in_octets() {
        let hosts = |count: usize| naming((0..count).map(|n| format!("mx{n}.example")));
        assert_eq!(hosts(MOST_PATTERNS).unwrap().mx.len(), MOST_PATTERNS);
        assert_eq!(hosts(MOST_PATTERNS + 1), Err(MtaStsFault::TooLong));
        let label = "x".repeat(60);
        let long = (0..20).map(|n| format!("{label}.{label}.{label}.{label}.h{n:02}"));
        assert_eq!(naming(long), Err(MtaStsFault::TooLong));
    }

    #[test]
    fn a_wildcard_stands_for_one_label_and_not_for_none() {
        let policy = MtaStsPolicy::parse(POLICY).unwrap();
        for (host, is_named) in [
            ("mx1.example", true),
            ("MX1.example.", true),
            ("a.mail.example", true),
            ("mail.example", false),
            ("a.b.mail.example", false),
            ("amail.example", false),
            ("mx2.example", false),
        ] {
            assert_eq!(policy.names(&DomainName::from_ascii(host)), is_named, "{host}");
        }
    }
}
