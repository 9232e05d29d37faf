//! Mails from files, mboxes and Maildirs.

use std::fs::{self, File};
use std::io::{self, BufRead, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::unpacked;
use crate::outcomes::bounce::MAX_MAIL;

/// The files of a folder: of a Maildir those in `new` and `cur`, else those in the folder itself,
/// in the order of their names.
pub(super) fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("{} cannot be read", folder.display());
    let parts = [folder.join("new"), folder.join("cur")];
    let is_maildir = parts.iter().any(|part| part.is_dir());
    let folders: Vec<&Path> = match is_maildir {
        true => parts.iter().map(PathBuf::as_path).filter(|part| part.is_dir()).collect(),
        false => vec![folder],
    };
    let mut files = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The part of a mail that is read: the rest of a large one matters to nobody.
pub(super) fn read_mail(file: &Path) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    unpacked::open(File::open(file)?)?.take(MAX_MAIL as u64).read_to_end(&mut mail)?;
    Ok(mail)
}

/// Gives each mail of an mbox to `each`, with its number.
pub(super) fn split_mbox(
    mut input: impl BufRead,
    mut each: impl FnMut(u64, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut mail, mut line) = (Vec::new(), Vec::new());
    let (mut number, mut is_after_blank) = (0, true);
    loop {
        line.clear();
        // A line without an end is cut, like a mail.
        let read = input.by_ref().take(MAX_MAIL as u64).read_until(b'\n', &mut line)?;
        let begins = line.starts_with(b"From ") && is_after_blank;
        if (begins || read == 0) && number > 0 {
            each(number, &mail)?;
        }
        if read == 0 {
            return Ok(());
        }
        is_after_blank = line.iter().all(u8::is_ascii_whitespace);
        if begins {
            mail.clear();
            number += 1;
        } else if mail.len() + line.len() <= MAX_MAIL {
            // `>From ` is a quoted `From `.
            let quotes = line.iter().take_while(|b| **b == b'>').count();
            let is_quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            mail.extend_from_slice(&line[usize::from(is_quoted)..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_split_at_its_from_lines() {
        let mbox =
            "From a Sat\nSubject: 1\n\n>From the start\nFrom here on\n\nFrom b Sat\nSubject: 2\n";
        let mut mails = Vec::new();
        let each = |number, mail: &[u8]| {
            mails.push((number, String::from_utf8(mail.to_vec()).unwrap()));
            Ok(())
        };
        split_mbox(mbox.as_bytes(), each).unwrap();
        let first = "Subject: 1\n\nFrom the start\nFrom here on\n\n";
        assert_eq!(mails, [(1, first.to_owned()), (2, "Subject: 2\n".to_owned())]);
    }
}
