//! One source file, as tokens, without its test modules.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::paths;

pub(crate) struct Source {
    /// Its path below `src/`.
    pub(crate) name: String,
    tokens: Vec<TokenTree>,
}

impl Source {
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|error| panic!("{name} is not Rust: {error}"));
        Self { name: name.to_owned(), tokens: without_tests(tokens.into_iter().collect()) }
    }

    /// The top-level module the file belongs to.
    pub(crate) fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Whether the file only declares and re-exports what is in its folder.
    pub(crate) fn is_module_head(&self) -> bool {
        self.name.ends_with("/mod.rs")
    }

    /// Whether the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        file == "tests.rs" || file.starts_with("test_") || self.name.contains("/tests/")
    }

    /// Every path of two or more names, groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
    pub(crate) fn paths(&self) -> Vec<Vec<String>> {
        if self.is_test() {
            return Vec::new();
        }
        let mut found = Vec::new();
        paths::collect(&self.tokens, &mut found);
        found
    }

    /// The paths below `crate`, without `crate` itself.
    pub(crate) fn crate_paths(&self) -> Vec<Vec<String>> {
        self.paths()
            .into_iter()
            .filter(|path| path[0] == "crate" && path.len() > 1)
            .map(|path| path[1..].to_vec())
            .collect()
    }

    /// Every string literal that is not documentation.
    pub(crate) fn literals(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.is_test() {
            literals(&self.tokens, &mut found);
        }
        found
    }
}

fn literals(tokens: &[TokenTree], found: &mut Vec<String>) {
    let mut previous: Option<&TokenTree> = None;
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') {
                    found.push(text);
                }
            }
            // The brackets of an attribute hold documentation.
            TokenTree::Group(group) if !is_attribute(previous, token) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                literals(&inner, found);
            }
            _ => {}
        }
        previous = Some(token);
    }
}

fn is_attribute(previous: Option<&TokenTree>, token: &TokenTree) -> bool {
    let bracket = matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Bracket);
    let marked = matches!(previous, Some(TokenTree::Punct(p)) if "#!".contains(p.as_char()));
    bracket && marked
}

/// Drops every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_cfg_test = is_attribute(kept.last(), &token)
            && matches!(&token, TokenTree::Group(g) if g.stream().to_string().replace(' ', "") == "cfg(test)");
        if !is_cfg_test {
            kept.push(token);
            continue;
        }
        kept.pop();
        // The item ends with its body or with its semicolon.
        for token in rest.by_ref() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
                TokenTree::Punct(punct) if punct.as_char() == ';' => break,
                _ => {}
            }
        }
    }
    kept
}
