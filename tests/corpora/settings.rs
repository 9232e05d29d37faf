//! The two references of all settings, `src/config/settings.txt` and the tables of
//! `docs/configuration.md`, say what the comments of the configuration's types say.
//! `TEST_MAILVET_WRITE=1 cargo test --test corpora settings` writes both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailvet::config::Config;
use toml::{Table, Value};

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

/// The line of `docs/configuration.md` above what is generated.
const MARK: &str = "<!-- Below this line: generated from the comments in src/. -->\n";

const HOW: &str = "TEST_MAILVET_WRITE=1 cargo test --test corpora settings";

/// Compares a file with `text`, or writes it where the environment asks for that.
#[expect(clippy::disallowed_methods, reason = "a variable asks this test to write")]
fn hold(name: &str, text: &str) {
    let path = Path::new(ROOT).join(name);
    if std::env::var_os("TEST_MAILVET_WRITE").is_some() {
        std::fs::write(&path, text).expect("a writable file");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} is not what the types say; run {HOW}");
}

fn settings() -> (Vec<Definition>, String) {
    let all = definitions();
    let is_root = |of: &&Definition| of.file == "src/config.rs" && of.name == "Config";
    let root = all.iter().find(is_root).expect("the configuration");
    let mut text = String::new();
    write(&all, root, "", &mut text);
    (all, text)
}

#[test]
fn the_reference_of_the_settings_is_what_the_types_say() {
    let (_, text) = settings();
    assert!(text.contains("\nserver.limits.connections\n") && text.contains("identities[].name\n"));
    hold("src/config/settings.txt", &text);
}

/// One setting of the reference: its key, and what it means.
struct Setting {
    key: String,
    meaning: String,
}

/// The settings of the reference, in its order; the lines of each meaning joined.
fn parsed(text: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("    "), settings.last_mut()) {
            (Some(more), Some(setting)) => {
                let gap = if setting.meaning.is_empty() { "" } else { " " };
                setting.meaning += &format!("{gap}{}", more.trim());
            }
            (None, _) if !line.is_empty() => {
                settings.push(Setting { key: line.to_owned(), meaning: String::new() });
            }
            _ => {}
        }
    }
    settings
}

/// The default of a key, as it is written in the file; empty where nothing is set.
fn default(defaults: &Table, key: &str) -> String {
    let mut value: Option<&Value> = None;
    let mut table = Some(defaults);
    for part in key.split('.') {
        value = table.and_then(|table| table.get(part));
        table = value.and_then(Value::as_table);
    }
    match value {
        Some(Value::Array(items)) if items.len() > 2 => format!("{} entries", items.len()),
        Some(Value::Table(_)) | None => String::new(),
        Some(value) => format!("`{}`", value.to_string().replace('|', "\\|")),
    }
}

/// The tables of `docs/configuration.md`: one for each section.
fn tables(settings: &[Setting]) -> String {
    let defaults = Table::try_from(Config::default()).expect("defaults as TOML");
    let is_section = |key: &str| {
        let below = format!("{key}.");
        settings.iter().any(|other| other.key.starts_with(&below))
    };
    let sections = settings.iter().filter(|setting| is_section(&setting.key));
    let mut text = String::new();
    for section in sections {
        let prefix = format!("{}.", section.key);
        let own = settings.iter().filter(|setting| {
            let rest = setting.key.strip_prefix(&prefix);
            rest.is_some_and(|rest| !rest.contains('.')) && !is_section(&setting.key)
        });
        let rows: Vec<&Setting> = own.collect();
        if rows.is_empty() {
            continue;
        }
        write!(text, "\n## `[{}]`\n\n{}\n\n", section.key, section.meaning)
            .expect("a string takes all");
        text.push_str("| key | default | meaning |\n|---|---|---|\n");
        for Setting { key, meaning } in rows {
            let (name, default) = (&key[prefix.len()..], default(&defaults, key));
            writeln!(text, "| `{name}` | {default} | {} |", meaning.replace('|', "\\|"))
                .expect("a string takes all");
            let elements = format!("{key}[].");
            for element in settings.iter().filter(|other| other.key.starts_with(&elements)) {
                let name = &element.key[prefix.len()..];
                let meaning = element.meaning.replace('|', "\\|");
                writeln!(text, "| `{name}` | | {meaning} |").expect("a string takes all");
            }
        }
    }
    text
}

#[test]
fn the_documentation_has_every_setting_with_its_default_and_its_meaning() {
    let (_, text) = settings();
    let settings = parsed(&text);
    let tables = tables(&settings);
    for Setting { key, .. } in &settings {
        let (_, name) = key.rsplit_once('.').unwrap_or(("", key));
        let is_there = ["`", "]`"].iter().any(|end| tables.contains(&format!("{name}{end}")));
        assert!(is_there, "{key} is missing");
    }
    assert!(tables.contains("| `port` | `25` |") && tables.contains("## `[prober.pacing]`"));
    let path = Path::new(ROOT).join("docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, _) = page.split_once(MARK).expect("the line above what is generated");
    hold("docs/configuration.md", &format!("{head}{MARK}{tables}"));
}
