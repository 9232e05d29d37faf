//! Macros in domain names (RFC 7208 section 7).

use std::net::IpAddr;

use crate::address::DomainName;

/// A `domain-spec`, or another `macro-string`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MacroString(Vec<MacroPart>);

#[derive(Debug, PartialEq, Eq)]
enum MacroPart {
    Text(String),
    Macro { letter: char, keep: Option<usize>, reversed: bool, delimiters: String, escaped: bool },
}

/// Values of the macro letters.
pub(super) struct MacroValues<'a> {
    /// `s`, and `l` and `o` as its parts.
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    /// `d`
    pub(super) domain: &'a DomainName,
    /// `i` and `v`
    pub(super) ip: IpAddr,
    /// `h`
    pub(super) helo: &'a str,
}

/// Octets of a name in DNS, without the trailing dot (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;

impl MacroString {
    /// Reads a `domain-spec`: a `macro-string` that ends in a macro or in a label that can be a
    /// top-level one.
    pub(super) fn domain(text: &str) -> Option<Self> {
        let read = Self::string(text)?;
        let fits = match read.0.last()? {
            MacroPart::Macro { .. } => true,
            MacroPart::Text(text) => {
                let text = text.strip_suffix('.').unwrap_or(text);
                let (before, top) = text.rsplit_once('.')?;
                let whole = !before.is_empty() || read.0.len() > 1;
                whole && is_top_label(top)
            }
        };
        fits.then_some(read)
    }

    /// Reads a `macro-string`.
    pub(super) fn string(text: &str) -> Option<Self> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let mark = rest.chars().next()?;
            rest = &rest[1..];
            match mark {
                '%' => plain.push('%'),
                '_' => plain.push(' '),
                '-' => plain.push_str("%20"),
                '{' => {
                    let (inner, after) = rest.split_once('}')?;
                    if !plain.is_empty() {
                        parts.push(MacroPart::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(parse_macro(inner)?);
                    rest = after;
                }
                _ => return None,
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(MacroPart::Text(plain));
        }
        Some(Self(parts))
    }

    /// The name that is meant; labels are cut from the left if it is too long (section 7.3). `None`
    /// if DNS cannot carry it.
    pub(super) fn expand(&self, values: &MacroValues<'_>) -> Option<DomainName> {
        let text: String = self.0.iter().map(|part| part.expand(values)).collect();
        let mut name = text.strip_suffix('.').unwrap_or(&text);
        while name.len() > LONGEST_NAME {
            name = name.split_once('.')?.1;
        }
        let carried = name.split('.').all(|label| (1..=63).contains(&label.len()));
        carried.then(|| DomainName::from_ascii(name))
    }

    #[cfg(test)]
    pub(super) fn text(&self, values: &MacroValues<'_>) -> String {
        self.0.iter().map(|part| part.expand(values)).collect()
    }
}

/// Letters, digits and inner hyphens, and not digits alone (section 7.1).
fn is_top_label(label: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && edge(label.bytes().next())
        && edge(label.bytes().next_back())
        && !label.bytes().all(|b| b.is_ascii_digit())
}

/// Parses the inside of the braces: a letter, the number of parts, `r`, delimiters.
fn parse_macro(inner: &str) -> Option<MacroPart> {
    let letter = inner.chars().next()?;
    // `c`, `r` and `t` are for explanations only.
    if !"slodiphv".contains(letter.to_ascii_lowercase()) {
        return None;
    }
    let rest = &inner[1..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (count, rest) = rest.split_at(digits);
    let keep = match count {
        "" => None,
        count => Some(count.parse().ok().filter(|n| *n > 0)?),
    };
    let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
        return None;
    }
    let delimiters = if delimiters.is_empty() { "." } else { delimiters }.to_owned();
    let escaped = letter.is_ascii_uppercase();
    Some(MacroPart::Macro {
        letter: letter.to_ascii_lowercase(),
        keep,
        reversed,
        delimiters,
        escaped,
    })
}

impl MacroPart {
    fn expand(&self, values: &MacroValues<'_>) -> String {
        let (letter, keep, reversed, delimiters, escaped) = match self {
            Self::Text(text) => return text.clone(),
            Self::Macro { letter, keep, reversed, delimiters, escaped } => {
                (*letter, *keep, *reversed, delimiters, *escaped)
            }
        };
        let value = match letter {
            's' => format!("{}@{}", values.local, values.sender_domain),
            'l' => values.local.to_owned(),
            'o' => values.sender_domain.to_owned(),
            'd' => values.domain.to_string(),
            'i' => dotted(values.ip),
            'h' => values.helo.to_owned(),
            'v' if values.ip.is_ipv4() => "in-addr".to_owned(),
            'v' => "ip6".to_owned(),
            // `p` costs lookups and is not to be used; a receiver may say "unknown" instead.
            _ => "unknown".to_owned(),
        };
        let mut pieces: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
        if reversed {
            pieces.reverse();
        }
        let first = pieces.len() - keep.unwrap_or(pieces.len()).min(pieces.len());
        let joined = pieces[first..].join(".");
        if escaped { percent(&joined) } else { joined }
    }
}

/// IPv4 as usual; IPv6 as 32 nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let nibbles = format!("{:032x}", v6.to_bits());
            nibbles.chars().map(String::from).collect::<Vec<_>>().join(".")
        }
    }
}

/// Escapes every octet that is not unreserved in a URI (RFC 3986 section 2.3).
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
