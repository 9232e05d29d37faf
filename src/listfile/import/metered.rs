//! The input of an archive that counts what is unpacked of it, which the library tells nobody.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// A part of an archive, as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedPart {
    /// The place of its first octet.
    pub(super) start: u64,
    /// Its octets in the file.
    pub(super) packed: u64,
    /// What they were unpacked to, in octets.
    pub(super) unpacked: u64,
}

impl PackedPart {
    /// The part of what it unpacks to that is read with so many octets from `at`.
    fn unpacked_with(&self, at: u64, octets: u64) -> u64 {
        let is_inside = at >= self.start && at - self.start < self.packed;
        let share = octets.saturating_mul(self.unpacked).checked_div(self.packed);
        if is_inside { share.unwrap_or_default() } else { 0 }
    }
}

/// The octets that were unpacked so far, shared with the input that counts them.
#[derive(Clone, Debug, Default)]
pub(super) struct UnpackedCount(Rc<Cell<u64>>);

impl UnpackedCount {
    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }

    fn add(&self, octets: u64) {
        self.0.set(self.0.get().saturating_add(octets));
    }
}

/// An input that stands at its beginning.
pub(super) struct MeteredInput<R> {
    input: R,
    at: u64,
    parts: Vec<PackedPart>,
    count: UnpackedCount,
}

impl<R> MeteredInput<R> {
    pub(super) fn new(input: R, parts: Vec<PackedPart>, count: UnpackedCount) -> Self {
        Self { input, at: 0, parts, count }
    }
}

impl<R: Read> Read for MeteredInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let octets = read as u64;
        // Parts may lie over each other: the one that unpacks to most counts.
        let shares = self.parts.iter().map(|part| part.unpacked_with(self.at, octets));
        self.count.add(shares.max().unwrap_or_default());
        self.at = self.at.saturating_add(octets);
        Ok(read)
    }
}

impl<R: Seek> Seek for MeteredInput<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.input.seek(to)?;
        Ok(self.at)
    }
}
