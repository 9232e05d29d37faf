//! The configuration as a file with every key: what is set, and as comments what is not, each with
//! its meaning.
//!
//! The meanings are those of the configuration's types: `settings.txt` is made from their comments,
//! and a test (`tests/corpora/settings.rs`) holds the two together.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::Config;

/// Every key with its meaning, in the order of the types.
const SETTINGS: &str = include_str!("settings.txt");

/// The longest line of a comment, in characters.
const LONGEST_LINE: usize = 92;

/// A key, and what it means.
struct Setting<'a> {
    path: &'a str,
    meaning: Vec<&'a str>,
}

fn settings() -> Vec<Setting<'static>> {
    let mut settings: Vec<Setting<'static>> = Vec::new();
    for line in SETTINGS.lines() {
        match (line.strip_prefix("    "), settings.last_mut()) {
            (Some(meaning), Some(setting)) => setting.meaning.push(meaning),
            (None, _) if !line.is_empty() => {
                settings.push(Setting { path: line, meaning: Vec::new() });
            }
            _ => {}
        }
    }
    settings
}

/// The configuration as TOML that can be read back, with every key that there is.
///
/// # Errors
///
/// If a value cannot be written as TOML.
pub fn commented(config: &Config) -> Result<String, toml::ser::Error> {
    let table = Table::try_from(config)?;
    let settings = settings();
    let mut text = String::new();
    section(&settings, "", &table, &mut text);
    Ok(text)
}

/// The keys right below `prefix`, values first, as TOML wants it.
fn section(settings: &[Setting<'_>], prefix: &str, table: &Table, text: &mut String) {
    let own = |setting: &&Setting<'_>| {
        setting.path.strip_prefix(prefix).is_some_and(|rest| !rest.contains('.'))
    };
    let is_section = |setting: &&Setting<'_>| {
        let below = format!("{}.", setting.path);
        settings.iter().any(|other| other.path.starts_with(&below))
    };
    let (sections, values): (Vec<&Setting<'_>>, Vec<_>) =
        settings.iter().filter(own).partition(is_section);
    let mut lists = Vec::new();
    for setting in values {
        let name = &setting.path[prefix.len()..];
        let elements = elements(settings, setting.path);
        match table.get(name) {
            Some(Value::Array(items)) if !elements.is_empty() && !items.is_empty() => {
                lists.push((setting, items, elements));
            }
            value => {
                comment(&setting.meaning, "# ", "# ", text);
                comment_elements(&elements, text);
                // Writing to a String cannot fail.
                let _ = match value {
                    Some(value) => writeln!(text, "{name} = {value}"),
                    None => writeln!(text, "# {name} ="),
                };
            }
        }
    }
    for (setting, items, elements) in lists {
        text.push('\n');
        comment(&setting.meaning, "# ", "# ", text);
        comment_elements(&elements, text);
        for item in items {
            let _ = writeln!(text, "[[{}]]", setting.path);
            for (name, value) in item.as_table().into_iter().flatten() {
                let _ = writeln!(text, "{name} = {value}");
            }
        }
    }
    for setting in sections {
        let name = &setting.path[prefix.len()..];
        if !text.is_empty() {
            text.push('\n');
        }
        comment(&setting.meaning, "# ", "# ", text);
        let _ = writeln!(text, "[{}]", setting.path);
        let below = table.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        section(settings, &format!("{}.", setting.path), &below, text);
    }
}

/// Writes the lines as one paragraph, behind `first` and then behind `next`: where they end is a
/// matter of the source that they come from.
fn comment(lines: &[&str], first: &str, next: &str, text: &mut String) {
    let mut line = first.to_owned();
    let mut is_begun = false;
    for word in lines.iter().flat_map(|line| line.split_whitespace()) {
        if is_begun && line.chars().count() + 1 + word.chars().count() > LONGEST_LINE {
            let _ = writeln!(text, "{line}");
            next.clone_into(&mut line);
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    if is_begun {
        let _ = writeln!(text, "{line}");
    }
}

/// The keys of each element of a list, by name.
fn elements<'a>(settings: &'a [Setting<'a>], list: &str) -> Vec<(&'a str, &'a Setting<'a>)> {
    let prefix = format!("{list}[].");
    let named = settings.iter().map(|setting| (setting.path.strip_prefix(&prefix), setting));
    named.filter_map(|(name, setting)| Some((name?, setting))).collect()
}

fn comment_elements(elements: &[(&str, &Setting<'_>)], text: &mut String) {
    for (name, setting) in elements {
        comment(&setting.meaning, &format!("#   {name}: "), "#     ", text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_the_configuration_it_was_made_from() {
        let text = "[server]\nlisten = \"127.0.0.1:7\"\n[smtp]\nhelo_name = \"a.example.com\"\n\
                    [policy.actions]\ncatch_all = \"send\"\n[[prober.identities]]\nname = \"a\"\n\
                    socks5 = { address = \"192.0.2.9:1080\" }\n[[prober.identities]]\nname = \"b\"\n\
                    [doctor.public_addresses]\na = [\"192.0.2.1\"]\n";
        for config in [Config::default(), toml::from_str(text).unwrap()] {
            let page = commented(&config).unwrap();
            assert_eq!(toml::from_str::<Config>(&page).unwrap(), config, "{page}");
        }
    }

    #[test]
    fn comments_are_paragraphs_of_whole_lines() {
        let page = commented(&Config::default()).unwrap();
        assert!(page.starts_with("# "), "{page}");
        let (mut before, mut cut) = ("", Vec::new());
        for line in page.lines() {
            let is_prose = |line: &str| line.starts_with("# ") && !line.ends_with('=');
            let word = line.trim_start_matches(['#', ' ']).split(' ').next().unwrap_or_default();
            let fits = before.chars().count() + 1 + word.chars().count() <= LONGEST_LINE;
            let is_element = word.ends_with(':');
            if is_prose(before) && is_prose(line) && !is_element && fits {
                cut.push(before);
            }
            assert!(line.chars().count() <= LONGEST_LINE || !is_prose(line), "{line}");
            before = line;
        }
        assert!(cut.is_empty(), "{cut:#?}");
    }

    #[test]
    fn every_key_stands_on_the_page_and_what_is_not_set_is_a_comment() {
        let page = commented(&Config::default()).unwrap();
        for setting in settings() {
            let name = setting.path.rsplit(['.', ']']).next().unwrap();
            assert!(page.contains(name), "{}", setting.path);
            assert!(!setting.meaning.is_empty(), "{} has no meaning", setting.path);
        }
        for unset in ["# api_keys =", "# helo_name =", "# data_dir =", "# endpoint =", "# key ="] {
            assert!(page.lines().any(|line| line == unset), "{unset}\n{page}");
        }
        assert!(page.contains("\n[server.limits]\n") && page.contains("\nport = 25\n"), "{page}");
    }
}
