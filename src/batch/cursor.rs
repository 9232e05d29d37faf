//! Places in the results of a batch, as opaque text: the order, the end of the batch's name, and
//! two numbers.

use crate::batch::queue::{Cursor, Order};
use crate::campaign::id::BatchId;

/// A position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CursorPosition {
    /// After this row of the item with this number in the order of completion.
    Completion { sequence: i64, row: i64 },
    /// After this row.
    Row { row: i64 },
}

impl CursorPosition {
    /// The position at which reading in `order` starts.
    pub(super) fn start(order: Order) -> Self {
        match order {
            Order::Completion => Self::Completion { sequence: 0, row: -1 },
            Order::Row => Self::Row { row: -1 },
        }
    }

    /// The position that `cursor` names, if it is one of batch `id` in this order.
    pub(super) fn read(cursor: &Cursor, id: &BatchId, order: Order) -> Option<Self> {
        if cursor.0.is_empty() {
            return Some(Self::start(order));
        }
        let (head, numbers) = cursor.0.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<i64>().ok()).flatten()
        };
        let position = match order {
            Order::Completion => {
                let (sequence, row) = numbers.split_once('-')?;
                Self::Completion { sequence: number(sequence)?, row: number(row)? }
            }
            Order::Row => Self::Row { row: number(numbers)? },
        };
        // Written the same way, or it was not written by us.
        (head.len() > 1 && position.cursor(id) == *cursor).then_some(position)
    }

    /// The position as text.
    pub(super) fn cursor(self, id: &BatchId) -> Cursor {
        let tail = id.as_str().rsplit('-').next().unwrap_or_default();
        Cursor(match self {
            Self::Completion { row: -1, .. } | Self::Row { row: -1 } => String::new(),
            Self::Completion { sequence, row } => format!("c{tail}-{sequence}-{row}"),
            Self::Row { row } => format!("r{tail}-{row}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_place_is_read_back_only_in_its_own_batch_and_order() {
        let id = BatchId::new(SystemTime::UNIX_EPOCH);
        let other = BatchId::new(SystemTime::UNIX_EPOCH);
        for (position, order, wrong) in [
            (CursorPosition::Completion { sequence: 3, row: 17 }, Order::Completion, Order::Row),
            (CursorPosition::Row { row: 0 }, Order::Row, Order::Completion),
        ] {
            let cursor = position.cursor(&id);
            assert_eq!(CursorPosition::read(&cursor, &id, order), Some(position));
            assert_eq!(CursorPosition::read(&cursor, &id, wrong), None);
            assert_eq!(CursorPosition::read(&cursor, &other, order), None);
            assert_eq!(
                CursorPosition::read(&Cursor::default(), &id, order),
                Some(CursorPosition::start(order))
            );
        }
        for text in ["x", "r-1", "c-1-2", "r", "-", "--", "r0-01", "999999999999999999999"] {
            assert_eq!(
                CursorPosition::read(&Cursor(text.to_owned()), &id, Order::Row),
                None,
                "{text}"
            );
        }
    }
}
