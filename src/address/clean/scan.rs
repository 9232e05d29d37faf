//! Finds the addresses in a text by their `@`, and whether what surrounds them is clear.

use std::ops::Range;

use super::clear::{self, has_dotted_domain};
use super::{Address, MAX_ADDRESSES, bullets, marks};

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The addresses, in order; empty if any of them could be read in two ways.
    pub(super) addresses: Vec<String>,
    /// `true` if words stood beside them.
    pub(super) had_words: bool,
    /// `true` if there are more of them.
    pub(super) is_cut: bool,
    /// The address that a reader sees first in a text that could be read in two ways.
    pub(super) likely: Option<String>,
}

/// An address and where it stands.
struct Span<'t> {
    start: usize,
    end: usize,
    text: &'t str,
    /// A further `@` touches it: it is part of something else.
    is_broken: bool,
}

/// The addresses of a text by their `@`.
#[derive(Default)]
struct SpanList<'t> {
    spans: Vec<Span<'t>>,
    /// An `@` stands apart from its local part, so that an address was not found.
    lacks_one: bool,
}

/// The addresses in `text`, whose white space is plain and in which nothing is invisible.
pub(super) fn scan(text: &str) -> Found {
    let joined = joined(text);
    let text = joined.as_deref().unwrap_or(text);
    found(text, &spans(text))
}

/// The addresses in the beginning of a text, without the last one if it may go on behind its end.
pub(super) fn scan_beginning(text: &str) -> Found {
    let mut list = spans(text);
    // What follows an address tells where it ends.
    let last = list.spans.pop_if(|last| !text[last.end..].contains(char::is_alphanumeric));
    found(last.map_or(text, |last| &text[..last.start]), &list)
}

/// The addresses of `list`, if all of them are clear.
fn found(text: &str, list: &SpanList<'_>) -> Found {
    let spans = &list.spans;
    let mut had_words = false;
    let mut is_clear = Vec::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        let (before, after) = surroundings(text, spans, index);
        is_clear.push(
            !span.is_broken
                && clear::before_is_clear(before, span.text, index > 0)
                && clear::after_is_clear(span.text, after),
        );
        had_words |= has_words(before, index > 0);
    }
    had_words |=
        spans.last().is_some_and(|last| has_words(clear::without_query(&text[last.end..]), false));
    if !list.lacks_one && is_clear.iter().all(|is_clear| *is_clear) {
        let addresses: Vec<String> = spans.iter().map(|span| span.text.to_owned()).collect();
        let is_cut = addresses.len() == MAX_ADDRESSES && has_more(text, spans);
        return Found { addresses, had_words, is_cut, likely: None };
    }
    Found { likely: likely(text, spans, &is_clear), ..Found::default() }
}

/// The text between an address and the one before it, and the text between it and the next.
fn surroundings<'t>(text: &'t str, spans: &[Span<'_>], index: usize) -> (&'t str, &'t str) {
    let from = if index == 0 { 0 } else { spans[index - 1].end };
    let to = spans.get(index + 1).map_or(text.len(), |next| next.start);
    (&text[from..spans[index].start], &text[spans[index].end..to])
}

