//! mailvet: vet an address before you send to it.

pub mod address;
pub mod cache;
pub mod clock;
pub mod dns;
pub mod pacing;
pub mod prober;
pub mod proto;
pub mod sandbox;
pub mod smtp;
pub mod verdict;
