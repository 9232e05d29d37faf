//! The form of comments: their width, and how the first line of a doc comment begins.

use std::path::Path;

use crate::house::{House, relative, rust_files};

/// The widest comment line, in characters.
const WIDTH: usize = 100;

/// The largest share of doc comments that may open with one of [`OPENINGS`], in percent.
const MOST: f64 = 6.0;

/// Lines that are still too wide; none may come.
const MOST_WIDE: usize = 1;

/// A noun phrase or a verb says what a thing is or does; these begin a riddle.
const OPENINGS: [&str; 12] = [
    "What", "Who", "Whom", "Whose", "Whoever", "Whatever", "Whether", "How", "When", "Where",
    "That", "So many",
];

/// The first lines of the doc comments in `text`, up to its tests.
fn first_lines(text: &str) -> Vec<&str> {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut lines = Vec::new();
    let mut is_inside = false;
    for line in product.lines().map(str::trim_start) {
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
        lines.extend(doc.filter(|doc| !is_inside && !doc.is_empty()));
        is_inside = doc.is_some();
    }
    lines
}

fn opens_with_a_riddle(line: &str) -> bool {
    OPENINGS.iter().any(|word| {
        let rest = line.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[test]
fn doc_comments_open_with_a_noun_phrase_or_a_verb() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut all, mut riddles) = (0_u32, Vec::new());
    for source in House::get().product() {
        let text = std::fs::read_to_string(root.join(&source.name)).expect("a readable file");
        for line in first_lines(&text) {
            all += 1;
            if opens_with_a_riddle(line) {
                riddles.push(format!("{}: {line}", source.name));
            }
        }
    }
    let share = 100.0 * riddles.len() as f64 / f64::from(all.max(1));
    println!(
        "doc comments that open with What, Who, Whether, How or the like: {share:.1} % of {all}"
    );
    assert!(all > 1000, "the comments were not found");
    assert!(share <= MOST, "{share:.1} % open with a riddle:\n  {}", riddles.join("\n  "));
}

#[test]
fn comment_lines_keep_their_width() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut violations = Vec::new();
    for folder in ["src", "tests", "benches", "examples"] {
        for file in rust_files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).expect("a readable file");
            for (at, line) in text.lines().enumerate() {
                if line.trim_start().starts_with("//") && line.chars().count() > WIDTH {
                    violations.push(format!("{}:{}", relative(&file, root), at + 1));
                }
            }
        }
    }
    println!("comment lines over {WIDTH} columns: {}", violations.len());
    let is_more = violations.len() > MOST_WIDE;
    assert!(!is_more, "comment lines over {WIDTH} columns:\n  {}", violations.join("\n  "));
}

#[test]
fn an_opening_is_a_whole_word_of_a_first_line() {
    let text = "//! A head.\n//! What follows does not count.\n\n/// Whether it is.\nfn f() {}\n\
                /// Whatsoever\nfn g() {}\n#[cfg(test)]\nmod tests { /// How\n }";
    let lines = first_lines(text);
    assert_eq!(lines, ["A head.", "Whether it is.", "Whatsoever"]);
    let riddles: Vec<bool> = lines.into_iter().map(opens_with_a_riddle).collect();
    assert_eq!(riddles, [false, true, false]);
}
