//! The plan of the house: which room is on which floor, and which files touch the world.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// A floor's number. A room may import rooms on lower floors only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Floor(u32);

impl Floor {
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "floor {}", self.0)
    }
}

/// Each room's floor, from the ground up.
const FLOORS: &[(&str, u32)] = &[
    ("clock", 0),
    ("instruments", 1),
    ("readiness", 2),
    ("fair", 3),
    ("address", 10),
    ("lists", 11),
    ("listfile", 12),
    ("dns", 20),
    ("spf", 25),
    ("smtp", 30),
    ("verdict", 40),
    ("cache", 50),
    ("pacing", 51),
    ("access", 52),
    ("prober", 60),
    ("verifier", 70),
    ("batch", 80),
    ("report", 81),
    ("doctor", 85),
    ("proto", 89),
    ("grpc", 90),
    ("sandbox", 95),
    ("metrics", 99),
    ("telemetry", 100),
    ("config", 101),
    ("app", 102),
    ("cli", 103),
    ("main", 104),
    ("lib", 105),
    ("", 0),
    ("build", 0),
];

/// The rooms that are pure, but for the files below.
const PURE: [&str; 11] = [
    "instruments",
    "address",
    "lists",
    "listfile",
    "dns",
    "smtp",
    "spf",
    "verdict",
    "pacing",
    "access",
    "report",
];

/// Files, and folders of files, that are pure in rooms that are not.
const PURE_FILES: &[&str] = &[
    "batch/config.rs",
    "batch/outcome.rs",
    "batch/plan.rs",
    "batch/preflight.rs",
    "batch/preflight/",
    "batch/progress.rs",
    "batch/queue.rs",
    "batch/spec.rs",
    "cache/config.rs",
    "cache/counters.rs",
    "cache/freshness.rs",
    "doctor/checks/",
    "doctor/config.rs",
    "doctor/date.rs",
    "doctor/facts.rs",
    "doctor/finding.rs",
    "doctor/lists.rs",
    "prober/control.rs",
    "prober/destination/",
    "prober/evidence.rs",
    "prober/lane/",
    "prober/memory.rs",
    "prober/reading.rs",
    "prober/stats.rs",
    "verifier/counters.rs",
    "verifier/lifetime.rs",
    "verifier/report.rs",
];

/// The files in pure rooms that touch the world.
const SHELL: [&str; 10] = [
    "dns/failover.rs",
    "dns/questions.rs",
    "dns/resolver.rs",
    "dns/upstream.rs",
    "doctor/gather.rs",
    "lists/reload.rs",
    "smtp/connect.rs",
    "smtp/session.rs",
    "smtp/tls.rs",
    "smtp/wire.rs",
];

/// All sources of the library and the binary.
pub(crate) struct House {
    pub(crate) sources: Vec<Source>,
}

impl House {
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&root, &mut files);
        files.sort();
        let sources = files
            .iter()
            .map(|file| {
                let name = file
                    .strip_prefix(&root)
                    .expect("found below src")
                    .to_string_lossy()
                    .replace('\\', "/");
                Source::parse(&name, &std::fs::read_to_string(file).expect("a readable file"))
            })
            .collect();
        Self { sources }
    }

    pub(crate) fn floor(&self, room: &str) -> Floor {
        FLOORS
            .iter()
            .find(|(name, _)| *name == room)
            .map_or(Floor::UNKNOWN, |(_, floor)| Floor(*floor))
    }

    /// Whether `name` is a room, and not an item at the crate's root.
    pub(crate) fn is_room(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.room() == name)
    }

    pub(crate) fn is_shell(&self, file: &str) -> bool {
        SHELL.contains(&file)
    }

    pub(crate) fn pure(&self) -> impl Iterator<Item = &Source> {
        self.sources
            .iter()
            .filter(|s| PURE.contains(&s.room()) || is_pure_file(&s.name))
            .filter(|s| !self.is_shell(&s.name) && !s.is_test())
    }
}

fn is_pure_file(name: &str) -> bool {
    PURE_FILES.iter().any(|pure| name == *pure || (pure.ends_with('/') && name.starts_with(pure)))
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
