//! The providers' rules for names, one function each. `name` is a local part without quotes and
//! without its tag.

/// The rule of `provider` that `name` breaks, and whether it held for every account ever given
/// out.
pub(super) fn broken(provider: &str, name: &str) -> Option<(&'static str, bool)> {
    let today = |rule: &'static str| (rule, false);
    match provider {
        "gmail" => gmail(name),
        "outlook" => outlook(name).map(today),
        "yahoo" => yahoo(name).map(today),
        "aol" => aol(name).map(today),
        "icloud" => icloud(name).map(today),
        _ => None,
    }
}

/// support.google.com/mail/answer/9211434: what a name *cannot* contain, for all names alike. The
/// same page lets names begin or end with other characters, so there nothing is certain; nor are
/// short names, which its first users may have.
fn gmail(name: &str) -> Option<(&'static str, bool)> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '.';
    if !name.chars().all(is_allowed) {
        let inner = name.trim_matches(|c: char| !is_allowed(c));
        let certain = inner.chars().any(|c| !is_allowed(c) && !may_stand_for_another(c));
        return Some(("Gmail names hold only letters, digits and dots", certain));
    }
    match name.chars().filter(|c| *c != '.').count() {
        0..6 => Some(("Gmail names have at least 6 letters and digits", false)),
        6..=30 => None,
        _ => Some(("Gmail names have at most 30 letters and digits", true)),
    }
}

/// `true` for what a program or another keyboard sets in the place of a sign or a letter: a mark
/// beyond ASCII, an apostrophe that is a letter, a wide form. The mailbox behind it may exist.
fn may_stand_for_another(c: char) -> bool {
    let is_letter = c.is_alphanumeric() && !matches!(c, '\u{2bc}' | '\u{ff01}'..='\u{ff5e}');
    !c.is_ascii() && !is_letter
}

/// support.microsoft.com, "Create a new Outlook.com account".
fn outlook(name: &str) -> Option<&'static str> {
    if !in_alphabet(name, "._-") {
        return Some("Outlook names hold only letters, digits, dots, hyphens and underscores");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("Outlook names begin with a letter");
    }
    if name.contains("..") || name.ends_with('.') {
        return Some("Outlook names hold no two dots in a row and do not end with one");
    }
    None
}

/// help.yahoo.com, "Create a Yahoo username".
fn yahoo(name: &str) -> Option<&'static str> {
    if !in_alphabet(name, "._") {
        return Some("Yahoo names hold only letters, digits, underscores and one dot");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("Yahoo names begin with a letter");
    }
    if name.ends_with(['.', '_']) {
        return Some("Yahoo names end with a letter or a digit");
    }
    if name.matches('.').count() > 1 || name.contains("__") || name.contains("._") {
        return Some("Yahoo names hold one dot at most and no two marks in a row");
    }
    (!(4..=32).contains(&name.len())).then_some("Yahoo names have 4 to 32 characters")
}

/// help.aol.com, "Create an AOL username".
fn aol(name: &str) -> Option<&'static str> {
    if !in_alphabet(name, "._") {
        return Some("AOL names hold only letters, digits, underscores and one dot");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("AOL names begin with a letter");
    }
    if name.ends_with(['.', '_']) {
        return Some("AOL names end with a letter or a digit");
    }
    if name.matches(['.', '_']).count() > 1 {
        return Some("AOL names hold one dot or underscore at most");
    }
    (!(3..=32).contains(&name.len())).then_some("AOL names have 3 to 32 characters")
}

/// support.apple.com, "Create a primary email address for iCloud Mail".
fn icloud(name: &str) -> Option<&'static str> {
    if !in_alphabet(name, "._-") {
        return Some("iCloud names hold only letters, digits, dots, underscores and hyphens");
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("iCloud names begin with a letter");
    }
    if name.ends_with(['.', '_', '-']) {
        return Some("iCloud names end with a letter or a digit");
    }
    (!(3..=20).contains(&name.len())).then_some("iCloud names have 3 to 20 characters")
}

fn in_alphabet(name: &str, marks: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}
