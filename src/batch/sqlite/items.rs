//! The items of a chunk as bytes: each as its distance from the one before, seven bits a byte, the
//! lowest first, the top bit set where more follow. The first counts from the chunk's own number,
//! which is that of its first item.

/// The bytes of `items`, which are in ascending order and not before `chunk`.
pub(super) fn pack(chunk: i64, items: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * 2);
    let mut before = chunk;
    for &item in items {
        let mut rest = item.abs_diff(before);
        before = item;
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
    }
    bytes
}

/// The items again.
pub(super) fn unpack(chunk: i64, bytes: &[u8]) -> Vec<i64> {
    let mut items = Vec::with_capacity(bytes.len());
    let (mut before, mut distance, mut shift) = (chunk, 0i64, 0u32);
    for &byte in bytes {
        distance |= i64::from(byte & 0x7f) << shift.min(56);
        shift += 7;
        if byte & 0x80 == 0 {
            before = before.saturating_add(distance);
            items.push(before);
            (distance, shift) = (0, 0);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_as_they_were() {
        for items in [
            vec![],
            vec![0],
            vec![7],
            vec![7, 8, 9, 136, 137, 265, 16_900, 10_000_000, i64::from(u32::MAX)],
        ] {
            let chunk = items.first().copied().unwrap_or(3);
            assert_eq!(unpack(chunk, &pack(chunk, &items)), items);
        }
        assert_eq!(pack(7, &[7, 8, 200]).len(), 4, "neighbours take a byte");
        assert_eq!(unpack(5, &pack(5, &[9, 11])), [9, 11], "the first may be gone");
    }
}
