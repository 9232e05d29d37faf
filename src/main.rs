//! The `mailvet` binary.

fn main() {}
