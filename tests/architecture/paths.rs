//! Paths in a stream of tokens.

use proc_macro2::{Delimiter, TokenTree};

/// Adds every path of two or more names in `tokens` to `found`.
pub(crate) fn collect(tokens: &[TokenTree], found: &mut Vec<Vec<String>>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(_) => at = path(tokens, at, &mut Vec::new(), found),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                collect(&inner, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads the path that begins at `at`, after the names in `prefix`; returns where it ends.
fn path(
    tokens: &[TokenTree],
    at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    let depth = prefix.len();
    let mut at = at;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => prefix.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                branches(&inner, prefix, found);
                prefix.truncate(depth);
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    if prefix.len() > 1 {
        found.push(prefix.clone());
    }
    prefix.truncate(depth);
    at
}

/// The branches of `prefix::{a, b::c}`.
fn branches(tokens: &[TokenTree], prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at], TokenTree::Ident(_)) {
            at = path(tokens, at, prefix, found);
            // Past `as name` up to the next branch.
            while at < tokens.len()
                && !matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == ',')
            {
                at += 1;
            }
        } else {
            at += 1;
        }
    }
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |i: usize| matches!(tokens.get(i), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(at) && colon(at + 1)
}
