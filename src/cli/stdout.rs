//! Standard output that a reader may close before its end, as `head` does.

use std::io::{self, Write, stdout};

/// Prints `text`. A reader that has seen enough is no failure of ours.
///
/// # Errors
///
/// If it cannot be written for another reason.
pub(super) fn print_all(text: &[u8]) -> io::Result<()> {
    write_all(&mut stdout().lock(), text)
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
