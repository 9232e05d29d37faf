//! Reading a world from TOML. Pure.
//!
//! Styles are merged into the exchangers that name them, key by key; then everything is checked,
//! so that a world that loads also starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Table, Value};

use super::exchanger::ExchangerSpec;
use super::names::{self, NameSyntaxError};
use super::policies::PolicyRecord;
use super::registry::RegistryRecord;
use super::world::{Generated, Listing, NameRecords, SampleAddress, Settings, World};

/// A world that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorldError {
    /// The text is not TOML, or has an unknown key or a value of the wrong kind.
    #[error("the world cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// An exchanger has an unknown key or a value of the wrong kind.
    #[error("exchanger {host}: {source}")]
    Exchanger {
        /// The exchanger's name.
        host: String,
        /// The mistake.
        source: toml::de::Error,
    },
    /// An exchanger names a style that the world does not have.
    #[error("exchanger {host}: there is no style {style:?}; the world has {known}")]
    UnknownStyle {
        /// The exchanger's name.
        host: String,
        /// The style it names.
        style: String,
        /// The styles there are.
        known: String,
    },
    /// A name that DNS cannot carry as it is written.
    #[error(transparent)]
    Name(#[from] NameSyntaxError),
    /// A number out of its range.
    #[error("{entry}: {problem}")]
    OutOfRange {
        /// The entry.
        entry: String,
        /// The value that is out of range.
        problem: &'static str,
    },
    /// An address or reason appears twice among the samples.
    #[error("two samples for {0}; there is one for each reason")]
    DoubleSample(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldFile {
    #[serde(default)]
    settings: Settings,
    #[serde(default)]
    styles: BTreeMap<String, Table>,
    #[serde(default)]
    names: BTreeMap<String, NameRecords>,
    #[serde(default)]
    exchangers: BTreeMap<String, Table>,
    #[serde(default)]
    generated: Vec<Table>,
    #[serde(default)]
    blocklists: BTreeMap<String, Vec<Listing>>,
    #[serde(default)]
    registrations: BTreeMap<String, RegistryRecord>,
    #[serde(default)]
    policies: BTreeMap<String, PolicyRecord>,
    #[serde(default)]
    samples: Vec<SampleAddress>,
    #[serde(default)]
    demo: Vec<String>,
}

impl World {
    /// The built-in world of `mailvet demo` and `--sandbox`.
    ///
    /// # Errors
    /// Never, as a test shows: the world is part of the program.
    pub fn built_in() -> Result<Self, WorldError> {
        Self::from_toml(include_str!("world.toml"))
    }

    /// Reads a world; `world.toml` shows how one is written.
    ///
    /// # Errors
    /// [`WorldError`] says which entry cannot be used, and why. Unknown keys are errors.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        read_world(text)
    }
}

fn read_world(text: &str) -> Result<World, WorldError> {
    let text: WorldFile = toml::from_str(text)?;
    let styles = &text.styles;
    let mut exchangers = BTreeMap::new();
    for (host, table) in text.exchangers {
        let found = exchanger(&host, table, styles)?;
        exchangers.insert(names::domain(&host)?, Arc::new(found));
    }
    let mut generated = Vec::new();
    for table in text.generated {
        generated.push(numbered(table, styles)?);
    }
    for sample in text.samples.iter().map(|s| &s.reason) {
        if text.samples.iter().filter(|s| s.reason == *sample).count() > 1 {
            return Err(WorldError::DoubleSample(sample.clone()));
        }
    }
    let mut names = BTreeMap::new();
    for (name, records) in text.names {
        names.insert(names::domain(&name)?, records);
    }
    let mut blocklists = BTreeMap::new();
    for (zone, listings) in text.blocklists {
        blocklists.insert(names::domain(&zone)?, listings);
    }
    let mut registrations = BTreeMap::new();
    for (name, record) in text.registrations {
        registrations.insert(names::domain(&name)?, record);
    }
    let mut policies = BTreeMap::new();
    for (name, record) in text.policies {
        policies.insert(names::domain(&name)?, record);
    }
    Ok(World {
        settings: text.settings,
        names,
        exchangers,
        generated,
        blocklists,
        registrations,
        policies,
        samples: text.samples,
        demo: text.demo,
    })
}

fn exchanger(
    host: &str,
    mut table: Table,
    styles: &BTreeMap<String, Table>,
) -> Result<ExchangerSpec, WorldError> {
    if let Some(Value::String(style)) = table.remove("style") {
        let Some(base) = styles.get(&style) else {
            let known = styles.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(WorldError::UnknownStyle { host: host.to_owned(), style, known });
        };
        table = merged(base.clone(), table);
    }
    let found: ExchangerSpec = table
        .try_into()
        .map_err(|source| WorldError::Exchanger { host: host.to_owned(), source })?;
    if !(1..=16).contains(&found.addresses) {
        let problem = "`addresses` must be 1 to 16";
        return Err(WorldError::OutOfRange { entry: host.to_owned(), problem });
    }
    Ok(found)
}

fn numbered(mut table: Table, styles: &BTreeMap<String, Table>) -> Result<Generated, WorldError> {
    let behaviour = match table.remove("exchanger") {
        Some(Value::Table(behaviour)) => behaviour,
        _ => Table::new(),
    };
    let mut found: Generated = table.try_into()?;
    let host = found.host.name(0);
    found.exchanger = exchanger(&host, behaviour, styles)?;
    if !(1..=65_536).contains(&found.hosts) {
        let problem = "`hosts` must be 1 to 65536";
        return Err(WorldError::OutOfRange { entry: host, problem });
    }
    Ok(found)
}

/// `base` with everything in `over` laid over it; tables are merged, anything else is replaced.
fn merged(mut base: Table, over: Table) -> Table {
    for (key, value) in over {
        let value = match (base.remove(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => Value::Table(merged(below, above)),
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}
