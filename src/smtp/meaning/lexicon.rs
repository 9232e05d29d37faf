//! Every word that any phrase knows, found in one pass over a reply's words.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};

use super::bits::Bits;
use super::words::Words;

/// Gathers the words of all phrases.
#[derive(Debug, Default)]
pub(super) struct LexiconBuilder {
    words: HashMap<String, usize>,
    elements: HashMap<Vec<usize>, usize>,
}

impl LexiconBuilder {
    /// The number of the set of these words. Equal sets have equal numbers.
    pub(super) fn element(&mut self, words: &[String]) -> usize {
        let mut ids: Vec<usize> = words.iter().map(|word| self.word(word)).collect();
        ids.sort_unstable();
        ids.dedup();
        let next = self.elements.len();
        *self.elements.entry(ids).or_insert(next)
    }

    /// A word, or the beginning of one if it ends in `*`.
    fn word(&mut self, word: &str) -> usize {
        let pattern =
            word.strip_suffix('*').map_or_else(|| format!(" {word} "), |stem| format!(" {stem}"));
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
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(patterns)?;
        Ok(Lexicon { automaton, elements_of, elements: self.elements.len() })
    }
}

/// All words of all phrases, in one automaton.
#[derive(Debug)]
pub(super) struct Lexicon {
    automaton: AhoCorasick,
    elements_of: Vec<Vec<usize>>,
    elements: usize,
}

impl Lexicon {
    /// For each element, the positions at which one of its words stands.
    pub(super) fn find(&self, words: &Words) -> Vec<Bits> {
        let mut found = vec![Bits::NONE; self.elements];
        for hit in self.automaton.find_overlapping_iter(&words.joined) {
            let position = usize::from(words.position[hit.start() + 1]);
            for element in &self.elements_of[hit.pattern().as_usize()] {
                found[*element].insert(position);
            }
        }
        found
    }
}
