//! The `mailvet` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailvet::cli::main()
}
