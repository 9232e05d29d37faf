//! Errors in a file of rules.

/// Why a file of rules was not taken. Every text names the rule, its line, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not TOML, or not the fields a rule has.
    #[error("the rules cannot be read: {0}")]
    Toml(String),
    /// A rule says something that no rule can say.
    #[error("rule `{rule}` (line {line}): {problem}; {remedy}")]
    Rule {
        /// The rule's name.
        rule: String,
        /// The line its `[[rule]]` begins on, from 1.
        line: usize,
        /// The fault.
        problem: String,
        /// The text to write instead.
        remedy: String,
    },
    /// A word class or a compound that cannot be used.
    #[error("`{name}` in [words] or compounds: {problem}; {remedy}")]
    Words {
        /// The class or the compound.
        name: String,
        /// The fault.
        problem: String,
        /// The text to write instead.
        remedy: String,
    },
}

/// A fault in one part of a rule, and its remedy.
#[derive(Debug)]
pub(super) struct RuleFault {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl RuleFault {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn in_rule(self, rule: &str, line: usize) -> RuleError {
        RuleError::Rule { rule: rule.to_owned(), line, problem: self.problem, remedy: self.remedy }
    }

    pub(super) fn in_words(self, name: &str) -> RuleError {
        RuleError::Words { name: name.to_owned(), problem: self.problem, remedy: self.remedy }
    }
}
