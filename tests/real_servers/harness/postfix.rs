//! Postfix, with a configuration, a queue and an address of its own.

use std::fmt::Write;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::net::TcpSocket;

use super::builder::Builder;
use super::place;
use super::process::{Process, scratch};

/// What every instance has: no mail leaves it, nobody may relay, nothing is chrooted.
const MAIN: &str = "\
compatibility_level = 3.6
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks =
alias_maps =
alias_database =
smtpd_relay_restrictions = reject_unauth_destination
";

/// Postfix's own services, without those for mail that goes out.
const MASTER: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix.
pub(crate) struct Postfix {
    pub(crate) address: SocketAddr,
    process: Process,
}

/// What a Postfix to be is told beside its mailboxes.
#[derive(Default)]
pub(crate) struct Settings {
    recipient_access: Vec<(String, String)>,
    restrictions: Vec<String>,
    settings: Vec<(String, String)>,
    tables: Vec<(String, String)>,
    transports: Vec<(String, String)>,
    encrypted: bool,
    postscreen: bool,
}

impl Postfix {
    /// A Postfix that knows no mailbox and listens at the next free address.
    pub(crate) fn builder() -> Builder<Settings> {
        Builder::default()
    }

    /// Its name and version.
    pub(crate) fn version() -> String {
        format!("Postfix {}", place::version("postfix"))
    }

    /// What it has logged by now; the last answer may not be in there yet, see
    /// [`Self::has_logged`].
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until it has logged `text`.
    pub(crate) async fn has_logged(&self, text: &str) {
        self.process.has_logged(text).await;
    }

    /// Waits until it has logged `text` so many times.
    pub(crate) async fn has_logged_times(&self, text: &str, times: usize) {
        self.process.has_logged_times(text, times).await;
    }

    /// The folder of the messages that it has kept.
    pub(crate) fn maildir(&self) -> PathBuf {
        self.process.scratch().join("mail/mailbox")
    }

    /// What came of each connection from 127.0.0.1, all of which must be over or about to be.
    pub(crate) async fn visits(&self) -> Vec<Visit> {
        // Postfix's programs share one log: when somebody who comes now is in there, everybody who
        // came before is too.
        let late = TcpSocket::new_v4().unwrap();
        late.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
        let _late = late.connect(self.address).await.unwrap();
        self.has_logged("[127.0.0.2]").await;
        let came = self.log().matches(": connect from localhost[127.0.0.1]").count();
        self.process.has_logged_times(": disconnect from localhost[127.0.0.1]", came).await;
        let log = self.log();
        let went = log.lines().filter_map(|line| {
            line.split_once(": disconnect from localhost[127.0.0.1] ").map(|(_, counts)| counts)
        });
        went.map(|counts| Visit(counts.to_owned())).collect()
    }
}

/// A connection that is over, as Postfix sums it up: `ehlo=1 mail=1 rcpt=8/10 quit=1
/// commands=11/13`.
#[derive(Debug)]
pub(crate) struct Visit(String);

impl Visit {
    /// How many times it heard this command.
    pub(crate) fn heard(&self, command: &str) -> u32 {
        self.counts(command).1
    }

    /// How many of these commands it refused.
    pub(crate) fn refused(&self, command: &str) -> u32 {
        let (done, heard) = self.counts(command);
        heard - done
    }

    fn counts(&self, command: &str) -> (u32, u32) {
        let counts = self.0.split(' ').find_map(|word| {
            let (name, counts) = word.split_once('=')?;
            (name == command).then_some(counts)
        });
        let counts = counts.unwrap_or("0");
        let (done, heard) = counts.split_once('/').unwrap_or((counts, counts));
        (done.parse().unwrap(), heard.parse().unwrap())
    }
}

impl Builder<Settings> {
    /// Answers RCPT for `address`, which is a mailbox too, with an access(5) `action`.
    pub(crate) fn recipient_access(mut self, address: &str, action: &str) -> Self {
        self.own.recipient_access.push((address.to_owned(), action.to_owned()));
        self.mailbox(address)
    }

    /// Adds to `smtpd_recipient_restrictions`. Postfix looks for the mailbox after all of them,
    /// unless one is `reject_unlisted_recipient`.
    pub(crate) fn restriction(mut self, restriction: &str) -> Self {
        self.own.restrictions.push(restriction.to_owned());
        self
    }

    /// Sets a postconf(5) parameter.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.own.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the parameter `name` to a table of these lines.
    pub(crate) fn table(mut self, name: &str, lines: &str) -> Self {
        self.own.tables.push((name.to_owned(), lines.to_owned()));
        self
    }

    /// Asks the server at `address` about each recipient of `domain`, as gateways do.
    pub(crate) fn relay_to(mut self, domain: &str, address: SocketAddr) -> Self {
        let hop = format!("relay:[{}]:{}", address.ip(), address.port());
        self.own.transports.push((domain.to_owned(), hop));
        self.setting("relay_domains", domain)
            .restriction("reject_unverified_recipient")
            // It waits for the answer, three times this long at most.
            .setting("address_verify_poll_delay", "1s")
    }