/// The first address that is clear, else the first one as a reader would take it.
fn likely(text: &str, spans: &[Span<'_>], is_clear: &[bool]) -> Option<String> {
    let clear = spans.iter().zip(is_clear).filter(|(_, is_clear)| **is_clear);
    let clear = clear.map(|(span, _)| span.text.to_owned());
    let whole = spans.iter().enumerate().filter(|(_, span)| !span.is_broken);
    let read = whole.filter_map(|(index, span)| {
        let (before, after) = surroundings(text, spans, index);
        reading(before, span.text, after, index > 0)
    });
    clear.chain(read).find(|address| has_dotted_domain(address) && Address::parse(address).is_ok())
}

/// The address that a reader would take `address` for, between `before` and `after`.
fn reading(before: &str, address: &str, after: &str, follows_another: bool) -> Option<String> {
    if clear::may_go_on(address, after) {
        return None;
    }
    let address = clear::longer_address(address, after).unwrap_or_else(|| address.to_owned());
    // A dot is never the first sign; a comma stands for one.
    if address.starts_with('.') {
        let word = before.trim_end().rsplit(' ').next()?;
        return Some(format!("{word}{address}"));
    }
    match clear::glued_word(before, &address, follows_another) {
        Some(word) if before.ends_with(',') => Some(format!("{word}.{address}")),
        _ => Some(address),
    }
}

/// `true` if a further `@` stands behind the last address, apart from its query.
fn has_more(text: &str, spans: &[Span<'_>]) -> bool {
    let rest = spans.last().map_or("", |last| clear::without_query(&text[last.end..]));
    rest.contains('@')
}

/// `text` with no space beside its only `@`, if there was some and a domain follows.
fn joined(text: &str) -> Option<String> {
    let (before, after) = text.split_once('@')?;
    if after.contains('@') || !(before.ends_with(' ') || after.starts_with(' ')) {
        return None;
    }
    let joined = format!("{}@{}", before.trim_end(), after.trim_start());
    has_dotted_domain(after.trim_start()).then_some(joined)
}

/// The addresses by their `@`. One that has no local part or no domain beside it, one in a URL and
/// one in a display name are words.
fn spans(text: &str) -> SpanList<'_> {
    let mut list = SpanList::default();
    let mut names = display_names(text).into_iter().peekable();
    let mut from = 0;
    for (at, _) in text.match_indices('@') {
        if list.spans.len() == MAX_ADDRESSES {
            break;
        }
        while names.next_if(|name| name.end <= at).is_some() {}
        if names.peek().is_some_and(|name| name.contains(&at)) {
            continue;
        }
        if let Some(last) = list.spans.last_mut() {
            if at < from || text[from..at].bytes().all(|b| b".-_".contains(&b)) {
                last.is_broken = true;
                last.end = last.end.max(at + 1 + domain_end(&text[at + 1..]).unwrap_or_default());
                from = last.end;
                continue;
            }
            // What follows a `?` behind an address belongs to its link.
            if clear::is_in_query(&text[last.end..at]) {
                continue;
            }
        }
        let domain = domain_end(&text[at + 1..]);
        let Some(start) = local_start(&text[from..at], !list.spans.is_empty()) else {
            let rest = text[at + 1..].trim_start();
            list.lacks_one |= domain_end(rest).is_some_and(|end| has_dotted_domain(&rest[..end]));
            continue;
        };
        let Some(end) = domain.map(|end| end + at + 1) else { continue };
        let start = start + from;
        // Names in a URL are no addresses.
        if is_in_url(&text[..start]) {
            continue;
        }
        let is_broken = text[..start].ends_with('@');
        list.spans.push(Span { start, end, text: &text[start..end], is_broken });
        from = end;
    }
    trim_bullets(text, &mut list.spans);
    list
}

/// Takes the numbers of a list, `1.` and `2.`, off its addresses; off the first the signs that were
/// taken off the second.
fn trim_bullets(text: &str, spans: &mut [Span<'_>]) {
    let [first, second, ..] = &*spans else { return };
    let signs = bullets::signs(first.text);
    let has_signs = !signs.is_empty() && text[..second.start].ends_with(signs);
    let ordinals: Option<Vec<(u32, usize)>> =
        spans.iter().map(|span| bullets::ordinal(span.text)).collect();
    let is_counted = |them: &Vec<(u32, usize)>| them.windows(2).all(|it| it[1].0 == it[0].0 + 1);
    let lengths = match ordinals.filter(is_counted) {
        Some(ordinals) => ordinals.into_iter().map(|(_, length)| length).collect(),
        None if has_signs => vec![signs.len()],
        None => Vec::new(),
    };
    for (span, length) in spans.iter_mut().zip(lengths) {
        span.start += length;
        span.text = &span.text[length..];
    }
}

/// `true` if the word that `text` ends in is the beginning of a URL with names in it.
fn is_in_url(text: &str) -> bool {
    let word = text.rsplit([' ', '<', '>', '"']).next().unwrap_or_default();
    word.contains("://") && !word.to_ascii_lowercase().contains("mailto:")
}

/// The quoted strings before an address in angle brackets (RFC 5322 section 3.4): an `@` in one is
/// part of a name.
fn display_names(text: &str) -> Vec<Range<usize>> {
    let (mut names, mut open, mut before) = (Vec::new(), None, ' ');
    for (index, c) in text.char_indices() {
        if c == '"' && before != '\\' {
            open = match open {
                Some(start) => {
                    if names_mailbox(&text[index + 1..]) {
                        names.push(start..index);
                    }
                    None
                }
                None => BEFORE_QUOTES.contains(before).then_some(index),
            };
        }
        before = if before == '\\' { ' ' } else { c };
    }
    names
}

/// `true` if an address in angle brackets begins `text`.
fn names_mailbox(text: &str) -> bool {
    let inner = text.trim_start().strip_prefix('<');
    inner.is_some_and(|inner| inner.split('>').next().unwrap_or_default().contains('@'))
}

/// Signs that a quoted string may follow.
const BEFORE_QUOTES: &str = " <([,;:|";

/// The place where the local part that ends `text` begins.
fn local_start(text: &str, follows_another: bool) -> Option<usize> {
    if let Some(inner) = text.strip_suffix('"') {
        let open = inner.rfind('"')?;
        // A quoted local part stands at the beginning of its word.
        let is_word = text[..open].chars().next_back().is_none_or(|c| BEFORE_QUOTES.contains(c));
        return (is_word && open + 1 < inner.len()).then_some(open);
    }
    let (mut start, mut after) = (text.len(), None);
    let mut chars = text.char_indices().rev().peekable();
    while let Some((index, c)) = chars.next() {
        let before = chars.peek().map(|(_, c)| *c);
        if !is_local(c) && !marks::is_within_word(before, c, after) {
            break;
        }
        (start, after) = (index, Some(c));
    }
    let local = &text[start..];
    // An apostrophe before the `@` closes the one that the name begins with.
    let is_paired = local.len() > 1 && local.ends_with('\'');
    let marks_before = |c: char| "`*|={".contains(c) || c == '\'' && !is_paired;
    let bare = local.trim_start_matches(marks_before);
    let bare = bare.strip_prefix("//").unwrap_or(bare);
    // What follows another address is divided from it by a slash.
    let bare = if follows_another { bare.trim_start_matches('/') } else { bare };
    let bare = bare.rsplit_once('|').map_or(bare, |(_, last)| last);
    let before = &text[..text.len() - bare.len()];
    let bare = &bare[bullets::length(before, bare, follows_another)..];
    (!bare.is_empty()).then(|| text.len() - bare.len())
}

/// The place where the domain that begins `text` ends.
fn domain_end(text: &str) -> Option<usize> {
    if text.starts_with('[') {
        return text.find(']').map(|end| end + 1);
    }
    let (mut end, mut before) = (0, None);
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let after = chars.peek().map(|(_, c)| *c);
        if !is_domain(c) && !marks::is_within_label(before, c, after) {
            break;
        }
        (end, before) = (index + c.len_utf8(), Some(c));
    }
    let is_stray = |c: char| ".-_".contains(c) || marks::is_wide_dot(c);
    let domain = text[..end].trim_end_matches(is_stray);
    (!domain.is_empty()).then_some(domain.len())
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        || !c.is_ascii() && !marks::is_punctuation(c)
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "-._".contains(c)
        || marks::is_wide_dot(c)
        || !c.is_ascii() && !marks::is_punctuation(c)
}

/// `true` if words stand in `text`, labels and schemes apart.
fn has_words(text: &str, is_between: bool) -> bool {
    let text = text.trim();
    let is_label = text.ends_with([':', '=', '\u{ff1a}']) || text.contains("mailto:");
    let is_ordinal = text.trim_end_matches(['.', ')']).bytes().all(|b| b.is_ascii_digit());
    let is_and = is_between && !text.contains(['<', '>', '(', '[', '"']);
    text.chars().any(char::is_alphanumeric) && !is_label && !is_ordinal && !is_and
}
