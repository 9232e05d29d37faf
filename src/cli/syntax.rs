//! `mailvet syntax`: whether an address is usable in `RCPT TO`, and why not.

use std::io::{stdin, stdout};

use serde::{Deserialize, Serialize};

use super::args::SyntaxArgs;
use super::jsonl;
use super::render::{self, BAD, DIM, GOOD};
use crate::address::{Address, suggest};

/// An address on standard input.
#[derive(Debug, Deserialize)]
struct Brought {
    id: serde_json::Value,
    address: String,
}

/// `true` if it is one.
#[derive(Debug, Serialize)]
struct Checked {
    id: serde_json::Value,
    valid: bool,
    reason: Option<&'static str>,
    offset: Option<usize>,
}

pub(super) fn run(args: &SyntaxArgs) -> anyhow::Result<bool> {
    if args.jsonl {
        jsonl::map(stdin().lock(), stdout().lock(), check)?;
        return Ok(true);
    }
    let mut all_valid = true;
    for address in &args.addresses {
        all_valid &= print(address);
    }
    Ok(all_valid)
}

fn check(brought: Brought) -> Checked {
    let error = Address::parse(&brought.address).err();
    Checked {
        id: brought.id,
        valid: error.is_none(),
        reason: error.as_ref().map(|error| error.kind.name()),
        offset: error.map(|error| error.offset),
    }
}

fn print(input: &str) -> bool {
    let shown = render::printable(input);
    let valid = match Address::parse(input) {
        Ok(address) => {
            print_line!("{GOOD}valid{GOOD:#}    {shown}");
            let identity = address.identity();
            print_line!("         {DIM}canonical: {}{DIM:#}", identity.person());
            if address.needs_smtputf8() {
                print_line!("         {DIM}needs SMTPUTF8 (RFC 6531){DIM:#}");
            }
            true
        }
        Err(error) => {
            print_line!("{BAD}invalid{BAD:#}  {shown}");
            print_line!("         {}: {error}", error.kind.name());
            false
        }
    };
    if let Some(suggestion) = suggest::suggest(input) {
        print_line!("         did you mean {}?", suggestion.address.wire_utf8());
    }
    valid
}
