//! The bytes of a source: unpacked where it is a gzip file, as rotated logs and the mails of some
//! servers are, and without the byte order mark that programs on Windows write before a text.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

/// Number of bytes that are read at once, and that a source is recognised by.
const START: usize = 64 * 1024;

/// The beginning of a gzip file (RFC 1952 section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";

/// The byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Opens a source. Its first buffer is what it is recognised by.
pub(super) fn open<'r>(input: impl Read + 'r) -> io::Result<Box<dyn BufRead + 'r>> {
    let mut plain = BufReader::with_capacity(START, input);
    if !plain.fill_buf()?.starts_with(GZIP) {
        skip_mark(&mut plain)?;
        return Ok(Box::new(plain));
    }
    let mut unpacked = BufReader::with_capacity(START, MultiGzDecoder::new(plain));
    skip_mark(&mut unpacked)?;
    Ok(Box::new(unpacked))
}

fn skip_mark(input: &mut impl BufRead) -> io::Result<()> {
    if input.fill_buf()?.starts_with(MARK) {
        input.consume(MARK.len());
    }
    Ok(())
}

/// `true` for the error of a gzip file that is damaged or ends too early. A file that cannot be
/// read fails otherwise.
pub(super) fn is_damaged(kind: ErrorKind) -> bool {
    use ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(kind, InvalidData | InvalidInput | UnexpectedEof)
}
