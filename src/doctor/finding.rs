//! The result of each check, and the report they add up to. Pure.

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is as it should be.
    Pass,
    /// It could not be looked at; `seen` says why.
    Skipped,
    /// Some verdicts will suffer.
    Warn,
    /// Most verdicts will suffer.
    Fail,
}

impl Status {
    /// The status's name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The check's name, in lower snake case; it does not change.
    pub id: &'static str,
    /// The egress identity it is about; none for the host's own.
    pub identity: Option<String>,
    /// Subject of the check: an address, a name, a blocklist, a name server.
    pub subject: Option<String>,
    /// Its outcome.
    pub status: Status,
    /// The observation, in a phrase.
    pub seen: String,
    /// Its consequence for verdicts; empty if it means nothing.
    pub meaning: String,
    /// The remedy; empty if there is nothing to do.
    pub remedy: String,
}

impl Diagnosis {
    fn new(id: &'static str, status: Status, seen: impl Into<String>) -> Self {
        Self {
            id,
            identity: None,
            subject: None,
            status,
            seen: seen.into(),
            meaning: String::new(),
            remedy: String::new(),
        }
    }

    /// All is well.
    pub fn pass(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Pass, seen)
    }

    /// It could not be looked at.
    pub(super) fn skipped(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, Status::Skipped, why)
    }

    /// Some verdicts will suffer.
    pub fn warn(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Warn, seen)
    }

    /// Most verdicts will suffer.
    pub fn fail(id: &'static str, seen: impl Into<String>) -> Self {
        Self::new(id, Status::Fail, seen)
    }

    /// With what it is about.
    pub(super) fn about(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    /// With the identity it is about.
    pub(super) fn for_identity(mut self, identity: &str) -> Self {
        self.identity = Some(identity.to_owned());
        self
    }

    /// With what it means for verdicts.
    pub fn means(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// With what to do.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings: the host's own first, then each identity's.
    pub findings: Vec<Diagnosis>,
}

impl Report {
    /// Number of findings with this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    /// `Fail` if anything failed, else `Warn` if anything is to be looked at, else `Pass`.
    #[must_use]
    pub fn status(&self) -> Status {
        let looked_at = self.findings.iter().map(|finding| finding.status);
        looked_at.filter(|status| *status != Status::Skipped).max().unwrap_or(Status::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &[Diagnosis]) -> Report {
        Report { findings: findings.to_vec() }
    }

    #[test]
    fn the_worst_finding_decides_and_a_skipped_one_does_not() {
        let (pass, skipped) = (Diagnosis::pass("a", ""), Diagnosis::skipped("b", ""));
        let (warn, fail) = (Diagnosis::warn("c", ""), Diagnosis::fail("d", ""));
        assert_eq!(report(&[]).status(), Status::Pass);
        assert_eq!(report(&[pass.clone(), skipped.clone()]).status(), Status::Pass);
        assert_eq!(report(&[warn.clone(), pass.clone()]).status(), Status::Warn);
        assert_eq!(report(&[warn, fail, pass, skipped]).status(), Status::Fail);
    }
}
