//! A claim about `docs/architecture.md`: the functions it walks through are where it says.

use std::path::Path;

#[test]
fn every_function_of_the_guide_is_in_its_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide =
        std::fs::read_to_string(root.join("docs/architecture.md")).expect("a readable file");
    let mut rows = 0;
    let mut missing = Vec::new();
    for line in guide.lines() {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, _, file, function, _, _] = cells[..] else { continue };
        if !file.starts_with("src/") {
            continue;
        }
        rows += 1;
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let is_there = [format!("fn {function}("), format!("fn {function}<")]
            .iter()
            .any(|start| source.contains(start.as_str()));
        if !is_there {
            missing.push(format!("{file} has no function {function}"));
        }
    }
    assert!(rows > 15, "the guide's tables were not found");
    super::assert_none(&missing, "docs/architecture.md walks through functions that exist");
}
