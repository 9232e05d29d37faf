//! The division and quoting of the fields of a row, and its line end.

/// The delimiter and quoting of the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `,`, tab, `;`, `|`, `^`, `:`, `~`, or the control character 0x01 or 0x1f.
    pub delimiter: u8,
    /// The meaning of double quotes.
    pub quotes: Quotes,
    /// `true` if the first row names the columns.
    pub has_header: bool,
}

/// The meaning of a double quote at the beginning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// The field runs to the closing quote; a quote in it is doubled (RFC 4180).
    Doubled,
    /// The same, but a quote in it has a backslash before it (MySQL and friends).
    Backslash,
}

/// The line ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl LineEnd {
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

impl Dialect {
    /// `true` if this is RFC 4180 to the letter.
    pub(super) fn is_comma(self) -> bool {
        self.delimiter == b',' && self.quotes == Quotes::Doubled
    }
}
