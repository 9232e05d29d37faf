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

/// One name that a `use` item brings into scope.
pub(crate) struct Import {
    /// The name in scope.
    pub(crate) name: String,
    /// The path that it stands for.
    pub(crate) path: Vec<String>,
}

/// Adds the imports of every `use` item in `tokens` to `found`, those in functions included.
pub(crate) fn collect_imports(tokens: &[TokenTree], found: &mut Vec<Import>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "use" => {
                let end = tokens[at..]
                    .iter()
                    .position(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ';'))
                    .map_or(tokens.len(), |length| at + length);
                leaves(&tokens[at + 1..end], &[], found);
                at = end;
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                collect_imports(&inner, found);
            }
            _ => {}
        }
        at += 1;
    }
}

/// The leaves of one tree of imports below `prefix`; globs are left out.
fn leaves(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Import>) {
    for tree in tokens
        .split(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
        .filter(|tree| !tree.is_empty())
    {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut is_leaf = true;
        for token in tree {
            match token {
                TokenTree::Ident(word) if word == "as" => alias = Some(String::new()),
                TokenTree::Ident(word) if alias.is_some() => alias = Some(word.to_string()),
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves(&inner, &path, found);
                    is_leaf = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => is_leaf = false,
                _ => {}
            }
        }
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if is_leaf && let Some(name) = alias.or_else(|| path.last().cloned()) {
            found.push(Import { name, path });
        }
    }
}
