//! Which encoding a list file is in, and how a cell of it becomes text.
//!
//! In order: what the caller says; a byte order mark; the NUL bytes of UTF-16; UTF-8 if the
//! beginning is valid UTF-8; else a guess by frequency (chardetng), which is right for most lists
//! and is said to be a guess. Apart from UTF-16, only encodings are known that hold ASCII as ASCII
//! (WHATWG Encoding Standard): delimiters, quotes and line ends are found in the bytes as they are,
//! and the bytes are written back as they are.

use std::borrow::Cow;
use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{ListFileError, Remedies};

/// The character encoding of a list file. `Display` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextEncoding {
    charset: &'static Encoding,
    /// `true` if the file begins with a byte order mark, which is written back.
    pub byte_order_mark: bool,
    /// The basis on which it was found.
    pub basis: EncodingBasis,
}

/// The basis on which an encoding was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodingBasis {
    /// The caller named it.
    Asked,
    /// The byte order mark says so.
    ByteOrderMark,
    /// The bytes are as only this encoding has them.
    Pattern,
    /// By frequency of characters; `--encoding` names another.
    Guessed,
}

/// Bytes at the beginning that are searched for the NUL bytes of UTF-16.
const PATTERN: usize = 4096;

impl TextEncoding {
    /// UTF-8 without a byte order mark.
    pub(super) const UTF_8: Self =
        Self { charset: UTF_8, byte_order_mark: false, basis: EncodingBasis::Asked };

    /// The encoding of the file that begins with `head`, and how long its byte order mark is.
    ///
    /// # Errors
    /// [`ListFileError::UnknownEncoding`] if `asked` is no name of one.
    pub(super) fn detect(
        head: &[u8],
        is_whole: bool,
        asked: Option<&str>,
    ) -> Result<(Self, usize), ListFileError> {
        let mark = Encoding::for_bom(head);
        if let Some(label) = asked {
            let named = Self::named(label)?;
            let mark = mark.filter(|(marked, _)| *marked == named.charset);
            let mark = mark.map_or(0, |(_, length)| length);
            return Ok((Self { byte_order_mark: mark > 0, ..named }, mark));
        }
        if let Some((charset, length)) = mark {
            let basis = EncodingBasis::ByteOrderMark;
            return Ok((Self { charset, byte_order_mark: true, basis }, length));
        }
        let (charset, basis) = match utf16_by_pattern(head) {
            Some(charset) => (charset, EncodingBasis::Pattern),
            None if is_mostly_utf8(head, is_whole) => (UTF_8, EncodingBasis::Pattern),
            None => (guess(head, is_whole), EncodingBasis::Guessed),
        };
        Ok((Self { charset, byte_order_mark: false, basis }, 0))
    }

    /// The UTF-16 of the file that begins with `head`, and how long its byte order mark is; `None`
    /// if it is in another encoding.
    pub(super) fn utf16(head: &[u8]) -> Option<(Self, usize)> {
        let (found, mark) = Self::detect(&head[..head.len().min(PATTERN)], false, None).ok()?;
        found.is_utf16().then_some((found, mark))
    }

    /// The encoding called `label`, without a byte order mark.
    ///
    /// # Errors
    /// [`ListFileError::UnknownEncoding`].
    pub(super) fn named(label: &str) -> Result<Self, ListFileError> {
        let charset = named(label)
            .ok_or_else(|| ListFileError::UnknownEncoding { label: label.to_owned() })?;
        Ok(Self { charset, byte_order_mark: false, basis: EncodingBasis::Asked })
    }

