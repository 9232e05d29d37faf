//! The text of a reply's line, whatever charset its bytes are in.
//!
//! RFC 5321 section 4.2 allows ASCII only and RFC 6531 UTF-8; servers also send what their
//! administrator's editor wrote: ISO 8859, windows-125x, KOI8-R, GBK, Big5, Shift_JIS, EUC. Bytes
//! that are not UTF-8 are read in the charset that letter frequencies suggest (chardetng). A wrong
//! guess costs the meaning of the words, as replacement characters would.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

/// The first byte of an escape sequence of ISO-2022-JP.
const ESCAPE: u8 = 0x1b;

/// The text of these bytes.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        // ISO-2022-JP has 7 bits only: text beyond ASCII is UTF-8, whatever escapes stand in it.
        Ok(text) if !bytes.contains(&ESCAPE) || !text.is_ascii() => Cow::Borrowed(text),
        Err(fault) if is_cut_utf8(bytes, fault) => String::from_utf8_lossy(bytes),
        _ => {
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
            detector.feed(bytes, true);
            detector.guess(None, Utf8Detection::Deny).decode_without_bom_handling(bytes).0
        }
    }
}

/// `true` if the bytes are UTF-8 but for the last character, within which the line was cut.
fn is_cut_utf8(bytes: &[u8], fault: std::str::Utf8Error) -> bool {
    let ends_early = fault.error_len().is_none();
    ends_early && bytes[..fault.valid_up_to()].iter().any(|byte| !byte.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_utf8_is_borrowed_as_it_is() {
        for text in ["User unknown", "Empfänger unbekannt", "用户不存在", ""] {
            assert!(
                matches!(decode(text.as_bytes()), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn a_line_that_was_cut_within_a_character_stays_utf8() {
        let whole = "Пользователь не найдеН".as_bytes();
        let cut = decode(&whole[..whole.len() - 1]);
        assert!(cut.starts_with("Пользователь не найде"), "{cut}");
    }
}
