//! `src/config/settings.txt`, the reference of all settings, says what the comments of the
//! configuration's types say. `TEST_MAILVET_WRITE=1 cargo test --test corpora settings` writes it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A struct of the configuration, as its source has it.
struct Definition {
    file: String,
    name: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    kind: String,
    comment: Vec<String>,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable file") {
        let path = entry.expect("a readable file").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The structs that serde reads key by key. The sources are formatted: a field is a line.
fn definitions() -> Vec<Definition> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let file = path.strip_prefix(ROOT).expect("below the root").to_string_lossy().into_owned();
        let mut lines = text.lines();
        let mut is_read = false;
        while let Some(line) = lines.next() {
            is_read |= line.starts_with("#[derive(") && line.contains("Deserialize");
            let name = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {"));
            if let Some(name) = name.filter(|_| is_read) {
                let fields = fields(lines.by_ref().take_while(|line| *line != "}"));
                found.push(Definition { file: file.clone(), name: name.to_owned(), fields });
            }
            is_read &= line.starts_with("#[");
        }
    }
    found
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut comment = Vec::new();
    for line in lines.map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim().to_owned());
        } else if let Some((name, kind)) =
            line.strip_prefix("pub ").and_then(|field| field.split_once(": "))
        {
            let kind = kind.trim_end_matches(',').to_owned();
            let comment = std::mem::take(&mut comment);
            fields.push(Field { name: name.to_owned(), kind, comment });
        }
    }
    fields
}

/// The struct that a field of `file` means by this type, if it is one.
fn definition<'a>(all: &'a [Definition], kind: &str, file: &str) -> Option<&'a Definition> {
    let mut path: Vec<&str> = kind.split("::").collect();
    let name = path.pop()?;
    let room = file.split('/').nth(1).unwrap_or_default();
    let named = |definition: &&Definition| {
        let file = definition.file.trim_end_matches(".rs");
        definition.name == name && path.iter().all(|room| file.split('/').any(|part| part == *room))
    };
    let mut found: Vec<&Definition> = all.iter().filter(named).collect();
    if path.is_empty() && found.len() > 1 {
        found.retain(|definition| definition.file.split('/').nth(1) == Some(room));
    }
    let depth = |definition: &Definition| definition.file.split('/').count();
    let least = found.iter().map(|definition| depth(definition)).min();
    found.retain(|definition| Some(depth(definition)) == least);
    assert!(found.len() < 2, "{kind} in {file} means more than one struct");
    found.pop()
}

fn write(all: &[Definition], of: &Definition, prefix: &str, text: &mut String) {
    for field in &of.fields {
        let listed = field.kind.strip_prefix("Vec<").and_then(|kind| kind.strip_suffix('>'));
        let optional = field.kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>'));
        let kind = listed.or(optional).unwrap_or(&field.kind);
        let path = format!("{prefix}{}", field.name);
        writeln!(text, "{path}").expect("a string takes all");
        for line in &field.comment {
            writeln!(text, "{}", format!("    {line}").trim_end()).expect("a string takes all");
        }
        if let Some(inner) = definition(all, kind, &of.file) {
            let mark = if listed.is_some() { "[]." } else { "." };
            write(all, inner, &format!("{path}{mark}"), text);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a variable asks this test to write")]
fn the_reference_of_the_settings_is_what_the_types_say() {
    let all = definitions();
    let root = all.iter().find(|of| of.file == "src/config.rs" && of.name == "Config").unwrap();
    let mut text = String::new();
    write(&all, root, "", &mut text);
    assert!(text.contains("\nserver.limits.connections\n") && text.contains("identities[].name\n"));
    let path = Path::new(ROOT).join("src/config/settings.txt");
    if std::env::var_os("TEST_MAILVET_WRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let how = "TEST_MAILVET_WRITE=1 cargo test --test corpora settings";
    assert!(kept == text, "src/config/settings.txt is not what the types say; run {how}");
}
