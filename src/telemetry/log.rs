//! Which events are logged, and how.

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, FilterFn, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use super::TelemetryError;

/// Configuration of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which events: a level (`error`, `warn`, `info`, `debug`, `trace`) or directives such as
    /// `warn,mailvet::prober=debug`. Default `warn,mailvet=info`: our own, and what goes wrong
    /// elsewhere. Whatever is said here, the crates that mailvet is built on are heard up to `info`
    /// only, and the DNS client up to `debug`: they carry addresses, and what they tell below that
    /// is not ours to redact.
    pub level: String,
    /// `pretty` for people, `json` for machines. Default `pretty`.
    pub format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "warn,mailvet=info".to_owned(), format: LogFormat::Pretty }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One line of text an event.
    Pretty,
    /// One JSON object an event.
    Json,
}

/// Builds the log filter: the configured level, and no more than [`most`].
pub(super) fn filter<S>(config: &Config) -> Result<impl Filter<S> + use<S>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let refused = |reason| TelemetryError::Level { level: config.level.clone(), reason };
    if let Some(word) = config.level.split(',').map(str::trim).find(|word| is_no_directive(word)) {
        return Err(refused(format!("there is no level {word:?}")));
    }
    let asked_for =
        EnvFilter::builder().parse(&config.level).map_err(|error| refused(error.to_string()))?;
    let held: FilterFn<fn(&Metadata<'_>) -> bool> = filter_fn(is_harmless);
    // Without a hint of its own it would take that of the level away, and with it the cheap no to
    // the spans and events of every octet that h2 and hyper see.
    Ok(asked_for.and(held.with_max_level_hint(LevelFilter::TRACE)))
}

/// Returns whether a word is neither a level nor can be meant as a directive. The parser takes such
/// a word for the name of a crate, and then nothing at all is logged.
fn is_no_directive(word: &str) -> bool {
    let is_target = ["mailvet", "hickory_"].iter().any(|crate_name| word.starts_with(crate_name));
    // The parser takes an empty word for the level error.
    let is_level = !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    !word.contains(['=', ':', '[']) && !is_target && !is_level
}

/// The most that is logged of a target, whoever asks for more. Ours says nothing that it should
/// not; names are all that DNS is asked for.
fn most(target: &str) -> LevelFilter {
    match target.split(':').next() {
        Some("mailvet") => LevelFilter::TRACE,
        Some(root) if root.starts_with("hickory_") => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    }
}

fn is_harmless(event: &Metadata<'_>) -> bool {
    *event.level() <= most(event.target())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crate_is_heard_at_every_level() {
        assert_eq!(most("mailvet"), LevelFilter::TRACE);
        assert_eq!(most("mailvet::prober::lane"), LevelFilter::TRACE);
        assert_eq!(most("hickory_resolver::lookup"), LevelFilter::DEBUG);
        for other in ["h2::codec", "hyper", "tonic", "rustls::client", "log", "mailvetted", ""] {
            assert_eq!(most(other), LevelFilter::INFO, "{other}");
        }
    }
}
