//! The kinds of lists and their sources.

use std::path::PathBuf;

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    /// Local parts that name a function, not a person.
    Role,
    /// Providers that give a mailbox to anyone. Exact names.
    Free,
    /// Domains of disposable mailboxes, their subdomains included.
    Disposable,
    /// Exchangers of disposable services, hosts below a name included.
    DisposableExchangers,
    /// Forwarding aliases their owners keep, subdomains included.
    Relay,
}

impl ListKind {
    /// Every kind, in the order they are shown.
    pub const ALL: [Self; 5] =
        [Self::Role, Self::Free, Self::Disposable, Self::DisposableExchangers, Self::Relay];

    /// The list's name; its file is the name with `.txt` after it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Free => "free",
            Self::Disposable => "disposable",
            Self::DisposableExchangers => "disposable_exchangers",
            Self::Relay => "relay",
        }
    }

    /// The kind whose file is called `file_name`, such as `role.txt`.
    #[must_use]
    pub fn of_file(file_name: &str) -> Option<Self> {
        let stem = file_name.strip_suffix(".txt")?;
        Self::ALL.into_iter().find(|kind| kind.name() == stem)
    }
}

/// The origin of the names of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A crate this program was built with.
    Crate {
        /// The crate's name.
        name: &'static str,
        /// The crate's version.
        version: &'static str,
    },
    /// A data file of our own, built in.
    BuiltIn,
    /// A file of the lists folder.
    File(PathBuf),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Crate { name, version } => write!(f, "crate {name} {version}"),
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One contribution to one list: a line of `mailvet lists`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSource {
    /// The list it adds to or takes from.
    pub kind: ListKind,
    /// Its origin.
    pub origin: Origin,
    /// Its licence, where one is named.
    pub licence: Option<String>,
    /// Its date, `YYYY-MM-DD`: the one the source states, else the day its file was changed.
    pub date: Option<String>,
    /// The number of names it adds.
    pub count: usize,
    /// The number of names it removes.
    pub removed: usize,
}

impl ListSource {
    /// The list's name, as in [`ListKind::name`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_file_name() {
        for kind in ListKind::ALL {
            assert_eq!(ListKind::of_file(&format!("{}.txt", kind.name())), Some(kind));
        }
        assert_eq!(ListKind::of_file("role"), None);
        assert_eq!(ListKind::of_file("roles.txt"), None);
    }
}
