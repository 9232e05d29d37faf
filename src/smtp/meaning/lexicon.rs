//! The words of all phrases, found in one pass over a reply's words.

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use foldhash::HashMap;

use super::bits::{Bits, ones};
use super::words::{self, ReplyWords};

/// Words that are found in most replies at most.
const FOUND: usize = 32;

/// Gathers the words of all phrases.
#[derive(Debug, Default)]
pub(super) struct LexiconBuilder {
    words: HashMap<String, usize>,
    elements: HashMap<Vec<usize>, usize>,
    /// The elements of items of phrases: a class stands in many.
    items: HashMap<String, Vec<usize>>,
    boilerplate: Vec<usize>,
}

impl LexiconBuilder {
    /// Enters words, a blank between them, that are not to be read where they stand together.
    pub(super) fn ignore(&mut self, words: &str) {
        let id = self.word(words);
        self.boilerplate.push(id);
    }

    /// The elements that the item `text` of a phrase stands for, if it was entered before.
    pub(super) fn item(&self, text: &str) -> Option<&[usize]> {
        self.items.get(text).map(Vec::as_slice)
    }

    /// Enters an item of a phrase, given the words of each of its elements.
    pub(super) fn enter_item(&mut self, text: &str, choices: &[Vec<String>]) {
        let elements = choices.iter().map(|words| self.element(words)).collect();
        self.items.insert(text.to_owned(), elements);
    }

    /// The number of the set of these words. Equal sets have equal numbers.
    fn element(&mut self, words: &[String]) -> usize {
        let mut ids: Vec<usize> = words.iter().map(|word| self.word(word)).collect();
        ids.sort_unstable();
        ids.dedup();
        let next = self.elements.len();
        *self.elements.entry(ids).or_insert(next)
    }

    /// A word, or the beginning of one if it ends in `*`.
    fn word(&mut self, word: &str) -> usize {
        let pattern = match word.strip_suffix('*') {
            Some(stem) => format!(" {stem}"),
            None if word.chars().all(words::writes_no_spaces) => {
                word.chars().fold(" ".to_owned(), |all, c| format!("{all}{c} "))
            }
            None => format!(" {word} "),
        };
        let next = self.words.len();
        *self.words.entry(pattern).or_insert(next)
    }

    /// Compiles.
    pub(super) fn build(self) -> Result<Lexicon, BuildError> {
        let mut patterns = vec![String::new(); self.words.len()];
        for (pattern, id) in self.words {
            patterns[id] = pattern;
        }
        let mut elements_of = vec![Vec::new(); patterns.len()];
        for (ids, element) in &self.elements {
            for id in ids {
                elements_of[*id].push(*element);
            }
        }
        elements_of.iter_mut().for_each(|elements| elements.sort_unstable());
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(patterns)?;
        let mut is_boilerplate = vec![false; elements_of.len()];
        for id in self.boilerplate {
            is_boilerplate[id] = true;
        }
        Ok(Lexicon { automaton, elements_of, elements: self.elements.len(), is_boilerplate })
    }
}

/// All words of all phrases, in one automaton.
#[derive(Debug)]
pub(super) struct Lexicon {
    automaton: AhoCorasick,
    /// For each word the elements it belongs to, in ascending order.
    elements_of: Vec<Vec<usize>>,
    elements: usize,
    /// For each word: it is not read, and nothing in it.
    is_boilerplate: Vec<bool>,
}

impl Lexicon {
    /// The number of elements.
    pub(super) const fn elements(&self) -> usize {
        self.elements
    }

    /// The words that stand in a reply, and where.
    pub(super) fn find(&self, words: &ReplyWords<'_>) -> FoundWords<'_> {
        let present = vec![0; self.elements.div_ceil(64)];
        let mut found = FoundWords { lexicon: self, words: Vec::with_capacity(FOUND), present };
        let mut ignored = Bits::NONE;
        for hit in self.automaton.find_overlapping_iter(&words.joined) {
            let text = &words.joined[hit.start()..hit.end()];
            // The last character of the last word: a phrase goes on after it.
            let last = usize::from(words.position[hit.start() + text.trim_end().len() - 1]);
            if self.is_boilerplate[hit.pattern().as_usize()] {
                let first = usize::from(words.position[hit.start() + 1]);
                (first..=last).for_each(|position| ignored.insert(position));
            } else {
                found.insert(hit.pattern().as_usize(), last);
            }
        }
        if !ignored.is_empty() {
            found.words.iter_mut().for_each(|(_, at)| *at = at.without(ignored));
        }
        found
    }
}

/// The words that were found: few, of which many elements are made. Most questions about an element
/// are whether any of its words stands there at all.
#[derive(Debug)]
pub(super) struct FoundWords<'a> {
    lexicon: &'a Lexicon,
    words: Vec<(usize, Bits)>,
    /// A bit for each element: one of its words was found.
    present: Vec<u64>,
}

impl FoundWords<'_> {
    fn insert(&mut self, word: usize, position: usize) {
        if let Some((_, positions)) = self.words.iter_mut().find(|(known, _)| *known == word) {
            return positions.insert(position);
        }
        self.words.push((word, Bits::one(position)));
        for element in &self.lexicon.elements_of[word] {
            self.present[element / 64] |= 1 << (element % 64);
        }
    }

    /// `true` if one of the element's words was found.
    pub(super) fn has(&self, element: usize) -> bool {
        self.present[element / 64] >> (element % 64) & 1 == 1
    }

    /// The elements of which a word was found, of those that have a bit in `wanted`.
    pub(super) fn elements(&self, wanted: &[u64]) -> impl Iterator<Item = usize> {
        let present = self.present.iter().zip(wanted).map(|(present, wanted)| present & wanted);
        present.enumerate().flat_map(|(word, bits)| ones(bits).map(move |bit| word * 64 + bit))
    }

    /// The positions at which one of the element's words stands.
    pub(super) fn positions(&self, element: usize) -> Bits {
        let elements_of = &self.lexicon.elements_of;
        self.words
            .iter()
            .filter(|(word, _)| elements_of[*word].binary_search(&element).is_ok())
            .fold(Bits::NONE, |all, (_, positions)| all.or(*positions))
    }
}
