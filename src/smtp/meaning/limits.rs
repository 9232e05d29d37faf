//! The part of a reply that is read.

/// The most bytes of a reply that are read. A reply line holds 512 octets (RFC 5321 section
/// 4.5.3.1.5); what matters stands in the first few lines.
pub const MAX_EXAMINED: usize = 2048;

/// The part of a text that is read: its first [`MAX_EXAMINED`] bytes, whole characters only.
pub(super) fn examined(text: &str) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=MAX_EXAMINED.min(text.len())).rev().find(fits);
    &text[..end.unwrap_or(0)]
}
