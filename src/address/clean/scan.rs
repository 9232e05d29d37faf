//! Finds the addresses in a text by their `@`, and whether what surrounds them is clear.

use super::MAX_ADDRESSES;

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The addresses, in order; empty if any of them could be read in two ways.
    pub(super) addresses: Vec<String>,
    /// `true` if words stood beside them.
    pub(super) had_words: bool,
    /// `true` if there are more of them.
    pub(super) is_cut: bool,
    /// The one address of a text that could be read in two ways.
    pub(super) likely: Option<String>,
}

/// An address and where it stands.
struct Span<'t> {
    start: usize,
    end: usize,
    text: &'t str,
}

/// The addresses in `text`, whose white space is plain and in which nothing is invisible.
pub(super) fn scan(text: &str) -> Found {
    let joined = joined(text);
    let text = joined.as_deref().unwrap_or(text);
    spans(text).map(|spans| found(text, &spans)).unwrap_or_default()
}

/// The addresses in the beginning of a text, without the last one if it may go on behind its end.
pub(super) fn scan_beginning(text: &str) -> Found {
    let Some(mut spans) = spans(text) else { return Found::default() };
    // What follows an address tells where it ends.
    let last = spans.pop_if(|last| !text[last.end..].contains(char::is_alphanumeric));
    found(last.map_or(text, |last| &text[..last.start]), &spans)
}

/// The addresses at `spans`, if all of them are clear.
fn found(text: &str, spans: &[Span<'_>]) -> Found {
    if spans.is_empty() {
        return Found::default();
    }
    let mut had_words = false;
    let mut is_clear = true;
    for (index, span) in spans.iter().enumerate() {
        let from = if index == 0 { 0 } else { spans[index - 1].end };
        let before = &text[from..span.start];
        let after = spans.get(index + 1).map_or(text.len(), |next| next.start);
        is_clear &=
            before_is_clear(before, index > 0) && after_is_clear(span, &text[span.end..after]);
        had_words |= has_words(before, index > 0);
    }
    had_words |=
        spans.last().is_some_and(|last| has_words(without_query(&text[last.end..]), false));
    let addresses: Vec<String> = spans.iter().map(|span| span.text.to_owned()).collect();
    if is_clear {
        let is_cut = addresses.len() == MAX_ADDRESSES && has_more(text, spans);
        return Found { addresses, had_words, is_cut, likely: None };
    }
    let is_comma = text[..spans[0].start].ends_with(',');
    let likely = (addresses.len() == 1 && !is_comma && has_dotted_domain(&addresses[0]))
        .then(|| addresses[0].clone())
        .filter(|address| super::Address::parse(address).is_ok());
    Found { addresses: Vec::new(), had_words, is_cut: false, likely }
}

/// `true` if a further `@` stands behind the last address, apart from its query.
fn has_more(text: &str, spans: &[Span<'_>]) -> bool {
    let rest = spans.last().map_or("", |last| without_query(&text[last.end..]));
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

/// The addresses by their `@`; `None` if one has no local part or no domain.
fn spans(text: &str) -> Option<Vec<Span<'_>>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices('@') {
        if spans.len() == MAX_ADDRESSES {
            break;
        }
        if at < from {
            return None;
        }
        // What follows a `?` behind an address belongs to its link.
        if spans.last().is_some_and(|last| is_in_query(&text[last.end..at])) {
            continue;
        }
        let start = local_start(&text[from..at], !spans.is_empty())? + from;
        let end = domain_end(&text[at + 1..])? + at + 1;
        let word = text[..start].rsplit(' ').next().unwrap_or_default();
        // Names in a URL are no addresses.
        if word.contains("://") && !word.to_ascii_lowercase().contains("mailto:") {
            return None;
        }
        spans.push(Span { start, end, text: &text[start..end] });
        from = end;
    }
    Some(spans)
}

/// The place where the local part that ends `text` begins.
fn local_start(text: &str, follows_another: bool) -> Option<usize> {
    if let Some(inner) = text.strip_suffix('"') {
        let open = inner.rfind('"')?;
        // A quoted local part stands at the beginning of its word.
        let is_word = text[..open].chars().next_back().is_none_or(|c| " <([,;:|".contains(c));
        return (is_word && open + 1 < inner.len()).then_some(open);
    }
    let start = text
        .char_indices()
        .rev()
        .take_while(|(_, c)| is_local(*c))
        .last()
        .map_or(text.len(), |(index, _)| index);
    let local = &text[start..];
    let bare = local.trim_start_matches(['\'', '`', '*', '|', '=', '{']);
    let bare = bare.strip_prefix("//").unwrap_or(bare);
    // What follows another address is divided from it by a slash.
    let bare = if follows_another { bare.trim_start_matches('/') } else { bare };
    let bare = bare.rsplit_once('|').map_or(bare, |(_, last)| last);
    (!bare.is_empty()).then(|| text.len() - bare.len())
}

/// The place where the domain that begins `text` ends.
fn domain_end(text: &str) -> Option<usize> {
    if text.starts_with('[') {
        return text.find(']').map(|end| end + 1);
    }
    let end = text.find(|c| !is_domain(c)).unwrap_or(text.len());
    let domain = text[..end].trim_end_matches(['.', '-', '_']);
    (!domain.is_empty()).then_some(domain.len())
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~.".contains(c)
        || !c.is_ascii() && !is_punctuation(c)
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._".contains(c) || !c.is_ascii() && !is_punctuation(c)
}

/// Marks beyond ASCII that surround words.
fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{ab}' | '\u{bb}' | '\u{b7}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
        | '\u{3000}'..='\u{3001}' | '\u{3008}'..='\u{3011}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0c}'
        | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1c}' | '\u{ff1e}' | '\u{ff20}' | '\u{fe6b}'
        | '\u{25a0}'..='\u{25ff}')
}

