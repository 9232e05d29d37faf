//! mailvet: vet an address before you send to it.

pub mod address;
pub mod clock;
pub mod dns;
pub mod sandbox;
pub mod smtp;
