//! Where the unpacked servers and this folder's scripts are.

use std::path::{Path, PathBuf};

/// A setting of `tests/run`.
#[expect(clippy::disallowed_methods, reason = "tests/run tells the tests where it put things")]
pub(crate) fn setting(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder that `fetch` filled for `package`.
///
/// # Panics
/// If it is not there.
pub(crate) fn package(package: &str) -> PathBuf {
    let cache = setting("TEST_MAILVET_CACHE").unwrap_or_else(|| {
        setting("XDG_CACHE_HOME").unwrap_or_else(|| "/var/cache".into()).join("mailvet-tests")
    });
    let folder = cache.join(package);
    assert!(
        folder.join("layout").exists(),
        "{package} is not in {}: run tests/run once (as root), it downloads the mail servers",
        cache.display(),
    );
    folder
}

/// A script of `tests/real_servers/`.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_servers").join(name)
}

/// The version of `package`, without the suffix that Debian gives it.
pub(crate) fn version(package: &str) -> String {
    let packages = std::fs::read_to_string(self::package(package).join("packages")).unwrap();
    let file = packages.lines().find(|line| line.starts_with(&format!("{package}_"))).unwrap();
    let version = file.split('_').nth(1).unwrap();
    version.split(['-', '+']).next().unwrap_or(version).to_owned()
}
