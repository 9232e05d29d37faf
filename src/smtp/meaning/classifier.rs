//! The classifier: all rules, compiled once.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use super::error::{RuleError, RuleFault};
use super::lexicon::{Lexicon, LexiconBuilder};
use super::rule::Rule;
use super::rule_index::RuleIndex;
use super::view::{self, ReplyView};
use super::vocabulary::Vocabulary;
use super::words::{Compounds, ReplyWords};
use super::{Explanation, Meaning, RuleBasis, compile, limits, retry_hint};

/// Our rules, in the order of their evidence: a rule of an earlier file decides first.
const BUILTIN: [&str; 15] = [
    include_str!("rules/vocabulary.toml"),
    include_str!("rules/providers.toml"),
    include_str!("rules/gateways.toml"),
    include_str!("rules/form.toml"),
    include_str!("rules/pace.toml"),
    include_str!("rules/blocklists.toml"),
    include_str!("rules/sender.toml"),
    include_str!("rules/access.toml"),
    include_str!("rules/content.toml"),
    include_str!("rules/ours.toml"),
    include_str!("rules/mailbox.toml"),
    include_str!("rules/languages.toml"),
    include_str!("rules/trouble.toml"),
    include_str!("rules/syntax.toml"),
    include_str!("rules/codes.toml"),
];

/// The name of the rule when no rule knows a reply.
const NO_RULE: &str = "no-rule";

/// A rule's description, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// The meaning it finds.
    pub meaning: Meaning,
    /// The clause, page or observation that it is known from.
    pub source: &'a str,
    /// A reply it decides. Empty in a user's rule that gives none.
    pub example: &'a str,
}

/// Rules that find the meaning of replies. Compiled once, then shared.
#[derive(Debug)]
pub struct Classifier {
    rules: Vec<Rule>,
    index: RuleIndex,
    lexicon: Lexicon,
    compounds: Compounds,
    no_rule: Arc<str>,
}

impl Classifier {
    /// Our own rules. Compiled at the first call (some milliseconds).
    ///
    /// # Panics
    /// Never: a test holds that our rules compile.
    #[must_use]
    pub fn builtin() -> &'static Arc<Self> {
        static BUILTIN_CLASSIFIER: LazyLock<Arc<Classifier>> =
            LazyLock::new(|| Arc::new(Classifier::compile(None).expect("our own rules compile")));
        &BUILTIN_CLASSIFIER
    }

    /// Compiles a user's rules (TOML in the form of our own files) before ours. A user's rule takes
    /// the place of ours of the same name; word classes and compounds are added to ours.
    ///
    /// # Errors
    /// [`RuleError`] names the rule, its line and the remedy; also when a rule's own example is
    /// decided by another rule.
    pub fn with_rules(user_toml: &str) -> Result<Self, RuleError> {
        Self::compile(Some(user_toml))
    }

    fn compile(user: Option<&str>) -> Result<Self, RuleError> {
        let mut files = Vec::with_capacity(BUILTIN.len() + 1);
        for toml in user.into_iter().chain(BUILTIN) {
            files.push((toml, compile::read(toml)?));
        }
        let mut vocabulary = Vocabulary::default();
        for (_, file) in &files {
            vocabulary.extend(file)?;
        }
        vocabulary.check()?;
        let mut lexicon = LexiconBuilder::default();
        vocabulary.boilerplate.iter().for_each(|words| lexicon.ignore(words));
        let mut rules = Vec::new();
        let mut taken = HashSet::new();
        let mut lines = Vec::new();
        for (index, (toml, file)) in files.into_iter().enumerate() {
            if user.is_some() && index == 0 {
                lines = compile::lines(toml, &file);
            }
            let compiled = compile::rules(toml, file, &taken, &vocabulary, &mut lexicon)?;
            taken.extend(compiled.iter().map(|rule| rule.name.to_string()));
            rules.extend(compiled);
        }
        let lexicon = lexicon.build().map_err(|error| RuleError::Toml(error.to_string()))?;
        let classifier = Self {
            index: RuleIndex::new(&rules, lexicon.elements()),
            rules,
            lexicon,
            compounds: vocabulary.compounds,
            no_rule: NO_RULE.into(),
        };
        classifier.check_examples(&lines)?;
        Ok(classifier)
    }

    /// The meaning of this reply, and the rule that found it.
    #[must_use]
    pub fn explain(&self, view: &ReplyView<'_>) -> Explanation {
        let mut view = *view;
        view.enhanced = view.enhanced.or_else(|| view::find_enhanced(view.text));
        let words = ReplyWords::from_text(view.text, &self.compounds, view.ourselves);
        let found = self.lexicon.find(&words);
        let mut candidates = self.index.candidates(&found).map(|number| &self.rules[number]);
        let decided = candidates.find(|rule| rule.decides(&view, &found, &words));
        let refuses = view.code.is_none_or(|code| code >= 400);
        let retry_after =
            refuses.then(|| retry_hint::retry_after(limits::examined(view.text))).flatten();
        decided.map_or_else(
            || Explanation {
                meaning: Meaning::Unknown,
                rule: Arc::clone(&self.no_rule),
                basis: RuleBasis::Code,
                retry_after,
                limit: None,
            },
            |rule| Explanation {
                meaning: rule.meaning,
                rule: Arc::clone(&rule.name),
                basis: rule.basis,
                retry_after,
                limit: rule.limit,
            },
        )
    }

    /// All rules, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = RuleFacts<'_>> {
        self.rules.iter().map(|rule| RuleFacts {
            name: &rule.name,
            meaning: rule.meaning,
            source: &rule.source,
            example: &rule.example,
        })
    }

    /// Holds each of the first rules, of these lines, to its own example.
    fn check_examples(&self, lines: &[usize]) -> Result<(), RuleError> {
        for (rule, line) in
            self.rules.iter().zip(lines).filter(|(rule, _)| !rule.example.is_empty())
        {
            let decided = self.explain(&rule.example_view());
            if decided.rule != rule.name {
                let problem = format!("its example is decided by `{}`", decided.rule);
                let remedy =
                    "correct the example or the conditions, or put this rule before that one";
                return Err(RuleFault::new(problem, remedy).in_rule(&rule.name, *line));
            }
        }
        Ok(())
    }

    /// The text of our own files.
    #[cfg(test)]
    pub(super) const fn builtin_files() -> &'static [&'static str] {
        &BUILTIN
    }

    /// Each rule's name, and the explanation of its own example.
    #[cfg(test)]
    pub(super) fn examples(&self) -> Vec<(Arc<str>, Explanation)> {
        self.rules
            .iter()
            .map(|rule| (Arc::clone(&rule.name), self.explain(&rule.example_view())))
            .collect()
    }
}
