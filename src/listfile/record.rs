//! Records in working text: where one ends, where its fields are, how a field is quoted.
//!
//! RFC 4180 as readers understand it: CR, LF and CRLF end a record, quotes count only at the
//! beginning of a field, what follows a closing quote belongs to the field. One thing is stricter:
//! a quote that never closes, or closes lines later in the midst of text, is not a quote at all but
//! a stray character. Otherwise it would swallow the rows after it.

use std::borrow::Cow;

use super::{Dialect, Quotes, SNIFF};

/// The place where the parts of a record are, in bytes from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordBounds {
    /// Its length without the line end.
    pub(super) content: usize,
    /// Its length with the line end.
    pub(super) whole: usize,
    /// The number of fields it has; none if it is blank.
    pub(super) fields: usize,
    /// The field that was asked for, quotes included.
    pub(super) cell: Option<(usize, usize)>,
    /// The place where the last field that has a column ends, if more fields follow.
    pub(super) surplus: Option<usize>,
    /// The number of lines it takes.
    pub(super) lines: u64,
    /// `true` if its quotes are plain characters.
    pub(super) is_stray: bool,
}

/// The search for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// The delimiter and quoting; `None` for one field a line.
    pub(super) dialect: Option<Dialect>,
    /// The field whose place is wanted.
    pub(super) cell: usize,
    /// The number of columns.
    pub(super) width: usize,
    /// The longest record, in bytes.
    pub(super) limit: usize,
}

/// The kinds of beginning that a text can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A record.
    Record(RecordBounds),
    /// A part of a record.
    Part,
    /// More than a record may be.
    TooLong,
}

/// The place where a field ends, and what follows it.
enum FieldEnd {
    Delimiter(usize),
    Line(usize),
    /// The text ends before the field does.
    Text,
    /// Its opening quote is none.
    Stray,
}

impl Scan {
    /// The first record of `text`, which is not empty; `is_ended` says that nothing follows it.
    pub(super) fn first(&self, text: &[u8], is_ended: bool) -> Scanned {
        let quotes = self.dialect.map(|dialect| dialect.quotes);
        let first = self.with(quotes, text, is_ended);
        let is_long = match first {
            Some(Scanned::Record(bounds)) => bounds.whole > self.limit + 2,
            Some(Scanned::Part) => text.len() > self.limit + 2,
            _ => false,
        };
        // A quote that runs on and on is as stray as one that never closes.
        let found = if first.is_none() || is_long && quotes.is_some() {
            self.with(None, text, is_ended)
        } else {
            first
        };
        match found {
            Some(Scanned::Record(bounds)) if bounds.content <= self.limit => {
                Scanned::Record(RecordBounds { is_stray: first != found, ..bounds })
            }
            Some(Scanned::Part) if text.len() <= self.limit + 2 => Scanned::Part,
            _ => Scanned::TooLong,
        }
    }

    /// `None` if a quote turns out to be stray.
    fn with(&self, quotes: Option<Quotes>, text: &[u8], is_ended: bool) -> Option<Scanned> {
        let mut bounds = RecordBounds { lines: 1, ..RecordBounds::default() };
        let mut start = 0;
        loop {
            let end = match self.field(quotes, text, start, is_ended, &mut bounds.lines) {
                FieldEnd::Delimiter(end) | FieldEnd::Line(end)
                    if self.is_cut(text, end, is_ended) =>
                {
                    return Some(Scanned::Part);
                }
                FieldEnd::Text if !is_ended => return Some(Scanned::Part),
                FieldEnd::Text => text.len(),
                FieldEnd::Stray => return None,
                FieldEnd::Delimiter(end) | FieldEnd::Line(end) => end,
            };
            if bounds.fields == self.cell {
                bounds.cell = Some((start, end));
            }
            bounds.fields += 1;
            let is_last = text.get(end).is_none_or(|b| matches!(b, b'\r' | b'\n'));
            if is_last {
                bounds.content = end;
                bounds.whole = end + line_end(&text[end..]);
                bounds.fields *= usize::from(end > 0);
                bounds.cell = bounds.cell.filter(|_| end > 0);
                return Some(Scanned::Record(bounds));
            }
            if bounds.fields == self.width {
                bounds.surplus = Some(end);
            }
            start = end + 1;
        }
    }

    /// `true` if a CR at the end of the text may be half of a CRLF.
    fn is_cut(&self, text: &[u8], end: usize, is_ended: bool) -> bool {
        !is_ended && text[end] == b'\r' && end + 1 == text.len()
    }

    fn field(
        &self,
        quotes: Option<Quotes>,
        text: &[u8],
        start: usize,
        is_ended: bool,
        lines: &mut u64,
    ) -> FieldEnd {
        let mut from = start;
        if let Some(quotes) = quotes
            && text.get(start) == Some(&b'"')
        {
            let Some(end) = closing_quote(quotes, text, start) else {
                return if is_ended { FieldEnd::Stray } else { FieldEnd::Text };
            };
            from = end;
            let spanned = count_lines(&text[start..end]);
            match text.get(end) {
                None if !is_ended => return FieldEnd::Text,
                Some(&b) if spanned > 0 && !self.ends_field(b) => return FieldEnd::Stray,
                _ => *lines += spanned,
            }
        }
        match text[from..].iter().position(|&b| self.ends_field(b)) {
            Some(more) if matches!(text[from + more], b'\r' | b'\n') => FieldEnd::Line(from + more),
            Some(more) => FieldEnd::Delimiter(from + more),
            None => FieldEnd::Text,
        }
    }

