//! Local parts that break the grammar and exist all the same.
//!
//! Two kinds are asked about instead of being refused:
//!
//! - A dot before the `@`, at the beginning, or two in a row, at the few providers that gave such
//!   names out (`stray_dots.txt`). They are asked about as a quoted string, which is how the
//!   grammar writes them.
//! - 65 to 128 octets. RFC 5321 section 4.5.3.1 calls its limits a minimum that every server has to
//!   accept, and some accept more: services put long tokens into reply addresses.

use super::domain::DomainName;
use super::local;
use super::mailbox::Address;
use super::syntax::{SyntaxError, SyntaxErrorKind};

/// The longest local part that is asked about, in octets.
const MAX_LOCAL_OCTETS: usize = 128;

/// Reads an address as [`Address::parse`] does, and those that break its rules and may exist.
/// With an address of the second kind comes the fault that the grammar finds in `text`.
///
/// # Errors
/// [`SyntaxError`]: no address is written like this, by any rule.
pub fn parse(text: &str) -> Result<(Address, Option<SyntaxError>), SyntaxError> {
    let fault = match Address::parse(text) {
        Ok(address) => return Ok((address, None)),
        Err(fault) => fault,
    };
    let address = match fault.kind {
        SyntaxErrorKind::LocalPartTooLong => Address::parse_within(text, MAX_LOCAL_OCTETS).ok(),
        SyntaxErrorKind::DotAtEdge | SyntaxErrorKind::ConsecutiveDots => with_quotes(text),
        _ => None,
    };
    address.map(|address| (address, Some(fault))).ok_or(fault)
}

/// The address with its local part in quotes, at a provider that gave out stray dots.
fn with_quotes(text: &str) -> Option<Address> {
    let (local, domain) = text.split_once('@')?;
    if !gave_out_stray_dots(&DomainName::parse(domain).ok()?) || !local::is_dotted_atoms(local) {
        return None;
    }
    Address::parse(&format!("{}@{domain}", local::from_content(local))).ok()
}

fn gave_out_stray_dots(domain: &DomainName) -> bool {
    let lines = include_str!("stray_dots.txt").lines().filter(|line| !line.starts_with('#'));
    lines.into_iter().any(|name| name == domain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<String> {
        parse(text).ok().map(|(address, _)| address.wire_utf8())
    }

    #[test]
    fn stray_dots_are_asked_in_quotes_where_the_provider_gave_them_out() {
        for (text, expected) in [
            ("jane..doe@docomo.ne.jp", "\"jane..doe\"@docomo.ne.jp"),
            ("jane.@Ezweb.ne.jp", "\"jane.\"@ezweb.ne.jp"),
            (".jane@au.com", "\".jane\"@au.com"),
        ] {
            assert_eq!(asked(text).as_deref(), Some(expected));
            assert!(parse(text).unwrap().1.is_some(), "the grammar's fault stays known");
        }
        for text in [
            "jane..doe@example.com",
            "jane..(x)@docomo.ne.jp",
            "..@docomo.ne.jp",
            "j..@x@docomo.ne.jp",
        ] {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn a_local_part_over_the_minimum_that_servers_must_take_is_asked_about_up_to_128_octets() {
        let of = |octets: usize| format!("reply+{}@reply.example.com", "x".repeat(octets - 6));
        assert!(parse(&of(64)).unwrap().1.is_none());
        for octets in [65, 128] {
            let (address, fault) = parse(&of(octets)).unwrap();
            assert_eq!(address.local().len(), octets);
            assert_eq!(fault.unwrap().kind, SyntaxErrorKind::LocalPartTooLong);
        }
        assert_eq!(parse(&of(129)).unwrap_err().kind, SyntaxErrorKind::LocalPartTooLong);
        let stray = format!("{}..x@example.com", "x".repeat(70));
        assert!(parse(&stray).is_err(), "length is the only fault that is overlooked");
    }

    #[test]
    fn what_the_grammar_takes_has_no_fault_and_what_is_no_address_is_none() {
        assert_eq!(parse("jane@docomo.ne.jp").unwrap().1, None);
        assert_eq!(parse("jane doe@docomo.ne.jp").unwrap_err().kind, SyntaxErrorKind::Whitespace);
        assert_eq!(parse("").unwrap_err().kind, SyntaxErrorKind::Empty);
    }
}
