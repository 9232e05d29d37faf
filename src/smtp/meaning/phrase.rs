//! Phrases: a few words in order, with gaps.
//!
//! | written | matches |
//! |---|---|
//! | `unknown` | that word, whatever its case, accents and punctuation |
//! | `exist*` | a word that begins so |
//! | `(user\|mail system)` | one of these, each a word or several |
//! | `{mailbox}` | one of the words of that class |
//! | `the?` | that word, class or choice, or nothing |
//! | `..` | up to three words of any kind |
//! | `...` | up to eight |
//! | `....` | up to 24, in scripts whose characters are words |
//! | `^`, `$` | the beginning, the end of the reply |
//! | `<addr>` `<ip>` `<host>` `<url>` | an address, an IP address, a host name, a URL |
//! | `<us>`, `<sender>` | our own IP address, host name or sender's domain; our sender's address |
//! | `.spamhaus`, `/nosuchuser` | a label of a host name, a word of a URL's path |
//!
//! No phrase reaches over the end of a sentence.

use super::bits::Bits;
use super::error::RuleFault;
use super::lexicon::{FoundWords, LexiconBuilder};
use super::vocabulary::Vocabulary;
use super::words::{self, ReplyWords};

/// The most phrases that one phrase with choices may stand for.
const MAX_VARIANTS: usize = 64;

/// A compiled phrase.
#[derive(Debug)]
pub(super) struct Phrase {
    /// The element of the first step, kept here as well: it settles most phrases, which then need
    /// no look at their steps.
    opening: usize,
    steps: Vec<PhraseStep>,
    at_start: bool,
    at_end: bool,
}

/// One element, and how many words may stand before it.
#[derive(Debug)]
struct PhraseStep {
    gap: usize,
    element: usize,
    optional: bool,
}

impl Phrase {
    /// Compiles `text`, entering its words into `lexicon`.
    ///
    /// A choice between several words makes several phrases.
    pub(super) fn parse_all(
        text: &str,
        vocabulary: &Vocabulary,
        lexicon: &mut LexiconBuilder,
    ) -> Result<Vec<Self>, RuleFault> {
        let variants = variants(text)?;
        variants.iter().map(|variant| Self::parse(variant, vocabulary, lexicon)).collect()
    }

    /// Compiles a phrase whose choices are between single words.
    fn parse(
        text: &str,
        vocabulary: &Vocabulary,
        lexicon: &mut LexiconBuilder,
    ) -> Result<Self, RuleFault> {
        let (mut steps, mut gap) = (Vec::new(), 0);
        let (mut at_start, mut at_end) = (false, false);
        for item in items(text, vocabulary)? {
            match item.as_str() {
                "^" => at_start = true,
                "$" => at_end = true,
                ".." => gap = 3,
                "..." => gap = 8,
                "...." => gap = 24,
                item => {
                    let (item, optional) =
                        item.strip_suffix('?').map_or((item, false), |item| (item, true));
                    if lexicon.item(item).is_none() {
                        lexicon.enter_item(item, &by_character(choices(item, vocabulary)?));
                    }
                    for element in lexicon.item(item).unwrap_or_default() {
                        steps.push(PhraseStep { gap, element: *element, optional });
                        gap = 0;
                    }
                }
            }
        }
        let Some(opening) = opening(&steps, gap) else {
            let problem = format!("the phrase `{text}` does not begin and end with a word");
            return Err(RuleFault::new(problem, "take gaps and optional words from its ends"));
        };
        Ok(Self { opening, steps, at_start, at_end })
    }

    /// The element that the phrase begins with.
    pub(super) const fn opening(&self) -> usize {
        self.opening
    }

