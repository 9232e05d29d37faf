//! One source of outcomes: opened, recognised, and read item by item.

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use serde_json::{Deserializer, Value};

use super::line::read_line;
use super::{mails, unpacked};
use crate::outcomes::OutcomeKind;
use crate::outcomes::bounce::MAX_MAIL;
use crate::outcomes::readers::{self, ReadItem, SourceForm};
use crate::smtp::Classifier;

/// Number of bytes of one line that are read.
const MAX_LINE: usize = 1024 * 1024;

/// Number of lines of other programs that a log may begin with.
const MAX_FOREIGN: usize = 1000;

/// The reader of sources.
pub(super) struct SourceReader<'a> {
    pub(super) classifier: &'a Classifier,
    /// The kind of rows that name none.
    pub(super) kind: OutcomeKind,
    pub(super) now: SystemTime,
}

/// Takes an item and the place where it stands.
pub(super) type EachItem<'e> = dyn FnMut(&str, u64, ReadItem) -> anyhow::Result<()> + 'e;

impl SourceReader<'_> {
    /// Reads a source to its end.
    pub(super) fn read(&self, source: &Path, each: &mut EachItem<'_>) -> anyhow::Result<()> {
        if source == Path::new("-") {
            return self.read_stream("-", std::io::stdin().lock(), each);
        }
        if !source.is_dir() {
            return self.read_file(source, each);
        }
        for file in mails::files_of(source)? {
            self.read_entry(&file, each)?;
        }
        Ok(())
    }

    fn read_file(&self, file: &Path, each: &mut EachItem<'_>) -> anyhow::Result<()> {
        let name = file.display().to_string();
        let unreadable = || format!("{name} cannot be read");
        let opened = File::open(file).with_context(unreadable)?;
        let metadata = opened.metadata().with_context(unreadable)?;
        // A pipe is written when it is read.
        let written = metadata.modified().ok().filter(|_| metadata.is_file());
        let mut each = |name: &str, place: u64, item| each(name, place, with_time(item, written));
        self.read_stream(&name, opened, &mut each).with_context(unreadable)
    }

    /// Reads a file of a folder: a mail, unless it begins like an mbox or like events. A fault of
    /// its own is told, and those behind it are read all the same.
    fn read_entry(&self, file: &Path, each: &mut EachItem<'_>) -> anyhow::Result<()> {
        let name = file.display().to_string();
        let mut is_taken = true;
        let read = match mails::read_mail(file) {
            Ok(mail) if readers::form(&mail) == SourceForm::Mbox || has_events(&mail) => {
                let mut take = |name: &str, place: u64, item| {
                    each(name, place, item).inspect_err(|_| is_taken = false)
                };
                self.read_file(file, &mut take)
            }
            Ok(mail) => return each(&name, 1, readers::read_mail(self.classifier, &mail)),
            Err(error) => Err(error).with_context(|| format!("{name} cannot be read")),
        };
        let fault = read.as_ref().err().filter(|_| is_taken).and_then(own_fault);
        match fault {
            Some(fault) => each(&name, 1, ReadItem::NotUnderstood(fault)),
            None => read,
        }
    }

    fn read_stream(
        &self,
        name: &str,
        input: impl std::io::Read,
        each: &mut EachItem<'_>,
    ) -> anyhow::Result<()> {
        let mut input = unpacked::open(input)?;
        let form = readers::form(input.fill_buf()?);
        match form {
            SourceForm::Mail => {
                let mut mail = Vec::new();
                input.take(MAX_MAIL as u64).read_to_end(&mut mail)?;
                each(name, 1, readers::read_mail(self.classifier, &mail))
            }
            SourceForm::Mbox => mails::split_mbox(input, |number, mail| {
                each(name, number, readers::read_mail(self.classifier, mail))
            }),
            SourceForm::Json => self.read_json(name, input, each),
            SourceForm::Lines => self.read_lines(name, input, each),
        }
    }

    fn read_json(
        &self,
        name: &str,
        input: impl BufRead,
        each: &mut EachItem<'_>,
    ) -> anyhow::Result<()> {
        let documents = Deserializer::from_reader(input).into_iter::<Value>();
        // Events are numbered through, each on a line of its own or all in one array.
        let mut place = 0;
        for (number, document) in (1_u64..).zip(documents) {
            let document = document.with_context(|| format!("document {number} is not JSON"))?;
            for item in readers::read_document(self.classifier, &document) {
                place += 1;
                each(name, place, item)?;
            }
        }
        Ok(())
    }

    fn read_lines(
        &self,
        name: &str,
        mut input: impl BufRead,
        each: &mut EachItem<'_>,
    ) -> anyhow::Result<()> {
        let mut reader = None;
        let mut foreign = 0;
        let mut bytes = Vec::new();
        for number in 1.. {
            if !read_line(&mut input, &mut bytes, MAX_LINE)? {
                break;
            }
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end_matches(['\r', '\n']);
            if reader.is_none() && !line.trim().is_empty() {
                reader = match foreign {
                    0 => readers::line_reader(line, self.kind),
                    // A table has its header first; the log of a whole machine begins anywhere.
                    _ => readers::log_reader(line),
                };
                foreign += usize::from(reader.is_none());
                if foreign > MAX_FOREIGN {
                    break;
                }
            }
            if let Some(reader) = &mut reader {
                each(name, number, reader.read_line(self.classifier, line, self.now))?;
            }
        }
        anyhow::ensure!(
            reader.is_some() || foreign == 0,
            "it is no mail, no log of Postfix or Exim, no JSON, and no table with a column \
             `address`"
        );
        Ok(())
    }
}

