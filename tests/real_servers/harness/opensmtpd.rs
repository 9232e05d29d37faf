//! OpenSMTPD, with a configuration and an address of its own.

use std::net::SocketAddr;

use super::builder::Builder;
use super::place;
use super::process::{Process, scratch};

/// A running OpenSMTPD.
pub(crate) struct OpenSmtpd {
    pub(crate) address: SocketAddr,
    _process: Process,
}

/// What an OpenSMTPD to be is told beside its mailboxes, which are a table of virtual users.
#[derive(Default)]
pub(crate) struct Settings {
    recipients: Vec<String>,
    settings: String,
    listener: String,
}

impl OpenSmtpd {
    /// An OpenSMTPD that knows no mailbox and listens at the next free address.
    pub(crate) fn builder() -> Builder<Settings> {
        Builder::default()
    }

    /// Its name and version.
    pub(crate) fn version() -> String {
        format!("OpenSMTPD {}", place::version("opensmtpd"))
    }
}

impl Builder<Settings> {
    /// Lists `address` among the only recipients that its domain takes (`rcpt-to`).
    pub(crate) fn recipient(mut self, address: &str) -> Self {
        self.own.recipients.push(address.to_owned());
        self
    }

    /// Adds a line in front of the configuration.
    pub(crate) fn setting(mut self, line: &str) -> Self {
        self.own.settings += &format!("{line}\n");
        self
    }

    /// Adds words to the `listen` line.
    pub(crate) fn listener(mut self, words: &str) -> Self {
        self.own.listener += &format!(" {words}");
        self
    }

    /// Starts it; it listens when this returns.
    pub(crate) async fn start(self) -> OpenSmtpd {
        let address = self.address();
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
            settings = self.own.settings,
            ip = address.ip(),
            port = address.port(),
            listener = self.own.listener,
        );
        if !self.own.recipients.is_empty() {
            let recipients =
                quoted(&mut self.own.recipients.iter().map(|item| format!("\"{item}\"")));
            let domains = quoted(&mut self.own.recipients.iter().map(domain));
            configuration += &format!(
                "table recipients {{ {recipients} }}\n\
                 action \"pass\" relay host smtp://127.0.0.1:1\n\
                 match from any for domain {{ {domains} }} rcpt-to <recipients> action \"pass\"\n"
            );
        }
        configuration
    }
}
