//! [`TextWindow`]: the part of the working text that is in memory.

use std::io::{self, Read};

/// The size of one read, in bytes.
const STEP: usize = 64 * 1024;

/// A sliding window over a source. It grows to hold the record at its beginning.
pub(super) struct TextWindow<S> {
    source: S,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    is_ended: bool,
}

impl<S: Read> TextWindow<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, bytes: Vec::new(), start: 0, end: 0, is_ended: false }
    }

    /// The text read and not yet consumed.
    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// `true` if nothing follows [`text`](Self::text).
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Forgets the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads more: at least one byte, or the end.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // As much again as there is, so that a long record is not looked at too often.
        let wanted = self.end + self.end.max(STEP);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        let count = loop {
            match self.source.read(&mut self.bytes[self.end..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += count;
        self.is_ended = count == 0;
        Ok(())
    }
}

#[cfg(test)]
impl<S> TextWindow<S> {
    /// The memory it holds, in bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }
}
