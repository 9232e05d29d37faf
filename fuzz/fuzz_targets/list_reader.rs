//! A list is refused, or read to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailvet::listfile::{Reader, ReaderOptions, Row};

fuzz_target!(|octets: &[u8]| {
    let Ok(mut reader) = Reader::open(std::io::Cursor::new(octets), &ReaderOptions::default()) else {
        return;
    };
    let mut row = Row::default();
    let mut rows = 0;
    while matches!(reader.read(&mut row), Ok(true)) {
        let _address = row.address();
        rows += 1;
        assert!(rows <= octets.len() + 1, "more rows than octets");
    }
});
