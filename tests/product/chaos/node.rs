//! One database server of a pair: its files, its process, and the ways in which it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::chaos::disk::Disk;
use crate::replicas::server::{PROGRAMS, as_nobody, client, command, root};

/// What a server is told, beside its port. All that is about loss is as it is by default.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=256MB",
    "max_wal_size=1GB",
    "wal_retrieve_retry_interval=200ms",
    "log_min_error_statement=panic",
];

/// A server of a pair.
pub(super) struct Node {
    name: &'static str,
    disk: Disk,
    port: u16,
    process: Option<Process>,
}

/// A running server: its process, and who hears that it has ended.
struct Process {
    id: u32,
    ended: Receiver<()>,
}

impl Node {
    pub(super) fn new(within: &Path, name: &'static str, may_lose_power: bool) -> Self {
        let disk = Disk::new(within, name, may_lose_power);
        Self { name, disk, port: free_port(), process: None }
    }

    /// Where it is reached, as a URL names it.
    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes the files of a database.
    pub(super) fn create(&self) {
        let root = root();
        let mut command = as_nobody(&root, &self.disk.folder);
        command.arg(root.join(PROGRAMS).join("initdb")).arg("--pgdata").arg(self.data());
        command.args(["--username=postgres", "--auth=trust", "--no-instructions"]);
        self.run(command.args(["--encoding=UTF8", "--locale=C"]));
    }

    /// Takes the files of another server, which runs, and follows it from the next start on.
    pub(super) fn copy(&self, primary: &Self) {
        if self.data().exists() {
            fs::remove_dir_all(self.data()).unwrap();
        }
        let root = root();
        let mut command = as_nobody(&root, &self.disk.folder);
        command.arg(client(&root, "pg_basebackup")).arg("--pgdata").arg(self.data());
        command.args(["--host=127.0.0.1", "--username=postgres", "--write-recovery-conf"]);
        self.run(command.args(["--checkpoint=fast", "--port", &primary.port.to_string()]));
    }

    /// Starts it, and waits until it takes connections.
    pub(super) fn start(&mut self) {
        // A server that was killed leaves processes that end a little later; until then no other
        // starts.
        for _ in 0..50 {
            if let Some(process) = self.spawn() {
                self.process = Some(process);
                return;
            }
        }
        panic!("the server {} does not start", self.name);
    }

    /// `None` if it ended before it took a connection. The kernel ends the server when the thread
    /// ends that started it, so that thread waits for it.
    fn spawn(&self) -> Option<Process> {
        let root = root();
        let mut command = as_nobody(&root, &self.disk.folder);
        command.args(["--pdeathsig", "QUIT"]).arg(root.join(PROGRAMS).join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.arg("-c").arg(format!("cluster_name={}", self.name));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (ready, is_ready) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut server = command.spawn().unwrap();
            let said = BufReader::new(server.stderr.take().unwrap());
            for line in said.lines().map_while(Result::ok) {
                // A standby is as ready as it gets.
                if line.contains("database system is ready to accept") {
                    let _ = ready.send(server.id());
                }
            }
            let _ended = server.wait();
            let _ = end.send(());
        });
        let id = is_ready.recv().ok()?;
        Some(Process { id, ended })
    }

    /// Kills its first process, and waits for the end of all.
    pub(super) fn kill(&mut self) {
        let Some(process) = self.process.take() else { return };
        kill([&*process.id.to_string()]);
        // Its log ends with the last process that writes to it.
        process.ended.recv().unwrap();
    }

    /// Cuts its power, and gives it back.
    pub(super) fn cut_power(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.disk.cut_power();
        // Without power all of them end, also those that wait for one that had broken off.
        let first = process.id.to_string();
        let others = Command::new("ps").args(["--ppid", &first, "-o", "pid="]).output().unwrap();
        let others = String::from_utf8(others.stdout).unwrap();
        kill([&*first].into_iter().chain(others.split_whitespace()));
        process.ended.recv().unwrap();
        self.disk.restore_power();
    }

    /// Runs SQL; what it prints, or `None` if it failed.
    pub(super) fn try_sql(&self, database: &str, sql: &str) -> Option<String> {
        let root = root();
        let said = command(&root, &client(&root, "psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=postgres"])
            .args(["--host=127.0.0.1", "--port", &self.port.to_string()])
            .args(["--dbname", database, "--command", sql])
            .output()
            .unwrap();
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// Runs SQL that has to succeed; what it prints.
    pub(super) fn sql(&self, sql: &str) -> String {
        self.try_sql("postgres", sql).unwrap_or_else(|| panic!("{sql} on {}", self.name))
    }

    fn data(&self) -> PathBuf {
        self.disk.folder.join("data")
    }

    fn run(&self, command: &mut Command) {
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {command:?}: {said}", self.name);
    }
}

/// Kills processes; those that have ended meanwhile are none of its concern.
fn kill<'a>(processes: impl IntoIterator<Item = &'a str>) {
    let _ended = Command::new("kill").arg("-KILL").args(processes).status().unwrap();
}

/// A port that stays free while the server is down: below those that connections of others get by
/// themselves.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(17);
    let mut ports = std::iter::repeat_with(|| {
        let n = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(20_000 + n % 10_000).unwrap()
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