    /// Accepts `recipient` without a look, and hands its mail on to the server at `address`.
    pub(crate) fn hands_on(mut self, recipient: &str, address: SocketAddr) -> Self {
        let hop = format!("relay:[{}]:{}", address.ip(), address.port());
        self.own.transports.push((recipient.to_owned(), hop));
        self
    }

    /// Throws each message to `domain` away, as if it had been delivered.
    pub(crate) fn swallows(mut self, domain: &str) -> Self {
        self.own.transports.push((domain.to_owned(), "discard:".to_owned()));
        self
    }

    /// Has a Maildir, see [`Postfix::maildir`], for `address`, with `+` and more behind its local
    /// part too.
    pub(crate) fn keeps_mail_for(self, address: &str) -> Self {
        self.mailbox(address)
            .setting("recipient_delimiter", "+")
            .setting("virtual_uid_maps", "static:65534")
            .setting("virtual_gid_maps", "static:65534")
    }

    /// Refuses MAIL FROM before STARTTLS.
    pub(crate) fn require_starttls(mut self) -> Self {
        self.own.encrypted = true;
        self
    }

    /// Puts postscreen(8) in front.
    pub(crate) fn postscreen(mut self) -> Self {
        self.own.postscreen = true;
        self
    }

    /// Starts it; it listens when this returns.
    pub(crate) async fn start(self) -> Postfix {
        let address = self.address();
        let folder = scratch("postfix");
        let home = folder.path();
        std::fs::create_dir(home.join("queue")).unwrap();
        std::fs::create_dir(home.join("data")).unwrap();
        std::fs::create_dir(home.join("mail")).unwrap();
        write_settled(&home.join("main.cf"), &self.main(home));
        write_settled(&home.join("master.cf"), &self.master(address));
        // What `postfix start-fg` does, without the second it takes to check the installation.
        let script = format!(
            "cd {home}/queue
            mkdir active bounce corrupt defer deferred flush hold incoming maildrop pid private \
                public saved trace
            chown postfix ../data *
            chown 65534:65534 ../mail
            chown root pid
            exec /usr/lib/postfix/sbin/master -s -c {home}",
            home = home.display(),
        );
        Postfix { address, process: Process::start("postfix", folder, &script, address).await }
    }

    fn main(&self, home: &Path) -> String {
        let mut main = String::from(MAIN);
        let mut set = |name: &str, value: &str| writeln!(main, "{name} = {value}").unwrap();
        let path = home.display().to_string();
        set("config_directory", &path);
        set("queue_directory", &format!("{path}/queue"));
        set("data_directory", &format!("{path}/data"));
        set("maillog_file", &format!("{path}/mail.log"));
        set("maillog_file_prefixes", &path);
        set("virtual_mailbox_base", &format!("{path}/mail"));
        set("myhostname", "mx.postfix.test");

        let table = |name: &str, lines: String| {
            write_settled(&home.join(name), &lines);
            format!("texthash:{path}/{name}")
        };
        let pairs = |pairs: &[(String, String)]| {
            pairs.iter().map(|(left, right)| format!("{left} {right}\n")).collect::<String>()
        };
        let everybody = self.catch_all.iter().map(|domain| format!("@{domain}"));
        let mailboxes: Vec<String> = self.mailboxes.iter().cloned().chain(everybody).collect();
        let lines = mailboxes.iter().map(|mailbox| format!("{mailbox} mailbox/\n"));
        set("virtual_mailbox_maps", &table("mailboxes", lines.collect()));
        let domains: Vec<_> =
            mailboxes.iter().filter_map(|mailbox| Some(mailbox.rsplit_once('@')?.1)).collect();
        set("virtual_mailbox_domains", &domains.join(" "));
        set("transport_maps", &table("transports", pairs(&self.own.transports)));
        let access = table("recipient_access", pairs(&self.own.recipient_access));
        let mut restrictions = vec![format!("check_recipient_access {access}")];
        restrictions.extend_from_slice(&self.own.restrictions);
        set("smtpd_recipient_restrictions", &restrictions.join(", "));

        if self.own.encrypted {
            let key = rcgen::generate_simple_self_signed(["mx.postfix.test".into()]).unwrap();
            std::fs::write(home.join("certificate"), key.cert.pem()).unwrap();
            std::fs::write(home.join("key"), key.signing_key.serialize_pem()).unwrap();
            set("smtpd_tls_cert_file", &format!("{path}/certificate"));
            set("smtpd_tls_key_file", &format!("{path}/key"));
            set("smtpd_tls_security_level", "encrypt");
        }
        for (name, lines) in &self.own.tables {
            set(name, &table(name, lines.clone()));
        }
        for (name, value) in &self.own.settings {
            set(name, value);
        }
        main
    }

    fn master(&self, address: SocketAddr) -> String {
        let door = if self.own.postscreen {
            format!(
                "{address} inet n - n - 1 postscreen\n\
                 smtpd pass - - n - - smtpd\n\
                 dnsblog unix - - n - 0 dnsblog\n\
                 tlsproxy unix - - n - 0 tlsproxy\n"
            )
        } else {
            format!("{address} inet n - n - - smtpd\n")
        };
        door + MASTER
    }
}

/// Writes a file that looks old. Postfix reads a file that is a second old or less again and again,
/// for it may be half written: 1.5 seconds for every program that starts.
fn write_settled(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    File::options().write(true).open(file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
}