    /// The name, as the Encoding Standard spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.charset.name()
    }

    pub(super) fn charset(&self) -> &'static Encoding {
        self.charset
    }

    /// `true` if the bytes must be recoded before delimiters can be seen in them.
    pub(super) fn is_utf16(&self) -> bool {
        self.charset == UTF_16LE || self.charset == UTF_16BE
    }

    /// `true` if a byte below 0x80 is always the ASCII character. In Shift_JIS, GBK and Big5 it can
    /// be the second half of another; never one of `"`, `,`, `;`, tab, CR and LF, but `|` and `\`.
    pub(super) fn keeps_ascii_apart(&self) -> bool {
        self.is_utf16() || self.charset == UTF_8 || self.charset.is_single_byte()
    }

    /// The encoding of working text: UTF-16 has been recoded to UTF-8.
    fn working(&self) -> &'static Encoding {
        if self.is_utf16() { UTF_8 } else { self.charset }
    }

    /// Working text as characters. What is not valid UTF-8 in a UTF-8 file is read as
    /// windows-1252, which gives every byte a character: files glued together from several sources
    /// have such rows.
    pub(super) fn decode<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        let charset = self.working();
        match charset.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(text) => text,
            None if charset == UTF_8 => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            None => charset.decode_without_bom_handling(bytes).0,
        }
    }

    /// The beginning of a file as characters, whatever is cut at its end.
    pub(super) fn decode_beginning<'a>(&self, bytes: &'a [u8]) -> Cow<'a, str> {
        self.charset.decode_without_bom_handling(bytes).0
    }

    /// The bytes of a file as characters; `None` if they are not valid.
    pub(super) fn decode_valid<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        self.charset.decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// `true` if working text is valid.
    pub(super) fn is_valid(&self, bytes: &[u8]) -> bool {
        let charset = self.working();
        if charset == UTF_8 {
            return Encoding::utf8_valid_up_to(bytes) == bytes.len();
        }
        Encoding::ascii_valid_up_to(bytes) == bytes.len()
            || charset.decode_without_bom_handling_and_without_replacement(bytes).is_some()
    }

    /// Appends `text` to working text. A character that the encoding does not have is written
    /// `\u{1f600}`: nothing is lost and nothing becomes `?`.
    pub(super) fn encode(&self, text: &str, into: &mut Vec<u8>) {
        let charset = self.working();
        if charset == UTF_8 || text.is_ascii() {
            into.extend_from_slice(text.as_bytes());
            return;
        }
        let mut buffer = [0; 4];
        for c in text.chars() {
            let (bytes, _, unmappable) = charset.encode(c.encode_utf8(&mut buffer));
            if unmappable {
                into.extend(c.escape_unicode().to_string().bytes());
            } else {
                into.extend_from_slice(&bytes);
            }
        }
    }

    /// Working text as the file has it, if that differs: UTF-16.
    pub(super) fn recode(&self, text: &[u8], into: &mut Vec<u8>) -> bool {
        if !self.is_utf16() {
            return false;
        }
        for unit in self.decode(text).encode_utf16() {
            let big = self.charset == UTF_16BE;
            into.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        }
        true
    }

    /// Its name, and the confidence in it, for a reader who has these remedies.
    pub(super) fn describe(&self, remedies: &Remedies) -> String {
        let name = self.name();
        match self.basis {
            EncodingBasis::ByteOrderMark => format!("{name} (by its byte order mark)"),
            EncodingBasis::Guessed => format!("{name} (a guess: {})", remedies.encoding),
            EncodingBasis::Asked | EncodingBasis::Pattern => name.to_owned(),
        }
    }

    /// `true` if every character of `text` can be written.
    pub(super) fn holds(&self, text: &str) -> bool {
        text.is_ascii() || self.working() == UTF_8 || !self.charset.encode(text).2
    }
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe(&Remedies::OPTIONS))
    }
}

/// The encoding called `label`, if list files can be in it.
fn named(label: &str) -> Option<&'static Encoding> {
    let charset = Encoding::for_label_no_replacement(label.as_bytes())?;
    let is_utf16 = charset == UTF_16LE || charset == UTF_16BE;
    (is_utf16 || charset.is_ascii_compatible()).then_some(charset)
}

/// UTF-16 without a byte order mark: every second byte of ASCII is NUL, and a list has much ASCII.
fn utf16_by_pattern(head: &[u8]) -> Option<&'static Encoding> {
    let head = &head[..head.len().min(PATTERN)];
    let pairs = head.as_chunks::<2>().0;
    let first = pairs.iter().filter(|pair| pair[0] == 0 && pair[1] != 0).count();
    let second = pairs.iter().filter(|pair| pair[1] == 0 && pair[0] != 0).count();
    let many = pairs.len() / 5;
    match (first > many, second > many) {
        (true, false) if second * 20 <= first => Some(UTF_16BE),
        (false, true) if first * 20 <= second => Some(UTF_16LE),
        _ => None,
    }
}

/// `true` if `head` is UTF-8, but perhaps for a few rows that came from elsewhere.
fn is_mostly_utf8(head: &[u8], is_whole: bool) -> bool {
    let (mut sound, mut broken) = (0_usize, 0_usize);
    let mut chunks = head.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        sound += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        let is_cut = !is_whole && chunks.peek().is_none() && chunk.invalid().len() < 4;
        if !chunk.invalid().is_empty() && !is_cut {
            broken += 1;
        }
    }
    broken == 0 || sound > broken * 4
}

fn guess(head: &[u8], is_whole: bool) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(head, is_whole);
    detector.guess(None, Utf8Detection::Deny)
}
