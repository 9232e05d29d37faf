//! Syntax errors: one kind for each fault of an address, with its place.
//!
//! Kinds are about RFC 5321 section 4.1.2 and RFC 6531 section 3.3. What is valid but unwise is
//! [`policy`](super::policy), not syntax.

use std::fmt;

/// A string that cannot stand in `RCPT TO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub struct SyntaxError {
    /// The fault.
    pub kind: SyntaxErrorKind,
    /// Its place: a byte offset into the input, from 0 to its length.
    pub offset: usize,
}

impl SyntaxError {
    pub(super) const fn new(kind: SyntaxErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// The same error in a text where this one starts `by` bytes later.
    pub(super) const fn shifted(self, by: usize) -> Self {
        Self { kind: self.kind, offset: self.offset + by }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind.sentence(), self.offset)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident = $name:literal, $sentence:literal;)+) => {
        /// The faults of a string that is not an address.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum SyntaxErrorKind {
            $($(#[$doc])+ $kind,)+
        }

        impl SyntaxErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The stable name: snake case, never changed once published.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// The kind in words, for the person whose list it is.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$kind => $sentence,)+
                }
            }
        }
    };
}

kinds! {
    /// Nothing was given.
    Empty = "empty", "the address is empty";
    /// No `@` divides local part and domain.
    MissingAt = "missing_at", "there is no @ in the address";
    /// More than one `@` outside a quoted string.
    MultipleAt = "multiple_at", "there is more than one @ in the address";
    /// Nothing stands before the `@`.
    LocalPartEmpty = "local_part_empty", "there is nothing before the @";
    /// The local part is over 64 octets (RFC 5321 section 4.5.3.1.1).
    LocalPartTooLong = "local_part_too_long", "the part before the @ is longer than 64 bytes";
    /// A local part begins or ends with a dot.
    DotAtEdge = "dot_at_edge", "the part before the @ begins or ends with a dot";
    /// Two dots in a row in the local part.
    ConsecutiveDots = "consecutive_dots", "two dots stand in a row before the @";
    /// A character that may stand in a local part only inside quotes, or not at all.
    LocalPartCharacter = "local_part_character",
        "this character is not allowed before the @ unless the whole part is in double quotes";
    /// A double quote in a local part that does not begin with one.
    MisplacedQuote = "misplaced_quote",
        "double quotes must enclose everything before the @ or not be there";
    /// A quoted string does not end.
    UnclosedQuote = "unclosed_quote", "a double quote is opened and never closed";
    /// A backslash in quotes is not followed by a printable ASCII character.
    BadEscape = "bad_escape", "a backslash must be followed by a printable ASCII character";
    /// Text before or after the address: a display name, or angle brackets.
    DisplayName = "display_name",
        "give the address alone, without a name or angle brackets around it";
    /// A comment in parentheses, which a message header may hold and `RCPT TO` may not.
    Comment = "comment", "parentheses and comments are not allowed in an address";
    /// White space outside quotes.
    Whitespace = "whitespace", "there is a space in the address or around it";
    /// A control character: CR, LF, NUL, TAB, or one above ASCII.
    ControlCharacter = "control_character", "there is a control character in the address";
    /// A character that cannot be seen, is not assigned, or changes how the rest is shown.
    UnsafeCharacter = "unsafe_character",
        "there is an invisible, unassigned or text-direction character in the address";
    /// Nothing stands after the `@`.
    DomainEmpty = "domain_empty", "there is nothing after the @";
    /// The domain is over 255 octets (RFC 5321 section 4.5.3.1.2) or over 253 in DNS.
    DomainTooLong = "domain_too_long", "the domain is longer than DNS allows";
    /// The domain ends with a dot.
    TrailingDot = "trailing_dot", "the domain ends with a dot";
    /// Two dots in a row in the domain, or a dot at its beginning.
    LabelEmpty = "label_empty", "a dot in the domain has nothing before it";
    /// A label is over 63 octets as an A-label (RFC 1035 section 2.3.4).
    LabelTooLong = "label_too_long", "a part of the domain is longer than 63 bytes";
    /// A label begins or ends with a hyphen (RFC 5321 `sub-domain`).
    HyphenAtEdge = "hyphen_at_edge", "a part of the domain begins or ends with a hyphen";
    /// An underscore in the domain: DNS knows such names, mail does not.
    Underscore = "underscore", "an underscore is not allowed in a mail domain";
    /// A character that is neither a letter, a digit nor a hyphen.
    DomainCharacter = "domain_character", "this character is not allowed in a domain";
    /// An emoji or another symbol, which IDNA 2008 (RFC 5892) forbids.
    DomainSymbol = "domain_symbol", "emoji and symbols are not allowed in a domain";
    /// A label is not a valid internationalised one (RFC 5891, RFC 5893, UTS 46).
    InvalidIdn = "invalid_idn", "this part of the domain is not a valid international name";
    /// A label begins with `xn--` and is not the encoding of anything (RFC 5890 section 2.3.2.1).
    InvalidPunycode = "invalid_punycode",
        "this part of the domain begins with xn-- and encodes no valid name";
    /// A bracket is opened and not closed, or something follows the closing one.
    UnclosedLiteral = "unclosed_literal",
        "an address literal must end with ] and nothing may follow it";
    /// The brackets hold neither an IPv4 address nor a registered tag (RFC 5321 section 4.1.3).
    InvalidLiteral = "invalid_literal",
        "the brackets must hold an IPv4 address or IPv6: and an IPv6 address";
    /// `[IPv6:...]` does not hold an address in the grammar of RFC 5321 section 4.1.3.
    InvalidIpv6Literal = "invalid_ipv6_literal", "the IPv6 address in the brackets is not valid";
    /// The whole is over 254 octets: a path is 256 with its angle brackets (RFC 5321 section
    /// 4.5.3.1.3).
    AddressTooLong = "address_too_long", "the address is longer than 254 bytes";
}

impl SyntaxErrorKind {
    /// An error of this kind at `offset`.
    pub(super) const fn at(self, offset: usize) -> SyntaxError {
        SyntaxError::new(self, offset)
    }
}
