//! Exim, with a configuration, a spool and an address of its own.

use std::net::SocketAddr;

use super::builder::Builder;
use super::place;
use super::process::{Process, scratch};

/// A running Exim.
pub(crate) struct Exim {
    pub(crate) address: SocketAddr,
    process: Process,
}

/// What an Exim to be is told beside its mailboxes.
#[derive(Default)]
pub(crate) struct Settings {
    main: String,
    rcpt_acl: String,
    routers: String,
}

impl Exim {
    /// An Exim that knows no mailbox and listens at the next free address.
    pub(crate) fn builder() -> Builder<Settings> {
        Builder::default()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Its name and version.
    pub(crate) fn version() -> String {
        format!("Exim {}", place::version("exim4-daemon-light"))
    }
}

impl Builder<Settings> {
    /// Adds a line to the main section.
    pub(crate) fn main(mut self, line: &str) -> Self {
        self.own.main += &format!("{line}\n");
        self
    }

    /// Adds statements to the ACL that runs at RCPT, before those that look for the mailbox.
    pub(crate) fn rcpt_acl(mut self, statements: &str) -> Self {
        self.own.rcpt_acl += &format!("{statements}\n");
        self
    }

    /// Adds a router, after that of the mailboxes.
    pub(crate) fn router(mut self, router: &str) -> Self {
        self.own.routers += &format!("{router}\n");
        self
    }

    /// Starts it; it listens when this returns.
    pub(crate) async fn start(self) -> Exim {
        let address = self.address();
        let folder = scratch("exim");
        let home = folder.path().display().to_string();
        std::fs::write(folder.path().join("exim.conf"), self.configuration(&home, address))
            .unwrap();
        // Exim gives up root's rights for a configuration that is not its packager's.
        let script = format!(
            "mkdir {home}/spool
            chown :Debian-exim {home} && chmod g+w {home}
            chown -R Debian-exim {home}/spool
            exec exim4 -C {home}/exim.conf -bdf"
        );
        let process = Process::start("exim4-daemon-light", folder, &script, address).await;
        Exim { address, process }
    }

    fn configuration(&self, home: &str, address: SocketAddr) -> String {
        let domains: Vec<_> =
            self.mailboxes.iter().filter_map(|mailbox| Some(mailbox.rsplit_once('@')?.1)).collect();
        let Settings { main, rcpt_acl, routers } = &self.own;
        format!(
            "\
primary_hostname = mx.exim.test
local_interfaces = <; [{ip}]:{port}
spool_directory = {home}/spool
log_file_path = {home}/%slog
pid_file_path = {home}/exim.pid
rfc1413_query_timeout = 0s
tls_advertise_hosts =
keep_environment =
domainlist ours = {ours} : {everything}
acl_smtp_rcpt = at_rcpt
{main}
begin acl
at_rcpt:
{rcpt_acl}
  require message = relay not permitted
          domains = +ours
  require verify = recipient
  accept
begin routers
mailboxes:
  driver = accept
  condition = ${{if inlisti{{$local_part@$domain}}{{{mailboxes}}}}}
  transport = nowhere
{routers}
everything:
  driver = accept
  domains = {everything}
  transport = nowhere
begin transports
nowhere:
  driver = appendfile
  file = /dev/null
",
            ip = address.ip(),
            port = address.port(),
            ours = domains.join(" : "),
            everything = self.catch_all.join(" : "),
            mailboxes = self.mailboxes.join(":"),
        )
    }
}
