//! The input of an archive that counts what is unpacked of it, which the library tells nobody.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// A part of an archive, as it lies in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedPart {
    /// The place of its first octet.
    pub(super) start: u64,
    /// The octets of the file that are read to unpack it.
    pub(super) packed: u64,
    /// What they were unpacked to, in octets.
    pub(super) unpacked: u64,
}

/// A number of octets, shared with the input that counts them.
#[derive(Clone, Debug, Default)]
pub(super) struct OctetCount(Rc<Cell<u64>>);

impl OctetCount {
    pub(super) fn get(&self) -> u64 {
        self.0.get()
    }

    fn add(&self, octets: u64) {
        self.0.set(self.0.get().saturating_add(octets));
    }
}

/// A stretch of the file with a part in it. Parts that lie over each other, which no program makes,
/// are in one: what is read there may be any of them.
#[derive(Debug)]
struct PackedStretch {
    start: u64,
    end: u64,
    /// The part that unpacks to most.
    part: PackedPart,
}

impl PackedStretch {
    fn of_part(part: PackedPart) -> Self {
        Self { start: part.start, end: part.start.saturating_add(part.packed), part }
    }

    fn take_in(&mut self, part: PackedPart) {
        let density =
            |of: PackedPart, other: PackedPart| u128::from(of.unpacked) * u128::from(other.packed);
        self.end = self.end.max(part.start.saturating_add(part.packed));
        if density(part, self.part) > density(self.part, part) {
            self.part = part;
        }
    }
}

/// The stretches with parts in them, in the order of the file: an archive may have very many, and
/// for each read the one of its place is searched for.
fn stretches(mut parts: Vec<PackedPart>) -> Vec<PackedStretch> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut stretches: Vec<PackedStretch> = Vec::with_capacity(parts.len());
    for part in parts.into_iter().filter(|part| part.packed > 0) {
        match stretches.last_mut() {
            Some(last) if part.start < last.end => last.take_in(part),
            _ => stretches.push(PackedStretch::of_part(part)),
        }
    }
    stretches
}

/// An input that stands at its beginning. It counts what is read of it or, of an archive, what that
/// unpacks to.
pub(super) struct MeteredInput<R> {
    input: R,
    at: u64,
    /// `None` if octets count as they are.
    stretches: Option<Vec<PackedStretch>>,
    count: OctetCount,
}

impl<R> MeteredInput<R> {
    /// Counts what is unpacked of these parts of `input`.
    pub(super) fn unpacked(input: R, parts: Vec<PackedPart>, count: OctetCount) -> Self {
        Self { input, at: 0, stretches: Some(stretches(parts)), count }
    }

    /// Counts what is read of `input`.
    pub(super) fn packed(input: R, count: OctetCount) -> Self {
        Self { input, at: 0, stretches: None, count }
    }

    /// The octets that so many from here on count as.
    fn counted(&self, octets: u64) -> u64 {
        let Some(stretches) = &self.stretches else { return octets };
        let behind = stretches.partition_point(|stretch| stretch.start <= self.at);
        let here = behind.checked_sub(1).and_then(|index| stretches.get(index));
        let here = here.filter(|stretch| self.at < stretch.end);
        let share = here.and_then(|PackedStretch { part, .. }| {
            octets.saturating_mul(part.unpacked).checked_div(part.packed)
        });
        share.unwrap_or_default()
    }
}

impl<R: Read> Read for MeteredInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let octets = read as u64;
        self.count.add(self.counted(octets));
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// What ten octets from each of these places on count as.
    fn counted_at<const N: usize>(parts: &[(u64, u64, u64)], places: [u64; N]) -> [u64; N] {
        let parts =
            parts.iter().map(|&(start, packed, unpacked)| PackedPart { start, packed, unpacked });
        let count = OctetCount::default();
        let input = Cursor::new([0_u8; 100]);
        let mut input = MeteredInput::unpacked(input, parts.collect(), count.clone());
        places.map(|at| {
            let before = count.get();
            input.seek(SeekFrom::Start(at)).unwrap();
            input.read_exact(&mut [0; 10]).unwrap();
            count.get() - before
        })
    }

    #[test]
    fn what_is_read_of_a_part_counts_as_what_it_unpacks_to_and_anything_else_as_nothing() {
        let parts = [(60, 20, 20), (10, 20, 2000), (50, 0, 0), (30, 10, 50)];
        assert_eq!(
            counted_at(&parts, [0, 10, 20, 30, 40, 50, 60, 70, 80]),
            [0, 1000, 1000, 50, 0, 0, 10, 10, 0]
        );
        assert_eq!(counted_at(&[], [0, 50]), [0, 0]);
    }

    #[test]
    fn parts_that_lie_over_each_other_count_as_the_one_that_unpacks_to_most() {
        let parts = [(10, 50, 5000), (20, 10, 10), (20, 10, 10), (25, 40, 400), (70, 10, 20)];
        assert_eq!(counted_at(&parts, [0, 10, 20, 40, 60, 70]), [0, 1000, 1000, 1000, 1000, 20]);
        let parts = [(20, 10, 500), (10, 80, 80)];
        assert_eq!(counted_at(&parts, [10, 20, 80, 90]), [500, 500, 500, 0]);
    }

    #[test]
    fn what_is_read_of_a_file_is_counted_wherever_it_stands() {
        let count = OctetCount::default();
        let mut input = MeteredInput::packed(Cursor::new([0_u8; 100]), count.clone());
        for at in [0, 40, 0] {
            input.seek(SeekFrom::Start(at)).unwrap();
            input.read_exact(&mut [0; 10]).unwrap();
        }
        assert_eq!(count.get(), 30);
    }
}
