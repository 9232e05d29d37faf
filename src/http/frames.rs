//! Frames of gRPC: a message behind its length (the gRPC protocol, "Length-Prefixed-Message").

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Octets before a message: a flag and the length.
const HEAD: usize = 5;

/// A message in its frame, not compressed. `None` if it is too long for one.
pub(crate) fn frame(message: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(HEAD + message.len());
    framed.put_u8(0);
    framed.put_u32(length);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Messages out of a stream of octets.
#[derive(Debug, Default)]
pub(super) struct FrameReader(BytesMut);

impl FrameReader {
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let head = self.0.get(1..HEAD)?;
        let length = u32::from_be_bytes(head.try_into().ok()?);
        let length = usize::try_from(length).ok()?;
        if self.0.len() - HEAD < length {
            return None;
        }
        self.0.advance(HEAD);
        Some(self.0.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_any_pieces_as_they_went_in() {
        let wire = [frame(b"one").unwrap(), frame(b"").unwrap(), frame(b"three").unwrap()].concat();
        for size in 1..=wire.len() {
            let mut reader = FrameReader::default();
            let mut messages = Vec::new();
            for piece in wire.chunks(size) {
                reader.push(piece);
                while let Some(message) = reader.next() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [&b"one"[..], b"", b"three"], "{size}");
        }
    }
}
