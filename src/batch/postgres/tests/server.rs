//! A PostgreSQL server for one test binary: in a temporary folder, as an unprivileged user, on a
//! socket and a free port of loopback. It ends with the process that started it, however that ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, mpsc};
use std::{fs, thread};

/// The folder that Debian's package puts the programs into.
pub(crate) const PROGRAMS: &str = "usr/lib/postgresql/15/bin";

/// The folder that it puts further libraries into.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// The user and the group that the server runs as when the tests are root's.
pub(crate) const NOBODY: u32 = 65534;

/// The one server of this process.
pub(crate) static SERVER: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);

/// A running server.
pub(crate) struct PostgresServer {
    root: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl PostgresServer {
    fn start() -> Self {
        let root = root();
        remove_leftovers();
        let folder = std::env::temp_dir().join(format!("mailvet-postgres.{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        if is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.join("data");
        let made = as_nobody(&root, &folder)
            .arg(root.join(PROGRAMS).join("initdb"))
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--no-instructions"])
            .args(["--encoding=UTF8", "--locale=C"])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        secure(&folder, &data);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        run(&root, &folder, &data, port);
        Self { root, folder, port, databases: AtomicU32::new(0) }
    }

    /// The URL of a database of this server, on its socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port)
    }

    /// The URL of a database of this server over TLS, for the user `secured` with a password.
    pub(crate) fn secure_url(&self, database: &str) -> String {
        let port = self.port;
        format!(
            "postgres://secured@localhost:{port}/{database}?sslmode=require&channel_binding=require"
        )
    }

    /// The authority of the server's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// Makes a database that nobody else has; its name.
    pub(crate) fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// Runs SQL; what it prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let said = command(&self.root, &client(&self.root, "psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=postgres"])
            .args(["--set=ON_ERROR_STOP=1", "--host"])
            .arg(&self.folder)
            .args(["--port", &self.port.to_string(), "--dbname", database, "--command", sql])
            .output()
            .unwrap();
        assert!(said.status.success(), "{sql}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }
}

/// Gives the server a certificate for localhost, and one user who has to know a password.
fn secure(folder: &Path, data: &Path) {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = folder.join("key.pem");
    fs::write(folder.join("certificate.pem"), signed.cert.pem()).unwrap();
    fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        chown(&key, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let access = data.join("pg_hba.conf");
    let others = fs::read_to_string(&access).unwrap();
    let secured = "hostssl all secured 127.0.0.1/32 scram-sha-256\n\
                   hostnossl all secured 127.0.0.1/32 reject\n";
    fs::write(&access, format!("{secured}{others}")).unwrap();
}

/// Starts the server and waits until it takes connections. The kernel ends it when the thread ends
/// that started it, so that thread lives as long as the process.
fn run(root: &Path, folder: &Path, data: &Path, port: u16) {
    let mut command = as_nobody(root, folder);
    command.args(["--pdeathsig", "QUIT"]).arg(root.join(PROGRAMS).join("postgres"));
    command.arg("-D").arg(data);
    command.arg("-k").arg(folder).args(["-p", &port.to_string()]);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    command.arg("-c").arg(format!("ssl_cert_file={}", certificate.display()));
    command.arg("-c").arg(format!("ssl_key_file={}", key.display()));
    for setting in [
        "ssl=on",
        "listen_addresses=127.0.0.1",
        "max_connections=300",
        // Nobody cuts the power, and the tests are through sooner.
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "shared_buffers=64MB",
        "max_wal_size=512MB",
        "log_min_messages=log",
        "log_min_error_statement=panic",
    ] {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let mut server = command.spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok) {
            if line.contains("database system is ready to accept connections") {
                let _ = ready.send(());
            }
            said.push_str(&line);
        }
        // It has ended; if it was never ready, this is told to who waits.
        drop(ready);
        let ended = server.wait();
        eprintln!("the server of the tests has ended ({ended:?}): {said}");
    });
    is_ready.recv().expect("a server that takes connections");
}

/// The folder with the server's files: one that `tests/run` has unpacked, or the machine's own.
#[expect(clippy::disallowed_methods, reason = "tests/run tells it by a variable")]
pub(crate) fn root() -> PathBuf {
    let unpacked = std::env::var_os("TEST_MAILVET_CACHE")
        .map(|cache| PathBuf::from(cache).join("postgresql-15/root"));
    unpacked
        .into_iter()
        .chain([PathBuf::from("/")])
        .find(|root| root.join(PROGRAMS).join("postgres").exists())
        .expect("postgresql-15, which tests/run unpacks; or install Debian's package")
}

/// A program of the client, which is in a package of its own: it is not unpacked where it is
/// installed.
pub(crate) fn client(root: &Path, program: &str) -> PathBuf {
    let roots = [root, Path::new("/")];
    let mut programs = roots.iter().map(|root| root.join(PROGRAMS).join(program));
    programs.find(|path| path.exists()).unwrap_or_else(|| panic!("{program}"))
}

/// A command that finds the libraries beside the server.
pub(crate) fn command(root: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    if root != Path::new("/") {
        command.env("LD_LIBRARY_PATH", root.join(LIBRARIES));
    }
    command
}

/// A command that runs another one as an unprivileged user.
pub(crate) fn as_nobody(root: &Path, folder: &Path) -> Command {
    let mut command = command(root, Path::new("setpriv"));
    if is_root() {
        let (user, group) = (format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"));
        command.args([user, group, "--clear-groups".to_owned()]);
    }
    command.current_dir(folder);
    command
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Removes the folders of processes that are no more.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix("mailvet-postgres.") else { continue };
        if !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
