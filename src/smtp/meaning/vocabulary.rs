//! Word classes and compounds: what `{mailbox}` stands for in a phrase.

use std::collections::BTreeMap;

use unicode_normalization::char::is_combining_mark;

use super::error::{RuleError, RuleFault};
use super::rule_file::RuleFile;
use super::words::{self, Compounds};

/// The depth to which classes may name classes.
const MAX_DEPTH: usize = 4;

/// The word classes and compounds of all rule files together.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    classes: BTreeMap<String, Vec<String>>,
    /// Words that stand in replies whatever they mean, a blank between them.
    pub(super) boilerplate: Vec<String>,
    /// Pairs of words that are one word: "mail box" is `mailbox`.
    pub(super) compounds: Compounds,
}

impl Vocabulary {
    /// Adds a file's classes and compounds to what is known.
    pub(super) fn extend(&mut self, file: &RuleFile) -> Result<(), RuleError> {
        for compound in &file.compounds {
            let pair = compound.split_once(' ').filter(|(_, second)| !second.contains(' '));
            let Some((first, second)) = pair else {
                let fault =
                    RuleFault::new("not two words", "write two words with one blank between");
                return Err(fault.in_words(compound));
            };
            self.compounds.entry(first.to_owned()).or_default().push(second.to_owned());
        }
        for text in &file.boilerplate {
            let words: Result<Vec<String>, RuleFault> =
                text.split_whitespace().map(|word| self.word(word)).collect();
            self.boilerplate.push(words.map_err(|fault| fault.in_words(text))?.join(" "));
        }
        for (class, members) in &file.words {
            self.classes.entry(class.clone()).or_default().extend(members.iter().cloned());
        }
        Ok(())
    }

    /// `true` if replies are read with these two words as one.
    pub(super) fn merges(&self, first: &str, second: &str) -> bool {
        self.compounds.get(first).is_some_and(|seconds| seconds.iter().any(|known| known == second))
    }

    /// Checks that every class can be expanded.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        for class in self.classes.keys() {
            self.expand(class).map_err(|fault| fault.in_words(class))?;
        }
        Ok(())
    }

    /// The words of a class, those of the classes it names included.
    pub(super) fn expand(&self, class: &str) -> Result<Vec<String>, RuleFault> {
        let mut members = Vec::new();
        self.collect(class, MAX_DEPTH, &mut members)?;
        Ok(members)
    }

    fn collect(&self, class: &str, depth: usize, out: &mut Vec<String>) -> Result<(), RuleFault> {
        let Some(members) = self.classes.get(class).filter(|_| depth > 0) else {
            let problem = format!("`{{{class}}}` is no word class, or is its own member");
            return Err(RuleFault::new(problem, "name a class of the [words] table"));
        };
        for member in members {
            match member.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(inner) => self.collect(inner, depth - 1, out)?,
                None => out.push(self.word(member)?),
            }
        }
        Ok(())
    }

    /// One word of a rule, as the words of a reply are written: lower case, no accents.
    pub(super) fn word(&self, word: &str) -> Result<String, RuleFault> {
        let mut folded = String::new();
        let placeholder = ["<addr>", "<ip>", "<host>", "<url>", "<us>", "<sender>"].contains(&word);
        let (lead, rest) = match word.strip_prefix(['.', '/']) {
            Some(rest) => (&word[..1], rest),
            None => ("", word),
        };
        let (stem, star) = rest.strip_suffix('*').map_or((rest, ""), |stem| (stem, "*"));
        for c in stem.chars() {
            let marked = lead == "." && matches!(c, '-' | '_');
            if is_combining_mark(c) && words::writes_no_spaces(c) {
                continue;
            } else if words::writes_no_spaces(c) || marked {
                folded.push(c);
            } else if c.is_alphanumeric() {
                words::fold(c, &mut folded);
            } else if !words::is_apostrophe(c)
                && !placeholder
                && super::view::parse_enhanced(word).is_none()
            {
                let problem = format!("`{word}` is more than one word");
                return Err(RuleFault::new(
                    problem,
                    "write words of letters and digits, a blank between",
                ));
            }
        }
        if placeholder || super::view::parse_enhanced(word).is_some() {
            return Ok(word.to_owned());
        }
        if folded.is_empty() {
            return Err(RuleFault::new(format!("`{word}` is no word"), "write letters or digits"));
        }
        Ok(format!("{lead}{folded}{star}"))
    }
}
