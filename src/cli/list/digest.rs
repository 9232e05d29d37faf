//! The SHA-256 of a list, taken while it is read: whether the list is still the one that was sent.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest as _, Sha256};

/// Reads, and takes the SHA-256 of what went by.
pub(super) struct Hashing<R> {
    inner: R,
    digest: Digesting,
}

/// The SHA-256 of what went by.
#[derive(Clone, Default)]
pub(super) struct Digesting(Arc<Mutex<Sha256>>);

/// The SHA-256 of a file.
pub(super) fn digest_file(path: &Path) -> io::Result<String> {
    let digest = Digesting::default();
    io::copy(&mut Hashing::new(File::open(path)?, digest.clone()), &mut io::sink())?;
    Ok(digest.hex())
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R, digest: Digesting) -> Self {
        Self { inner, digest }
    }
}

impl Digesting {
    /// The digest so far, in hexadecimal.
    pub(super) fn hex(&self) -> String {
        let bytes = self.lock().clone().finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Sha256> {
        self.0.lock()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.digest.lock().update(&buffer[..length]);
        Ok(length)
    }
}
