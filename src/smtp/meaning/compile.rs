//! Compiles the text of rule files into rules.

use std::collections::HashSet;

use super::error::{RuleError, RuleFault};
use super::lexicon::LexiconBuilder;
use super::phrase::Phrase;
use super::rule::{CodePattern, Rule, StatusPattern, parse_stage};
use super::rule_file::{RuleFile, RuleText};
use super::vocabulary::Vocabulary;
use super::{Meaning, ReplyLimit, RuleBasis};

/// The most rules that a user's file may hold.
const MAX_RULES: usize = 10_000;

/// Reads one file.
pub(super) fn read(toml: &str) -> Result<RuleFile, RuleError> {
    toml::from_str(toml).map_err(|error| RuleError::Toml(error.to_string().trim_end().to_owned()))
}

/// The line each rule of a file begins on, from 1.
pub(super) fn lines(toml: &str, file: &RuleFile) -> Vec<usize> {
    file.rule.iter().map(|rule| line(toml, rule.span().start)).collect()
}

fn line(toml: &str, offset: usize) -> usize {
    toml.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}

/// Compiles the rules of a file that was read from `toml`, except those named in `replaced`.
pub(super) fn rules(
    toml: &str,
    file: RuleFile,
    replaced: &HashSet<String>,
    vocabulary: &Vocabulary,
    lexicon: &mut LexiconBuilder,
) -> Result<Vec<Rule>, RuleError> {
    let mut names = HashSet::new();
    let mut compiled = Vec::with_capacity(file.rule.len());
    for text in file.rule {
        let line = line(toml, text.span().start);
        let text = text.into_inner();
        let name = text.name.clone();
        if !names.insert(name.clone()) {
            let fault =
                RuleFault::new("a second rule of that name", "give each rule a name of its own");
            return Err(fault.in_rule(&name, line));
        }
        if names.len() > MAX_RULES {
            let fault =
                RuleFault::new("too many rules", format!("keep a file below {MAX_RULES} rules"));
            return Err(fault.in_rule(&name, line));
        }
        if !replaced.contains(&name) {
            compiled
                .push(rule(text, vocabulary, lexicon).map_err(|fault| fault.in_rule(&name, line))?);
        }
    }
    Ok(compiled)
}

fn rule(
    text: RuleText,
    vocabulary: &Vocabulary,
    lexicon: &mut LexiconBuilder,
) -> Result<Rule, RuleFault> {
    let meaning = Meaning::from_name(&text.meaning).ok_or_else(|| {
        let names: Vec<_> = Meaning::ALL.into_iter().map(Meaning::name).collect();
        RuleFault::new(
            format!("no meaning is called `{}`", text.meaning),
            format!("write one of {}", names.join(", ")),
        )
    })?;
    let codes = codes(&text, meaning)?;
    let statuses = parse_all(
        &text.enhanced,
        StatusPattern::parse,
        "an enhanced status",
        "`5.1.1`, `*.1.1` or `none`",
    )?;
    let stages = parse_all(
        &text.stage,
        parse_stage,
        "a stage",
        "`connect`, `banner`, `ehlo`, `starttls`, `mail`, `rcpt`, `data` or `unknown`",
    )?;
    if text.phrases.is_empty() && !text.with.is_empty() {
        return Err(RuleFault::new(
            "`with` without `phrases`",
            "move the phrases of `with` to `phrases`",
        ));
    }
    let nothing = text.phrases.is_empty() && text.code.is_empty() && text.provider.is_empty();
    if nothing && statuses.is_empty() && stages.is_empty() {
        return Err(RuleFault::new(
            "it fits every reply",
            "add a code, an enhanced status, a stage, phrases or a provider",
        ));
    }
    let mut phrases = |list: &[String]| -> Result<Vec<Phrase>, RuleFault> {
        let mut compiled = Vec::new();
        for phrase in list {
            compiled.extend(Phrase::parse_all(phrase, vocabulary, lexicon)?);
        }
        Ok(compiled)
    };
    let limit = match text.limit.as_str() {
        "" => None,
        name => Some(ReplyLimit::from_name(name).ok_or_else(|| {
            RuleFault::new(
                format!("no limit is called `{name}`"),
                "write `recipients`, `messages` or `mailbox`",
            )
        })?),
    };
    Ok(Rule {
        meaning,
        basis: basis(&text, &statuses),
        limit,
        codes,
        statuses,
        stages,
        providers: text.provider.iter().map(|p| p.trim_matches('.').to_ascii_lowercase()).collect(),
        phrases: phrases(&text.phrases)?,
        with: phrases(&text.with)?,
        unless: phrases(&text.unless)?,
        name: text.name.into(),
        source: text.source,
        example: text.example,
        ourselves: text.ourselves,
    })
}

/// The part of a reply that a rule with these conditions reads. A status that may be missing, or
/// whose subject may be any, adds nothing to the code.
fn basis(text: &RuleText, statuses: &[StatusPattern]) -> RuleBasis {
    if !text.phrases.is_empty() {
        RuleBasis::Words
    } else if !statuses.is_empty() && statuses.iter().all(|status| status.names_a_subject()) {
        RuleBasis::EnhancedStatus
    } else {
        RuleBasis::Code
    }
}

/// The codes of a rule. None given: any refusal; but a 4yz says that a mailbox is dead only where a
/// rule names it, and only a 2yz can accept.
fn codes(text: &RuleText, meaning: Meaning) -> Result<Vec<CodePattern>, RuleFault> {
    let given =
        parse_all(&text.code, CodePattern::parse, "a code", "`550`, `55x`, `5xx` or `none`")?;
    if meaning == Meaning::Accepted
        && (given.is_empty() || !given.iter().all(|code| code.is_positive()))
    {
        return Err(RuleFault::new("only a 2yz accepts", "give it codes that begin with 2"));
    }
    if !given.is_empty() {
        return Ok(given);
    }
    let first = if meaning.is_dead() { 500 } else { 400 };
    Ok(vec![CodePattern::Range(first, 599), CodePattern::None])
}

fn parse_all<T>(
    list: &[String],
    parse: impl Fn(&str) -> Option<T>,
    what: &str,
    forms: &str,
) -> Result<Vec<T>, RuleFault> {
    list.iter()
        .map(|text| {
            parse(text).ok_or_else(|| {
                RuleFault::new(format!("`{text}` is not {what}"), format!("write {forms}"))
            })
        })
        .collect()
}