/// The fault of one file of a folder, with which the others can be read; `None` for one of the
/// machine.
fn own_fault(error: &anyhow::Error) -> Option<&'static str> {
    let kind = match error.downcast_ref::<serde_json::Error>() {
        Some(json) if !json.is_io() => return Some("no JSON, or JSON that breaks off"),
        Some(json) => json.io_error_kind(),
        None => error.downcast_ref::<io::Error>().map(io::Error::kind),
    };
    match kind? {
        // A mail program renames the files of a Maildir as it goes.
        ErrorKind::NotFound => Some("moved meanwhile: add the folder again"),
        kind => unpacked::is_damaged(kind).then_some("a gzip file that is damaged"),
    }
}

/// `true` if a file that begins like this holds events and no mail: those of a service, a log, a
/// table.
pub(super) fn has_events(start: &[u8]) -> bool {
    match readers::form(start) {
        SourceForm::Mail | SourceForm::Mbox => false,
        SourceForm::Json => true,
        SourceForm::Lines => {
            let text = String::from_utf8_lossy(start);
            let first = text.lines().find(|line| !line.trim().is_empty());
            first.is_some_and(|line| readers::line_reader(line, OutcomeKind::Sent).is_some())
        }
    }
}

/// The item with the time at which its file was written.
fn with_time(item: ReadItem, written: Option<SystemTime>) -> ReadItem {
    let ReadItem::Events(mut events) = item else { return item };
    events.iter_mut().for_each(|event| event.source_time = written);
    ReadItem::Events(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Address and kind of each event in this source.
    fn read(source: &str) -> anyhow::Result<Vec<(String, &'static str)>> {
        let classifier = Classifier::builtin();
        let reader =
            SourceReader { classifier, kind: OutcomeKind::Sent, now: SystemTime::UNIX_EPOCH };
        let mut found = Vec::new();
        reader.read_stream("source", source.as_bytes(), &mut |_, _, item| {
            if let ReadItem::Events(events) = item {
                found.extend(events.into_iter().map(|event| (event.address, event.kind.name())));
            }
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn the_log_of_a_machine_may_begin_with_lines_of_other_programs() {
        let joe = vec![("joe@acme.test".to_owned(), "delivered")];
        for stamp in ["2026-11-28T00:00:03.1+00:00", "Nov 28 00:00:03", "2026-11-28 00:00:03"] {
            let log = format!(
                "{stamp} mx dovecot: imap-login: Login: user=<ann>\n\
                 {stamp} mx opendkim[7]: 4B: DKIM-Signature field added\n\
                 {stamp} mx amavis[8]: (8-1) Passed CLEAN\n\
                 {stamp} mx dovecot: imap(ann): Logged out\n\
                 {stamp} mx postfix/smtp[2]: 4B: to=<joe@acme.test>, \
                 relay=mx.acme.test[192.0.2.1]:25, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
            );
            assert_eq!(read(&log).unwrap(), joe, "{stamp}");
        }
    }

    #[test]
    fn a_source_of_lines_that_nobody_knows_is_refused() {
        let many = "once upon a time\n".repeat(MAX_FOREIGN + 1);
        for source in
            ["once upon a time\n", "a title\naddress,kind\na@b.test,sent\n", many.as_str()]
        {
            assert!(read(source).unwrap_err().to_string().contains("no log of Postfix"));
        }
        assert!(read("\n\n").unwrap().is_empty());
    }

    /// A bounce about this address.
    fn bounce(address: &str) -> String {
        format!("From: MAILER-DAEMON@mx.test\nX-Failed-Recipients: {address}\n\n550 no\n")
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn each_file_of_a_folder_is_read_by_its_content_and_a_gzip_file_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        let mbox = format!("From a\n{}\nFrom b\n{}", bounce("a@b.test"), bounce("c@d.test"));
        let event = r#"{"address":"e@f.test","kind":"sent"}"#;
        write("1.mbox", mbox.as_bytes());
        write("2.json", format!("\u{feff}{event}").as_bytes());
        write("3.csv", b"address,kind\ng@h.test,sent\n");
        write("4.eml.gz", &packed(&bounce("i@j.test")));
        write("5.mbox.gz", &packed(&mbox));
        let whole = packed(&bounce("k@l.test"));
        write("6.eml.gz", &whole[..whole.len() / 2]);
        let classifier = Classifier::builtin();
        let reader =
            SourceReader { classifier, kind: OutcomeKind::Sent, now: SystemTime::UNIX_EPOCH };
        let (mut read, mut left_out) = (Vec::new(), Vec::new());
        reader
            .read(folder.path(), &mut |_, _, item| {
                match item {
                    ReadItem::Events(events) => {
                        read.extend(events.into_iter().map(|it| it.address))
                    }
                    ReadItem::NotUnderstood(why) => left_out.push(why),
                }
                Ok(())
            })
            .unwrap();
        let expected =
            ["a@b.test", "c@d.test", "e@f.test", "g@h.test", "i@j.test", "a@b.test", "c@d.test"];
        assert_eq!(read, expected);
        assert_eq!(left_out, ["a gzip file that is damaged"]);
    }

    #[test]
    fn a_file_of_a_folder_that_only_begins_like_json_keeps_no_other_from_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("1.txt", "[External] Please read.\n");
        write("2.json", r#"{"address":"a@b.test","kind":"sent"} {"address":"#);
        write("3.eml", &bounce("c@d.test"));
        let classifier = Classifier::builtin();
        let reader =
            SourceReader { classifier, kind: OutcomeKind::Sent, now: SystemTime::UNIX_EPOCH };
        let (mut read, mut left_out) = (Vec::new(), 0);
        let mut each = |_: &str, _: u64, item: ReadItem| -> anyhow::Result<()> {
            match item {
                ReadItem::Events(events) => read.extend(events.into_iter().map(|it| it.address)),
                ReadItem::NotUnderstood(_) => left_out += 1,
            }
            Ok(())
        };
        reader.read(folder.path(), &mut each).unwrap();
        assert_eq!((read, left_out), (vec!["a@b.test".to_owned(), "c@d.test".to_owned()], 2));
        let refused = reader.read(folder.path(), &mut |name, _, item| match item {
            ReadItem::Events(_) if name.ends_with("2.json") => {
                Err(io::Error::from(ErrorKind::UnexpectedEof).into())
            }
            _ => Ok(()),
        });
        assert!(refused.is_err(), "that its items are not kept is no fault of a file");
    }

    #[test]
    fn a_mail_that_was_moved_meanwhile_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let bounce = "From: MAILER-DAEMON@mx.test\nX-Failed-Recipients: joe@acme.test\n\n550 no\n";
        std::fs::write(folder.path().join("2.mx"), bounce).unwrap();
        std::fs::write(folder.path().join("1.mx"), bounce).unwrap();
        let classifier = Classifier::builtin();
        let reader =
            SourceReader { classifier, kind: OutcomeKind::Sent, now: SystemTime::UNIX_EPOCH };
        let (mut read, mut moved) = (0, 0);
        let second = folder.path().join("2.mx");
        reader
            .read(folder.path(), &mut |_, _, item| {
                // As a mail program does between the listing and the opening.
                let _ = std::fs::remove_file(&second);
                match item {
                    ReadItem::Events(_) => read += 1,
                    ReadItem::NotUnderstood(_) => moved += 1,
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((read, moved), (1, 1));
    }
}
