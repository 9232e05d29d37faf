//! The words for what a reader of messages about a list can do. Pure.

/// The words for what a reader of messages about a list can do: there are options on a command
/// line, and none on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedies {
    /// How an encoding that was found wrongly is set right.
    pub encoding: &'static str,
    /// When a further column of addresses is read too.
    pub columns: &'static str,
}

impl Remedies {
    /// The options of the command line.
    pub const OPTIONS: Self =
        Self { encoding: "--encoding names another", columns: "is read if both are named" };

    /// The parameters of a request, which have the names of the options.
    pub const PARAMETERS: Self =
        Self { encoding: "encoding names another", columns: "is read if both are named" };

    /// The steps of a person at a page.
    pub const PAGE: Self = Self {
        encoding: "if it is wrong, save the list as UTF-8 and send it again",
        columns: "is read if both are chosen",
    };
}
