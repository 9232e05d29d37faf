//! One source file, as tokens, without its test modules.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::paths::{self, Import};

/// What is read from the tokens is read once: the checks ask for it again and again.
pub(crate) struct Source {
    /// Its path below `src/`.
    pub(crate) name: String,
    /// Every path of two or more names, groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
    pub(crate) paths: Vec<Vec<String>>,
    /// What the `use` items bring into scope.
    pub(crate) imports: Vec<Import>,
    /// Every string literal that is not documentation.
    pub(crate) literals: Vec<String>,
    /// The names of the structs, enums and traits that are declared here.
    pub(crate) type_names: Vec<String>,
    /// The modules declared under `#[cfg(test)]` that have files of their own.
    pub(crate) test_modules: Vec<String>,
    /// A parent declares the file's module under `#[cfg(test)]`.
    pub(crate) is_below_test: bool,
}

impl Source {
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|error| panic!("{name} is not Rust: {error}"));
        let mut source = Self {
            name: name.to_owned(),
            paths: Vec::new(),
            imports: Vec::new(),
            literals: Vec::new(),
            type_names: Vec::new(),
            test_modules: Vec::new(),
            is_below_test: false,
        };
        let tokens = without_tests(tokens.into_iter().collect(), &mut source.test_modules);
        paths::collect(&tokens, &mut source.paths);
        paths::collect_imports(&tokens, &mut source.imports);
        collect_literals(&tokens, &mut source.literals);
        collect_type_names(&tokens, &mut source.type_names);
        source
    }

    /// The top-level module the file belongs to.
    pub(crate) fn room(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The path of the file's module below the crate; empty for the crate's root.
    pub(crate) fn module(&self) -> Vec<String> {
        let name = self.name.trim_end_matches(".rs").trim_end_matches("/mod");
        match name {
            "lib" => Vec::new(),
            name => name.split('/').map(str::to_owned).collect(),
        }
    }

    /// `true` if the file is called `mod.rs`.
    pub(crate) fn is_module_head(&self) -> bool {
        self.name.ends_with("/mod.rs")
    }

    /// `true` if the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        self.is_below_test
            || file == "tests.rs"
            || file.starts_with("test_")
            || self.name.contains("/tests/")
    }

    /// The paths below `crate`, without `crate` itself.
    pub(crate) fn crate_paths(&self) -> impl Iterator<Item = &[String]> {
        let below = self.paths.iter().filter(|path| path[0] == "crate" && path.len() > 1);
        below.map(|path| &path[1..])
    }
}

fn collect_literals(tokens: &[TokenTree], found: &mut Vec<String>) {
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
                collect_literals(&inner, found);
            }
            _ => {}
        }
        previous = Some(token);
    }
}

fn collect_type_names(tokens: &[TokenTree], found: &mut Vec<String>) {
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(keyword), Some(TokenTree::Ident(name)))
                if ["struct", "enum", "trait"].iter().any(|word| keyword == word) =>
            {
                found.push(name.to_string());
            }
            (TokenTree::Group(group), _) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                collect_type_names(&inner, found);
            }
            _ => {}
        }
    }
}

fn is_attribute(previous: Option<&TokenTree>, token: &TokenTree) -> bool {
    let bracket = matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Bracket);
    let marked = matches!(previous, Some(TokenTree::Punct(p)) if "#!".contains(p.as_char()));
    bracket && marked
}

/// Drops every item under `#[cfg(test)]`, and notes the modules in files of their own among them.
fn without_tests(tokens: Vec<TokenTree>, modules: &mut Vec<String>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter();
    while let Some(token) = rest.next() {
        let is_cfg_test = is_attribute(kept.last(), &token)
            && matches!(&token, TokenTree::Group(g) if g.stream().to_string().replace(' ', "") == "cfg(test)");
        if !is_cfg_test {
            kept.push(token);
            continue;
        }
        kept.pop();
        // The item ends with its body or with its semicolon.
        let mut words = Vec::new();
        for token in rest.by_ref() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    if let Some(at) = words.iter().position(|word| word == "mod") {
                        modules.extend(words.get(at + 1).cloned());
                    }
                    break;
                }
                TokenTree::Ident(word) => words.push(word.to_string()),
                _ => {}
            }
        }
    }
    kept
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let source = Source::parse(
        "verdict/x.rs",
        "use crate::{dns::Route, smtp}; // crate::batch\n\
         use super::{a::B as C, d};\n\
         #[cfg(test)] mod suite;\n\
         struct One; pub(crate) enum Two<T> { A(T) } trait Three { type Four; }\n\
         fn f() { let s = \"crate::cli\"; crate::address::parse(s); super::g(); std::env::var(s); }\n\
         #[cfg(test)] mod tests { use tokio::time; struct Five; }",
    );
    let rooms: Vec<String> = source.crate_paths().map(|path| path[0].clone()).collect();
    assert_eq!(rooms, ["dns", "smtp", "address"]);
    let paths = &source.paths;
    assert!(paths.iter().any(|path| path[..2] == ["std", "env"]));
    assert!(paths.iter().any(|path| path[..2] == ["super", "g"]));
    assert!(!paths.iter().any(|path| path[0] == "tokio"), "test modules do not count");
    assert_eq!(source.literals, ["\"crate::cli\""]);
    assert_eq!(source.type_names, ["One", "Two", "Three"]);
    assert_eq!(source.test_modules, ["suite"]);
    let names: Vec<String> = source.imports.into_iter().map(|import| import.name).collect();
    assert_eq!(names, ["Route", "smtp", "C", "d"]);
}
