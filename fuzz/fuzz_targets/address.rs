//! An address is refused, or it is the same after its wire form was read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailvet::address::Address;
use mailvet::verifier::Subject;

fuzz_target!(|text: &str| {
    let _subject = Subject::parse(text);
    let Ok(address) = Address::parse(text) else { return };
    let wire = address.wire_utf8();
    let again = Address::parse(&wire).unwrap_or_else(|error| panic!("{wire:?}: {error}"));
    assert_eq!(again.wire_utf8(), wire);
});