/// `true` if the text before an address ends so that the address clearly begins behind it.
fn before_is_clear(before: &str, follows_another: bool) -> bool {
    let bare = before.trim_end();
    let Some(last) = bare.chars().next_back() else { return true };
    // A comma inside a local part, as in `jane,doe@`.
    if before.strip_suffix(',').is_some_and(|word| !follows_another && is_name(word)) {
        return false;
    }
    if bare.len() == before.len() || !(last.is_alphanumeric() || last == '.') {
        return !last.is_alphanumeric();
    }
    let word = bare.rsplit(' ').next().unwrap_or(bare);
    let is_ordinal = word.strip_suffix('.').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    const AND: [&str; 14] =
        ["or", "and", "und", "oder", "et", "ou", "y", "o", "e", "en", "of", "och", "i", "lub"];
    is_ordinal || follows_another && AND.contains(&&*word.to_lowercase())
}

/// `true` for one word of letters.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_alphabetic)
}

/// `true` if the text behind an address begins so that the address clearly ends before it.
fn after_is_clear(span: &Span<'_>, after: &str) -> bool {
    let mut rest = after.chars();
    let (Some(first), second) = (rest.next(), rest.next()) else { return true };
    let is_dotted = has_dotted_domain(span.text);
    match first {
        // A bracket closes what a bracket opened.
        '>' | ')' | ']' => true,
        ' ' => is_dotted && !after.trim_start().starts_with(['.', ',', '@']),
        // A comma inside a domain, as in `acme,test`.
        ',' | '.' if is_dotted => second.is_none_or(|c| !c.is_alphanumeric()),
        ',' | '.' => !after.contains(char::is_alphanumeric),
        '?' => second.is_none() || is_query(after),
        '%' => is_dotted && after[1..].to_ascii_lowercase().starts_with("smtp:"),
        '#' | '&' | '=' | '+' | '~' | '^' | '@' => false,
        _ => is_dotted || !first.is_alphanumeric(),
    }
}

/// `true` if `text` begins as the second half of a link does: `?subject=`.
fn is_query(text: &str) -> bool {
    text.strip_prefix('?').and_then(|rest| rest.split_once('=')).is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

fn is_in_query(text: &str) -> bool {
    is_query(text) && !text.contains([' ', '<', '>', '"', ')', ']'])
}

fn without_query(text: &str) -> &str {
    if !is_query(text) {
        return text;
    }
    text.find([' ', '<', '>', '"', ')', ']']).map_or("", |end| &text[end..])
}

/// `true` if words stand in `text`, labels and schemes apart.
fn has_words(text: &str, is_between: bool) -> bool {
    let text = text.trim();
    let is_label = text.ends_with([':', '=']) || text.contains("mailto:");
    let is_ordinal = text.trim_end_matches(['.', ')']).bytes().all(|b| b.is_ascii_digit());
    let is_and = is_between && !text.contains(['<', '>', '(', '[', '"']);
    text.chars().any(char::is_alphanumeric) && !is_label && !is_ordinal && !is_and
}

/// `true` if a dot stands inside the domain that `text` ends in.
pub(super) fn has_dotted_domain(text: &str) -> bool {
    let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
    let domain = domain.split(' ').next().unwrap_or(domain).trim_matches('.');
    domain.starts_with('[') || domain.contains('.') || domain.contains('\u{3002}')
}
