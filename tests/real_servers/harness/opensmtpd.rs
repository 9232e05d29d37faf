//! OpenSMTPD, with a configuration and an address of its own.

use std::net::SocketAddr;

use super::process::{Process, scratch};
use super::{loopback, place};

/// A running OpenSMTPD.
pub(crate) struct OpenSmtpd {
    pub(crate) address: SocketAddr,
    _process: Process,
}

/// An OpenSMTPD to be.
#[derive(Default)]
pub(crate) struct Builder {
    address: Option<SocketAddr>,
    mailboxes: Vec<String>,
    recipients: Vec<String>,
    catch_all: Vec<String>,
    settings: String,
    listener: String,
}

impl OpenSmtpd {
    /// An OpenSMTPD that knows no mailbox and listens at the next free address.
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// Its name and version.
    pub(crate) fn version() -> String {
        format!("OpenSMTPD {}", place::version("opensmtpd"))
    }
}

impl Builder {
    /// Listens at `address` instead.
    pub(crate) fn listen_on(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Has the mailbox `address` in a table of virtual users, and no other of its domain.
    pub(crate) fn mailbox(mut self, address: &str) -> Self {
        self.mailboxes.push(address.to_owned());
        self
    }

    /// Lists `address` among the only recipients that its domain takes (`rcpt-to`).
    pub(crate) fn recipient(mut self, address: &str) -> Self {
        self.recipients.push(address.to_owned());
        self
    }

    /// Takes every address of `domain`.
    pub(crate) fn catch_all(mut self, domain: &str) -> Self {
        self.catch_all.push(domain.to_owned());
        self
    }

    /// Adds a line in front of the configuration.
    pub(crate) fn setting(mut self, line: &str) -> Self {
        self.settings += &format!("{line}\n");
        self
    }

    /// Adds words to the `listen` line.
    pub(crate) fn listener(mut self, words: &str) -> Self {
        self.listener += &format!(" {words}");
        self
    }

    /// Starts it; it listens when this returns.
    pub(crate) async fn start(self) -> OpenSmtpd {
        let address = self.address.unwrap_or_else(loopback::next_address);
        let folder = scratch("opensmtpd");
        std::fs::write(folder.path().join("smtpd.conf"), self.configuration(address)).unwrap();
        let script = format!(
            "mkdir -p /var/spool/smtpd && chmod 711 /var/spool/smtpd
            exec smtpd -d -f {}/smtpd.conf",
            folder.path().display(),
        );
        OpenSmtpd { address, _process: Process::start("opensmtpd", folder, &script, address).await }
    }

    fn configuration(&self, address: SocketAddr) -> String {
        let quoted = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
        let domain = |address: &String| format!("\"{}\"", address.rsplit('@').next().unwrap());
        let user = |address: String| format!("\"{address}\" = nobody");
        let everyone = self.catch_all.iter().map(|domain| format!("@{domain}"));
        let users = quoted(&mut self.mailboxes.iter().cloned().chain(everyone).map(user));
        let served = quoted(&mut self.mailboxes.iter().chain(&self.catch_all).map(domain));

        let mut configuration = format!(
            "{settings}\
             table users {{ {users} }}\n\
             listen on {ip} port {port} hostname mx.opensmtpd.test{listener}\n\
             action \"keep\" maildir \"/tmp/mail\" virtual <users>\n\
             match from any for domain {{ {served} }} action \"keep\"\n",
            settings = self.settings,
            ip = address.ip(),
            port = address.port(),
            listener = self.listener,
        );
        if !self.recipients.is_empty() {
            let recipients = quoted(&mut self.recipients.iter().map(|item| format!("\"{item}\"")));
            let domains = quoted(&mut self.recipients.iter().map(domain));
            configuration += &format!(
                "table recipients {{ {recipients} }}\n\
                 action \"pass\" relay host smtp://127.0.0.1:1\n\
                 match from any for domain {{ {domains} }} rcpt-to <recipients> action \"pass\"\n"
            );
        }
        configuration
    }
}
