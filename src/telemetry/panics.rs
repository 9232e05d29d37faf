//! Log line with the place of a panic.
//!
//! A message that was put together at run time may hold anything, an address too (a slice cut in
//! the middle of a character shows the whole text), so only one that stands in the source is told.
//! The place says the rest.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

/// From now on panics are told this way.
pub(super) fn install_hook() {
    panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = message(panic.payload());
        let thread = thread::current().name().unwrap_or("without a name").to_owned();
        // Functions and lines only; taken if RUST_BACKTRACE asks for it.
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured)
            .then(|| tracing::field::display(backtrace));
        tracing::error!(
            at,
            message,
            thread,
            backtrace,
            "this is a bug: a part of the process ended"
        );
    }));
}

fn message(payload: &(dyn Any + Send)) -> &'static str {
    let written: Option<&&'static str> = payload.downcast_ref();
    written.copied().unwrap_or("not shown, as it may hold an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_the_source_is_shown() {
        assert_eq!(message(&"as written"), "as written");
        let put_together = "x".repeat(3) + "@example.com";
        assert!(!message(&put_together).contains("xxx"));
        assert!(!message(&7_u8).contains('7'));
    }
}
