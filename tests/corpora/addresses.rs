//! Reads `tests/corpus/addresses.jsonl`: addresses that the standards decide, one a line, each
//! with the clause that decides it.

use mailvet::address::Address;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    address: String,
    /// The reason's stable name, for an address that is not valid.
    #[serde(default)]
    refused: Option<String>,
    source: String,
}

#[test]
fn the_corpus_is_judged_as_its_sources_say() {
    let corpus = include_str!("../corpus/addresses.jsonl");
    let mut count = 0;
    for (number, line) in corpus.lines().enumerate() {
        let case: Case =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}", number + 1));
        let refused = Address::parse(&case.address).err().map(|error| error.kind.name());
        assert_eq!(refused, case.refused.as_deref(), "line {}: {}", number + 1, case.source);
        assert!(!case.source.is_empty());
        count += 1;
    }
    assert!(count > 100, "only {count} cases were read");
}
