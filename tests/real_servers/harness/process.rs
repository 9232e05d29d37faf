//! A server's process: started in a world of its own, ended with everything it started.

use std::fs::{File, Permissions};
use std::net::{SocketAddr, SocketAddrV4};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::loopback::is_listening;
use super::place;

/// The longest a server may take until it listens, or logs, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// How often to look.
const LOOK: Duration = Duration::from_millis(10);

/// A folder that a server and the test share; it vanishes with the server.
pub(crate) fn scratch(name: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("mailvet-{name}-")).tempdir().unwrap();
    // Servers drop root's rights and still read their configuration.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A running server.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    scratch: TempDir,
}

impl Process {
    /// Runs `script` with `sh` as if `package` were installed, and waits until something listens at
    /// `address`. The server ends with the calling thread at the latest: call it from a test, not
    /// from a thread that a pool may end.
    ///
    /// # Panics
    /// With the server's own words, if it ends or does not listen in time.
    pub(crate) async fn start(
        package: &'static str,
        scratch: TempDir,
        script: &str,
        address: SocketAddr,
    ) -> Self {
        let SocketAddr::V4(address) = address else { panic!("{address}: servers use IPv4 here") };
        let output = File::create(scratch.path().join("output")).unwrap();
        let child = Command::new(place::script("inside"))
            .arg(place::package(package).join("root"))
            .arg(scratch.path())
            .args(["sh", "-ec", script])
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut process = Self { name: package, child, scratch };
        process.wait_until_it_listens(address).await;
        process
    }

    async fn wait_until_it_listens(&mut self, address: SocketAddrV4) {
        let listening = tokio::time::timeout(LIMIT, async {
            while !is_listening(address) {
                if let Some(status) = self.child.try_wait().unwrap() {
                    panic!("{} ended ({status}); its words are below", self.name);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(listening.await.is_ok(), "{} does not listen at {address}", self.name);
    }

    /// Waits until the server's log holds `text`; it is written a little later than the answer.
    pub(crate) async fn has_logged(&self, text: &str) {
        self.has_logged_times(text, 1).await;
    }

    /// Waits until the server's log holds `text` so many times.
    pub(crate) async fn has_logged_times(&self, text: &str, times: usize) {
        let logged = tokio::time::timeout(LIMIT, async {
            while self.log().matches(text).count() < times {
                tokio::time::sleep(LOOK).await;
            }
        });
        assert!(logged.await.is_ok(), "{} never logged {text:?} {times} times", self.name);
    }

    /// The folder that the server shares with the test.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// All that the server has said: its output and every file in its folder named `*log`.
    pub(crate) fn log(&self) -> String {
        let mut files: Vec<_> =
            std::fs::read_dir(self.scratch()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.retain(|file| file.ends_with("output") || file.to_string_lossy().ends_with("log"));
        let text = |file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        files.into_iter().map(text).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The first process of the server's own process namespace: when it ends, the kernel ends
        // all others in there, and only then does `inside` end.
        let id = self.child.id();
        let first = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let ended = match first.as_deref().map(str::trim) {
            Ok(first) if !first.is_empty() => {
                Command::new("sh").args(["-c", "kill -KILL \"$1\"", "sh", first]).status().is_ok()
            }
            _ => false,
        };
        if !ended {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what {} said ---\n{}", self.name, self.log());
        }
    }
}
