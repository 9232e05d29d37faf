//! The `mailvet` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// An address that is asked costs about a hundred small pieces, freed on whichever thread has the
/// answer: a fifth of the time of a list goes to the allocator of the C library.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mailvet::cli::main()
}
