//! Groups of fields, as RFC 3464 and RFC 5965 write them: a status block for the message, then one
//! for each recipient, with blank lines between them.

use std::borrow::Cow;

/// Number of bytes of a report that are read.
const MAX_REPORT: usize = 512 * 1024;

/// Number of groups that are read.
const MAX_GROUPS: usize = 2000;

/// Number of bytes that one field may grow to.
const MAX_FIELD: usize = 8 * 1024;

/// The fields between two blank lines, in their order.
#[derive(Debug, Default)]
pub(super) struct FieldGroup<'a>(Vec<(&'a str, String)>);

impl FieldGroup<'_> {
    /// The value of the first field of this name. Case does not matter.
    pub(super) fn first<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        self.all(name).next()
    }

    /// The values of all fields of this name that are not empty.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let named = self.0.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The groups of fields in `text`. A line that is no field belongs to the field before it, since
/// some servers do not indent what they continue.
pub(super) fn groups(text: &str) -> Vec<FieldGroup<'_>> {
    let mut groups = Vec::new();
    let mut group = FieldGroup::default();
    for line in text[..text.floor_char_boundary(MAX_REPORT)].lines() {
        if line.trim().is_empty() {
            if !group.0.is_empty() {
                groups.push(std::mem::take(&mut group));
            }
            if groups.len() >= MAX_GROUPS {
                break;
            }
            continue;
        }
        match split_field(line) {
            Some((name, value)) => group.0.push((name, value.to_owned())),
            None => {
                if let Some((_, value)) = group.0.last_mut().filter(|(_, v)| v.len() < MAX_FIELD) {
                    value.push('\n');
                    value.push_str(line.trim());
                }
            }
        }
    }
    if !group.0.is_empty() {
        groups.push(group);
    }
    groups
}

/// Name and value of a line that begins a field (RFC 5322 section 2.2).
pub(super) fn split_field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end_matches([' ', '\t']);
    let is_name = !name.is_empty()
        && name.len() <= 76
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && name.starts_with(|c: char| c.is_ascii_alphabetic());
    is_name.then(|| (name, value.trim()))
}

/// A value without the type before it: `rfc822; a@b.example`, `smtp; 550 no`.
pub(super) fn without_type(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if is_type(kind.trim()) => rest.trim(),
        _ => value.trim(),
    }
}

fn is_type(word: &str) -> bool {
    (1..=24).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// `value` with the escapes of `utf-8-addr-xtext` taken out of it (RFC 6533 section 3).
pub(super) fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains("\\x{") {
        return value.into();
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("\\x{") {
        text.push_str(before);
        let parsed = after.split_once('}').and_then(|(hex, tail)| {
            let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?;
            Some((code, tail))
        });
        let Some((code, tail)) = parsed else {
            text.push_str("\\x{");
            rest = after;
            continue;
        };
        text.push(code);
        rest = tail;
    }
    text.push_str(rest);
    text.into()
}

/// `value` with the escapes of `xtext` taken out of it (RFC 3461 section 4), as far as they stand
/// for signs that it must escape: some servers repeat `ORCPT` as they got it. `+` begins the tag
/// of an address too, and what follows is a part of it but for these two.
pub(super) fn without_xtext(value: &str) -> String {
    value.replace("+2B", "+").replace("+3D", "=")
}
