//! A cursor is refused, or it is the one that we write for the place it names.
#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;

mod batch {
    pub mod queue {
        pub use mailvet::batch::queue::{Cursor, Order};
    }
}

mod campaign {
    pub mod id {
        pub use mailvet::campaign::BatchId;
    }
}

// The file itself: nothing outside the store needs it, so it is not public.
#[path = "../../src/batch/cursor.rs"]
mod cursor;

use batch::queue::{Cursor, Order};
use campaign::id::BatchId;
use cursor::CursorPosition;

fuzz_target!(|text: &str| {
    let id = BatchId::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let tail = id.as_str().rsplit('-').next().unwrap_or_default().to_owned();
    for order in [Order::Completion, Order::Row] {
        // As it is, and with the name of the batch where one of ours has it.
        for text in [text.to_owned(), text.replace('#', &tail)] {
            if let Some(place) = CursorPosition::read(&Cursor(text.clone()), &id, order) {
                assert_eq!(place.cursor(&id).0, text);
            }
        }
    }
});
