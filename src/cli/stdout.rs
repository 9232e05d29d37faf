//! Standard output that a reader may close before its end, as `head` does, and that may be a file
//! on a full disk.

use std::fmt;
use std::io::{self, Write, stdout};
use std::sync::OnceLock;

/// The first fault of standard output, in words.
static FAULT: OnceLock<String> = OnceLock::new();

/// Prints formatted text as `print!` does; a fault is told by [`ensure_written`].
macro_rules! print_text {
    ($($part:tt)*) => {
        $crate::cli::stdout::print(format_args!($($part)*))
    };
}

/// Prints a line as `println!` does; a fault is told by [`ensure_written`].
macro_rules! print_line {
    () => {
        $crate::cli::stdout::print(format_args!("\n"))
    };
    ($($part:tt)*) => {
        $crate::cli::stdout::print(format_args!("{}\n", format_args!($($part)*)))
    };
}

/// Prints `text`, with colour where that is wanted. After a fault nothing more is printed: a file
/// with a gap would look whole.
pub(super) fn print(text: fmt::Arguments<'_>) {
    if FAULT.get().is_none() {
        note_fault(anstream::stdout().lock().write_fmt(text));
    }
}

/// Remembers a fault, unless it is that the reader has seen enough.
fn note_fault(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        // The first one says it.
        let _earlier = FAULT.set(error.to_string());
    }
}

/// Finds out whether all that was printed so far is written.
///
/// # Errors
///
/// If it could not be.
pub(super) fn ensure_written() -> anyhow::Result<()> {
    note_fault(stdout().flush());
    match FAULT.get() {
        Some(fault) => anyhow::bail!("standard output cannot be written: {fault}"),
        None => Ok(()),
    }
}

/// Prints `text` as it is; a fault is told by [`ensure_written`].
pub(super) fn print_all(text: &[u8]) {
    note_fault(write_all(&mut stdout().lock(), text));
}

fn write_all(output: &mut impl Write, text: &[u8]) -> io::Result<()> {
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that fails.
    struct FailingOutput(io::ErrorKind);

    impl Write for FailingOutput {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
        assert!(write_all(&mut FailingOutput(io::ErrorKind::BrokenPipe), b"text").is_ok());
        assert!(write_all(&mut FailingOutput(io::ErrorKind::StorageFull), b"text").is_err());
    }
}