    fn ends_field(&self, b: u8) -> bool {
        b == b'\n' || b == b'\r' || self.dialect.is_some_and(|dialect| dialect.delimiter == b)
    }
}

/// The end of the quoted part of a field that begins at `start`: just after its closing quote.
/// `None` if the text ends before that can be told.
fn closing_quote(quotes: Quotes, text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += text[at..].iter().position(|&b| b == b'"' || b == b'\\')?;
        let next = text.get(at + 1);
        match (text[at], quotes) {
            (b'\\', Quotes::Backslash) => at += 1 + usize::from(next.is_some()),
            (b'\\', _) => at += 1,
            (_, Quotes::Doubled) if next == Some(&b'"') => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// The length of the line end that `text` begins with; 0 if it is empty.
pub(super) fn line_end(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] => 2,
        [_, ..] => 1,
        [] => 0,
    }
}

/// The number of line ends that are in `text`.
pub(super) fn count_lines(text: &[u8]) -> u64 {
    let mut count = 0;
    let mut previous = 0;
    for &b in text {
        count += u64::from(b == b'\r' || b == b'\n' && previous != b'\r');
        previous = b;
    }
    count
}

/// The records of `text`, the beginning of a file, and where each begins; `is_ended` says that
/// nothing follows it. One that is cut off is not among them.
pub(super) fn records(
    text: &[u8],
    dialect: Dialect,
    is_ended: bool,
) -> impl Iterator<Item = (usize, RecordBounds)> {
    // A quote that runs through a quarter of what is seen is taken for a stray one.
    let limit = if is_ended { 2 * SNIFF } else { SNIFF / 4 };
    let scan = Scan { dialect: Some(dialect), cell: 0, width: 0, limit };
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let Scanned::Record(bounds) = scan.first(rest, is_ended) else { return None };
        let start = at;
        at += bounds.whole;
        Some((start, bounds))
    })
}

/// The fields of a record's `content`, as they stand.
pub(super) fn fields(
    content: &[u8],
    dialect: Dialect,
    is_stray: bool,
) -> impl Iterator<Item = &[u8]> {
    let quotes = (!is_stray).then_some(dialect.quotes);
    let scan = Scan { dialect: Some(dialect), cell: 0, width: 0, limit: usize::MAX };
    let mut next = (!content.is_empty()).then_some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let end = match scan.field(quotes, content, start, true, &mut 0) {
            FieldEnd::Delimiter(end) => end,
            _ => content.len(),
        };
        next = (end < content.len()).then_some(end + 1);
        Some(&content[start..end])
    })
}

/// The places of the fields of a record's `content`, whose quotes are none of them stray.
pub(super) fn spans(content: &[u8], dialect: Dialect) -> Vec<(usize, usize)> {
    let mut start = 0;
    let span = |field: &[u8]| {
        let span = (start, start + field.len());
        start = span.1 + 1;
        span
    };
    fields(content, dialect, false).map(span).collect()
}

/// The text of a field, without its quotes.
fn unquote(field: &[u8], quotes: Quotes) -> Cow<'_, [u8]> {
    if field.first() != Some(&b'"') {
        return Cow::Borrowed(field);
    }
    let Some(end) = closing_quote(quotes, field, 0) else { return Cow::Borrowed(field) };
    let (inner, after) = (&field[1..end - 1], &field[end..]);
    let escape = if quotes == Quotes::Backslash { b'\\' } else { b'"' };
    if after.is_empty() && !inner.contains(&escape) {
        return Cow::Borrowed(inner);
    }
    let mut said = Vec::with_capacity(field.len());
    let mut rest = inner.iter();
    while let Some(&b) = rest.next() {
        let escaped = if b == escape { rest.next() } else { None };
        said.push(*escaped.unwrap_or(&b));
    }
    said.extend_from_slice(after);
    Cow::Owned(said)
}

/// `true` if a field that begins with a quote ends with the quote that closes it.
pub(super) fn is_well_quoted(field: &[u8], quotes: Quotes) -> bool {
    field.first() != Some(&b'"') || closing_quote(quotes, field, 0) == Some(field.len())
}

/// The text of a field in a record whose quotes may be stray.
pub(super) fn say(field: &[u8], dialect: Dialect, is_stray: bool) -> Cow<'_, [u8]> {
    if is_stray { Cow::Borrowed(field) } else { unquote(field, dialect.quotes) }
}

/// Appends a field that says `text`, quoted if it must be.
pub(super) fn quote(text: &[u8], dialect: Dialect, into: &mut Vec<u8>) {
    let special = |b: &u8| *b == dialect.delimiter || matches!(b, b'"' | b'\r' | b'\n');
    if !text.iter().any(special) {
        into.extend_from_slice(text);
        return;
    }
    let escape = if dialect.quotes == Quotes::Backslash { b'\\' } else { b'"' };
    into.push(b'"');
    for &b in text {
        if b == b'"' || b == escape {
            into.push(escape);
        }
        into.push(b);
    }
    into.push(b'"');
}
