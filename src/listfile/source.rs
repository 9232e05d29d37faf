//! [`Source`]: a file's bytes as working text: unpacked, without byte order mark, in an encoding
//! whose ASCII is ASCII. UTF-16 becomes UTF-8; everything else stays byte for byte as it is.

use std::io::{self, Chain, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult};
use flate2::read::MultiGzDecoder;

use super::charset::TextEncoding;
use super::{ListFileError, SNIFF, magic};

/// The beginning of a file that has been looked at, and the rest of it.
type Rejoined<R> = Chain<Cursor<Vec<u8>>, R>;

/// A file, unpacked.
enum Unpacked<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<Rejoined<R>>>),
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(into),
            Self::Gzip(inner) => inner.read(into),
        }
    }
}

/// A file as working text.
pub(super) struct Source<R> {
    bytes: Rejoined<Unpacked<R>>,
    recoder: Option<Recoder>,
}

/// A file with the findings about its first bytes.
pub(super) struct Opened<R> {
    pub(super) source: Source<R>,
    /// The beginning, in working text.
    pub(super) sample: Vec<u8>,
    /// `true` if that is all there is.
    pub(super) is_whole: bool,
    pub(super) gzip: bool,
    pub(super) encoding: TextEncoding,
}

/// Text that is not valid in its encoding, as the cause of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("the text is not valid in its encoding")]
pub(super) struct InvalidText;

impl<R: Read> Source<R> {
    /// Looks at the beginning of `input`.
    ///
    /// # Errors
    /// [`ListFileError`]: not readable, damaged, or not a text.
    pub(super) fn open(mut input: R, asked: Option<&str>) -> Result<Opened<R>, ListFileError> {
        let read = |source| ListFileError::Read { row: 0, source };
        let mut head = beginning(&mut input).map_err(read)?;
        let gzip = head.starts_with(&magic::GZIP);
        let mut unpacked = Unpacked::Plain(input);
        if gzip && let Unpacked::Plain(input) = unpacked {
            let mut inner = Box::new(MultiGzDecoder::new(Cursor::new(head).chain(input)));
            head =
                beginning(&mut inner).map_err(|source| ListFileError::Gzip { row: 0, source })?;
            unpacked = Unpacked::Gzip(inner);
        }
        magic::refuse_known(&head)?;
        let is_whole = head.len() < SNIFF;
        let (encoding, mark) = TextEncoding::detect(&head, is_whole, asked)?;
        let sample = if encoding.is_utf16() {
            encoding
                .charset()
                .decode_without_bom_handling(&head[mark..])
                .0
                .into_owned()
                .into_bytes()
        } else {
            head[mark..].to_vec()
        };
        magic::refuse_odd(&sample)?;
        let mut rest = Cursor::new(head);
        rest.set_position(mark as u64);
        let recoder = encoding.is_utf16().then(|| Recoder::new(&encoding));
        let source = Self { bytes: rest.chain(unpacked), recoder };
        Ok(Opened { source, sample, is_whole, gzip, encoding })
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.recoder {
            None => self.bytes.read(into),
            Some(recoder) => recoder.read(&mut self.bytes, into),
        }
    }
}

/// Up to [`SNIFF`] bytes.
fn beginning(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(SNIFF as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// UTF-16 to UTF-8, without replacement.
struct Recoder {
    decoder: Decoder,
    raw: Box<[u8]>,
    start: usize,
    end: usize,
    is_ended: bool,
    is_broken: bool,
}

/// The amount of UTF-16 converted at once, in bytes.
const STEP: usize = 32 * 1024;

impl Recoder {
    fn new(encoding: &TextEncoding) -> Self {
        let decoder = encoding.charset().new_decoder_without_bom_handling();
        let raw = vec![0; STEP].into_boxed_slice();
        Self { decoder, raw, start: 0, end: 0, is_ended: false, is_broken: false }
    }

    /// Everything before the first invalid unit is given before the error is, so that the error is
    /// about the right row.
    fn read(&mut self, from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_broken {
                return Err(io::Error::new(io::ErrorKind::InvalidData, InvalidText));
            }
            if self.start == self.end && !self.is_ended {
                (self.start, self.end) = (0, from.read(&mut self.raw)?);
                self.is_ended = self.end == 0;
            }
            let raw = &self.raw[self.start..self.end];
            let (result, taken, given) =
                self.decoder.decode_to_utf8_without_replacement(raw, into, self.is_ended);
            self.start += taken;
            self.is_broken = matches!(result, DecoderResult::Malformed(..));
            let is_done = self.is_ended && result == DecoderResult::InputEmpty;
            if given > 0 || is_done {
                return Ok(given);
            }
        }
    }
}
