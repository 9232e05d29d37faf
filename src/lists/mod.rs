//! Lists: role accounts, free providers, disposable domains, relays, and who operates exchangers.
//! Pure but for `reload`.
//!
//! A list answers without allocation, in 10 to 160 ns, and all built-in ones together cost about
//! 1 MB (`benches/lists.rs` measures both). The meaning of an answer for a verdict is not decided
//! here. Some names are built in; the files of a folder (`--lists-dir`) add and remove names and
//! are reloaded while the process runs ([`ListsHandle`]).
//!
//! Precedence, highest first: the user's file of the list asked; a relay or a free provider is not
//! disposable; the built-in list. Within a file the longest name wins.

mod built_in;
mod config;
mod file;
mod kind;
mod layers;
mod name_set;
mod normal_form;
mod operator;
mod reload;
mod role;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::DomainName;

pub use config::Config;
pub use file::{LineFault, ListError, MAX_FILE};
pub use kind::{ListKind, ListSource, Origin};
pub use operator::{MailOperator, OperatorKind};
pub use reload::{ListsHandle, Reload};

use built_in::BUILT_IN;
use file::ListEntries;
use layers::{Layer, List};

/// All lists at one moment. Cheap to clone; it never changes.
#[derive(Clone, Debug)]
pub struct Lists(Arc<User>);

/// The contents of the user's files.
#[derive(Debug, Default)]
struct User {
    layers: BTreeMap<ListKind, Layer>,
    sources: Vec<ListSource>,
}

/// The text of one of the user's list files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    /// The list it is about.
    pub kind: ListKind,
    /// Path it was read from, for errors and [`Lists::sources`].
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its modification time, which is its date unless the text states one.
    pub modified: Option<SystemTime>,
}

impl Default for Lists {
    /// [`Lists::built_in`].
    fn default() -> Self {
        Self::built_in()
    }
}

impl Lists {
    /// The lists this program is built with. The first call packs them (some milliseconds).
    #[must_use]
    pub fn built_in() -> Self {
        std::sync::LazyLock::force(&BUILT_IN);
        Self(Arc::default())
    }

    /// The built-in lists with the user's `files` over them, at most one of each kind (of two the
    /// later counts).
    ///
    /// # Errors
    /// [`ListError::Line`] for the first line that is no entry.
    pub fn with_files(files: &[ListFile]) -> Result<Self, ListError> {
        let mut user = User::default();
        for file in files {
            let entries = ListEntries::parse(file.kind, &file.path, &file.text)?;
            user.layers.insert(file.kind, Layer::new(file.kind, &entries));
            user.sources.retain(|source| source.kind != file.kind);
            user.sources.push(ListSource {
                kind: file.kind,
                origin: Origin::File(file.path.clone()),
                count: entries.added.len(),
                removed: entries.removed.len(),
                licence: entries.licence,
                date: entries.date.or_else(|| file.modified.map(day)),
            });
        }
        std::sync::LazyLock::force(&BUILT_IN);
        Ok(Self(Arc::new(user)))
    }

    /// `true` if a local part names a function, not a person: `info`, `Sales+eu`, `support.uk`
    /// (RFC 2142 and common usage in many languages). Takes it as written, without quotes.
    #[must_use]
    pub fn is_role(&self, local: &str) -> bool {
        role::is_role(&self.list(ListKind::Role), local)
    }

    /// `true` if anyone can have a mailbox at exactly this domain, free of charge or with an
    /// internet connection.
    #[must_use]
    pub fn is_free_provider(&self, domain: &DomainName) -> bool {
        self.list(ListKind::Free).exact(domain.as_str()) == Some(true)
    }

    /// `true` if the domain, or a parent of it up to the registrable domain, hands out throw-away
    /// mailboxes. A relay or a free provider is not disposable unless the user's file says so.
    #[must_use]
    pub fn is_disposable(&self, domain: &DomainName) -> bool {
        let list = self.list(ListKind::Disposable);
        let domain = domain.as_str();
        list.user_decision(domain).unwrap_or_else(|| {
            list.is_built_in(domain)
                && !self.list(ListKind::Relay).covers(domain)
                && !self.list(ListKind::Free).covers(domain)
        })
    }

    /// `true` if the domain, or a parent of it up to the registrable domain, belongs to a service
    /// whose aliases forward to their owner's mailbox (`duck.com`). Never so for a domain the
    /// user's file calls disposable.
    #[must_use]
    pub fn is_relay(&self, domain: &DomainName) -> bool {
        let domain = domain.as_str();
        self.list(ListKind::Relay).covers(domain)
            && self.list(ListKind::Disposable).user_decision(domain) != Some(true)
    }

    /// `true` if `host`, an exchanger, belongs to a disposable service: then so does every domain
    /// routed to it. The list of disposable *domains* is not asked: it holds a few hosting
    /// companies by mistake, and one of those as an exchanger would take thousands of domains.
    #[must_use]
    pub fn is_disposable_exchanger(&self, host: &DomainName) -> bool {
        self.list(ListKind::DisposableExchangers).covers(host.as_str())
    }

    /// `true` if both are the same snapshot of the lists.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The sources of each list, in the order of [`ListKind::ALL`]; within a list the built-in
    /// sources come first.
    #[must_use]
    pub fn sources(&self) -> Vec<ListSource> {
        let mut sources = BUILT_IN.sources.clone();
        sources.extend(self.0.sources.iter().cloned());
        sources.sort_by_key(|source| source.kind);
        sources
    }

    /// The heap size of all names, in bytes. The built-in ones are shared by
    /// every `Lists` of the process.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let layers = self.0.layers.values();
        let user: usize = layers.map(|l| l.added.heap_bytes() + l.removed.heap_bytes()).sum();
        BUILT_IN.heap_bytes() + user
    }

    fn list(&self, kind: ListKind) -> List<'_> {
        List { user: self.0.layers.get(&kind), built_in: BUILT_IN.of(kind) }
    }
}

/// The day of `time` in UTC, `YYYY-MM-DD`.
fn day(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d").to_string()
}