    /// `true` if the phrase stands in the words whose elements were found at these positions.
    pub(super) fn matches(&self, found: &FoundWords<'_>, words: &ReplyWords<'_>) -> bool {
        if !found.has(self.opening)
            || self.steps.iter().any(|step| !step.optional && !found.has(step.element))
        {
            return false;
        }
        let advance = |at: Bits| at.next().without(words.breaks);
        let mut at = if self.at_start { Bits::one(0) } else { Bits::ALL };
        let mut last = Bits::NONE;
        for step in &self.steps {
            for _ in 0..step.gap {
                at = at.or(advance(at));
            }
            last = at.and(found.positions(step.element));
            if last.is_empty() && !step.optional {
                return false;
            }
            at = if step.optional { at.or(advance(last)) } else { advance(last) };
        }
        !self.at_end || !last.and(Bits::one(words.count.saturating_sub(1))).is_empty()
    }
}

/// The element of the first of these steps, after which so many words may follow; `None` if the
/// phrase has an open end.
fn opening(steps: &[PhraseStep], gap: usize) -> Option<usize> {
    let (first, last) = (steps.first()?, steps.last()?);
    let is_open = first.optional || first.gap > 0 || last.optional || gap > 0;
    (!is_open).then_some(first.element)
}

/// `text` with each choice that holds more than single words written out.
fn variants(text: &str) -> Result<Vec<String>, RuleFault> {
    let Some(open) = text.find('(') else {
        return Ok(vec![text.to_owned()]);
    };
    let close = closing(&text[open..]).map(|at| open + at).ok_or_else(|| {
        RuleFault::new(format!("a bracket is not closed in `{text}`"), "close every `(` with a `)`")
    })?;
    let (single, several): (Vec<&str>, Vec<&str>) = alternatives(&text[open + 1..close])
        .into_iter()
        .partition(|choice| !choice.contains([' ', '(']));
    let rest = &text[close + 1..];
    let (mark, rest) = rest.strip_prefix('?').map_or(("", rest), |rest| ("?", rest));
    let mut choices = Vec::new();
    if !single.is_empty() {
        choices.push(format!("({}){mark}", single.join("|")));
    }
    if !mark.is_empty() && single.is_empty() {
        choices.push(String::new());
    }
    for choice in several {
        choices.extend(variants(choice)?);
    }
    let mut all = Vec::new();
    for tail in variants(rest)? {
        all.extend(choices.iter().map(|choice| format!("{}{choice}{tail}", &text[..open])));
    }
    if all.len() > MAX_VARIANTS {
        let problem = format!("`{text}` has more than {MAX_VARIANTS} variants");
        return Err(RuleFault::new(problem, "make it two phrases, or a word class"));
    }
    Ok(all)
}

/// The offset at which the bracket that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// The texts between the bars of a choice.
fn alternatives(inside: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    inside
        .split(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == '|' && depth == 0
        })
        .collect()
}

/// The words that may stand at one place of a phrase.
fn choices(item: &str, vocabulary: &Vocabulary) -> Result<Vec<String>, RuleFault> {
    let inner = item.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let mut all = Vec::new();
    for choice in inner.map_or_else(|| vec![item], |inner| inner.split('|').collect()) {
        match choice.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(class) => all.extend(vocabulary.expand(class)?),
            None => all.push(vocabulary.word(choice)?),
        }
    }
    Ok(all)
}

/// One word is a word for each of its characters, in scripts that write no spaces.
fn by_character(choices: Vec<String>) -> Vec<Vec<String>> {
    match choices.as_slice() {
        [word] if word.chars().all(words::writes_no_spaces) => {
            word.chars().map(|c| vec![c.to_string()]).collect()
        }
        _ => vec![choices],
    }
}

/// The items of a phrase, two words that are merged in replies merged here as well.
fn items(text: &str, vocabulary: &Vocabulary) -> Result<Vec<String>, RuleFault> {
    let mut items: Vec<String> = Vec::new();
    for item in text.split_whitespace() {
        if !item.starts_with(|c: char| c.is_alphanumeric()) || item.ends_with('?') {
            items.push(item.to_owned());
            continue;
        }
        let word = vocabulary.word(item)?;
        match items.last_mut() {
            Some(first) if vocabulary.merges(first, &word) => first.push_str(&word),
            _ => items.push(word),
        }
    }
    Ok(items)
}
