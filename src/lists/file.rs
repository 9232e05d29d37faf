//! The format of list files: names to add, names to remove, and a head with licence and date.
//!
//! One name a line. `-name` or `!name` takes a name out that we list. `#` begins a comment; the
//! comments `# licence: …` and `# date: YYYY-MM-DD` are read. A domain may be written in Unicode
//! (RFC 5890 U-labels); it is kept as DNS carries it. Reading files is not done here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::kind::ListKind;
use super::normal_form::{MAX_LOCAL, fold};

/// The largest list file taken, in bytes: some three million domains.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;

/// An error in a list file or the lists folder, with file, line and remedy.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The folder or a file could not be read.
    #[error("cannot read the lists at {}: {source}; check that the path exists and may be read", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is larger than [`MAX_FILE`].
    #[error("{}: {bytes} bytes are more than a list may have ({MAX_FILE}); leave names out", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file is not UTF-8.
    #[error("{}:{line}: the text is not UTF-8; save the file as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not UTF-8, from 1.
        line: usize,
    },
    /// A `.txt` file whose name is none of ours.
    #[error("{}: no list has this name; rename it to role.txt, free.txt, disposable.txt, disposable_exchangers.txt or relay.txt, or move it elsewhere", path.display())]
    UnknownFile {
        /// The file.
        path: PathBuf,
    },
    /// A line that is no entry of its list.
    #[error("{}:{line}: {entry:?} {fault}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The entry, without sign and comment.
        entry: String,
        /// The fault and its remedy.
        fault: LineFault,
    },
}

/// The faults that a line of a list file can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// An address where a domain or a local part is wanted.
    #[error("is an address; write only the part this list is about, without the @")]
    Address,
    /// A wildcard.
    #[error(
        "has a wildcard; write the domain alone, its subdomains are included where that is meant"
    )]
    Wildcard,
    /// Not a domain name of two labels or more.
    #[error("is not a domain name; write one such as example.com")]
    NotADomain,
    /// Not a local part a role list can hold.
    #[error(
        "is not a role name; write letters, digits, hyphens, dots or underscores, at most 64 bytes"
    )]
    NotARole,
    /// Added and removed in the same file.
    #[error(
        "is added here and removed on line {other}, or the reverse; delete one of the two lines"
    )]
    Contradiction {
        /// The other line, from 1.
        other: usize,
    },
}

/// The entries of one list file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListEntries {
    /// Names to add, in the form they are looked up in.
    pub(super) added: Vec<String>,
    /// Names to take out, in the same form.
    pub(super) removed: Vec<String>,
    /// The text after `# licence:`.
    pub(super) licence: Option<String>,
    /// The text after `# date:`.
    pub(super) date: Option<String>,
}

impl ListEntries {
    /// Reads the `text` of the file at `path` as a list of `kind`.
    ///
    /// # Errors
    /// The first [`ListError::Line`].
    pub(super) fn parse(kind: ListKind, path: &Path, text: &str) -> Result<Self, ListError> {
        let mut entries = Self::default();
        let mut seen: HashMap<String, (bool, usize)> = HashMap::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
            let entry = entry.trim();
            if entry.is_empty() {
                entries.read_head(comment);
                continue;
            }
            let (removes, name) = match entry.strip_prefix(['-', '!']) {
                Some(name) => (true, name.trim_start()),
                None => (false, entry),
            };
            let place = index + 1;
            let fault = |fault| ListError::Line {
                path: path.to_owned(),
                line: place,
                entry: name.to_owned(),
                fault,
            };
            let name = normal_form(kind, name).map_err(fault)?;
            match seen.get(&name) {
                Some(&(removed, other)) if removed != removes => {
                    return Err(fault(LineFault::Contradiction { other }));
                }
                Some(_) => {}
                None => {
                    seen.insert(name.clone(), (removes, place));
                    let names = if removes { &mut entries.removed } else { &mut entries.added };
                    names.push(name);
                }
            }
        }
        Ok(entries)
    }

    fn read_head(&mut self, comment: &str) {
        let Some((key, value)) = comment.split_once(':') else { return };
        let slot = match key.trim() {
            "licence" | "license" => &mut self.licence,
            "date" => &mut self.date,
            _ => return,
        };
        slot.get_or_insert_with(|| value.trim().to_owned());
    }
}

/// The form `name` is looked up in.
fn normal_form(kind: ListKind, name: &str) -> Result<String, LineFault> {
    if name.contains('@') {
        return Err(LineFault::Address);
    }
    if name.contains('*') {
        return Err(LineFault::Wildcard);
    }
    match kind {
        ListKind::Role => role(name).ok_or(LineFault::NotARole),
        _ => domain(name).ok_or(LineFault::NotADomain),
    }
}

/// A role as it is looked up: words of letters and digits, a hyphen between them.
fn role(name: &str) -> Option<String> {
    let mut buffer = [0; MAX_LOCAL];
    let folded = if name.contains('+') { None } else { fold(name, &mut buffer) }?;
    let word = |word: &str| !word.is_empty() && word.chars().all(char::is_alphanumeric);
    folded.split('-').all(word).then(|| folded.to_owned())
}

/// A domain in A-label form, lower case, without a trailing dot; at least two labels, and no
/// address literal.
fn domain(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let ascii = Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?;
    let (_, last) = ascii.rsplit_once('.')?;
    (!last.bytes().all(|b| b.is_ascii_digit())).then(|| ascii.into_owned())
}
