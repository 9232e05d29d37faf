//! All sources of the library and the binary.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::source::Source;

pub(crate) struct House {
    pub(crate) sources: Vec<Source>,
}

impl House {
    /// The sources, read once for all checks.
    pub(crate) fn get() -> &'static Self {
        static HOUSE: LazyLock<House> = LazyLock::new(House::read);
        &HOUSE
    }

    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources: Vec<Source> = rust_files(&root)
            .iter()
            .map(|file| {
                let name = relative(file, &root);
                Source::parse(&name, &std::fs::read_to_string(file).expect("a readable file"))
            })
            .collect();
        mark_test_modules(&mut sources);
        Self { sources }
    }

    /// The files that are more than tests.
    pub(crate) fn product(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| !source.is_test())
    }

    /// `true` if `name` is a room, and not an item at the crate's root.
    pub(crate) fn is_room(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.room() == name)
    }
}

/// The files of modules that their parent declares under `#[cfg(test)]` are tests.
fn mark_test_modules(sources: &mut [Source]) {
    let below: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            source.test_modules.iter().map(|name| {
                let mut module = source.module();
                module.push(name.clone());
                module
            })
        })
        .collect();
    for source in sources {
        let module = source.module();
        source.is_below_test |= below.iter().any(|test| module.starts_with(test));
    }
}

/// The Rust files below a folder, in a fixed order.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    files
}

/// The path of `file` below `root`, with slashes.
pub(crate) fn relative(file: &Path, root: &Path) -> String {
    file.strip_prefix(root).expect("below its root").to_string_lossy().replace('\\', "/")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
