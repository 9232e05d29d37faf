//! Rules by the words that their phrases begin with: of all rules a reply concerns a few.

use super::bits::ones;
use super::lexicon::FoundWords;
use super::rule::Rule;

/// The rules that a reply's words can concern, by what their phrases begin with.
#[derive(Debug)]
pub(super) struct RuleIndex {
    /// For each element the rules with a phrase that begins with it.
    by_element: Vec<Vec<usize>>,
    /// A bit for each element: some phrase begins with it.
    openings: Vec<u64>,
    /// A bit for each rule: it has no phrases, so that words do not matter to it.
    wordless: Vec<u64>,
}

impl RuleIndex {
    pub(super) fn new(rules: &[Rule], elements: usize) -> Self {
        let mut by_element = vec![Vec::new(); elements];
        let mut wordless = vec![0; rules.len().div_ceil(64)];
        for (number, rule) in rules.iter().enumerate() {
            if rule.phrases.is_empty() {
                wordless[number / 64] |= 1 << (number % 64);
            }
            for phrase in &rule.phrases {
                let rules: &mut Vec<usize> = &mut by_element[phrase.opening()];
                if rules.last() != Some(&number) {
                    rules.push(number);
                }
            }
        }
        let mut openings = vec![0; elements.div_ceil(64)];
        for (element, _) in by_element.iter().enumerate().filter(|(_, rules)| !rules.is_empty()) {
            openings[element / 64] |= 1 << (element % 64);
        }
        Self { by_element, openings, wordless }
    }

    /// The numbers of the rules that these words can concern, in ascending order.
    pub(super) fn candidates(&self, found: &FoundWords<'_>) -> impl Iterator<Item = usize> + use<> {
        let mut candidates = self.wordless.clone();
        for element in found.elements(&self.openings) {
            for number in &self.by_element[element] {
                candidates[number / 64] |= 1 << (number % 64);
            }
        }
        candidates
            .into_iter()
            .enumerate()
            .flat_map(|(word, bits)| ones(bits).map(move |bit| word * 64 + bit))
    }
}
