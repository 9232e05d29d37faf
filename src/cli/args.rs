//! The command line's arguments. Flags that stand for configuration keys become a table that is
//! laid over the file and the variables.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::client::{ClientArgs, server_url};
use super::list::ListArgs;
use crate::config::{self, Config};

/// Vet an address before you send to it.
///
/// mailvet checks an address's syntax, its domain's mail routing, and asks the recipient's own
/// server with SMTP RCPT TO. It never sends a message.
#[derive(Debug, Parser)]
#[command(name = "mailvet", version, propagate_version = true)]
pub(super) struct Cli {
    /// The remedy.
    #[command(subcommand)]
    pub(super) command: Command,
    /// Configuration.
    #[command(flatten)]
    pub(super) common: Common,
}

/// The commands of mailvet.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the whole thing at work, on loopback: a small mail world, the service, a client
    Demo,
    /// Run the gRPC service
    Serve(ServeArgs),
    /// Verify addresses; exit status 0 if all are deliverable, 1 if not
    Verify(VerifyArgs),
    /// Vet a whole mailing list, and say whether a campaign may be sent to it; exit status 0 if it
    /// may, 1 if not
    List(Box<ListArgs>),
    /// Show how a domain receives mail; exit status 0 if it does, 1 if not
    Domain(DomainArgs),
    /// Say what a server's reply means, and by which rule
    Explain(ExplainArgs),
    /// Say whether an address is usable in RCPT TO, and why not; exit status 0 if all are
    Syntax(SyntaxArgs),
    /// Show the lists in use: roles, free providers, disposable domains
    Lists,
    /// Print the effective configuration: every key with its meaning, unset ones as comments
    Config(ConfigArgs),
    /// Ask a running service whether it is healthy; exit status 0 if it is
    Health(HealthArgs),
    /// Look for what makes verdicts unknown: port 25, names, SPF, blocklists, DNS, the clock; exit
    /// status 1 if something fails
    Doctor(DoctorArgs),
    /// Make API keys for the callers of a service
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
}

/// Configuration, for every command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default)]
#[command(next_help_heading = "Configuration, the same for every command")]
pub(super) struct Common {
    /// The configuration file (TOML) [default: the one MAILVET_CONFIG names]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A name server to ask instead of the system's (repeatable)
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    nameserver: Vec<SocketAddr>,
    /// The port exchangers listen on; only labs need another than 25
    #[arg(long, global = true, value_name = "PORT")]
    smtp_port: Option<u16>,
    /// The name to give in EHLO: this host's own, that its address resolves back to
    #[arg(long, global = true, value_name = "NAME")]
    helo_name: Option<String>,
    /// The sender to give in MAIL FROM; `<>` for the null sender
    #[arg(long, global = true, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// A network that may be dialled although it is not public, for labs (repeatable)
    #[arg(long, global = true, value_name = "CIDR")]
    allow_network: Vec<IpNet>,
    /// A folder with lists that add to and take from the built-in ones
    #[arg(long, global = true, value_name = "DIR")]
    lists_dir: Option<PathBuf>,
    /// A file with reply rules that come before the built-in ones
    #[arg(long, global = true, value_name = "FILE")]
    reply_rules: Option<PathBuf>,
    /// Log level, such as `info` or `mailvet=debug` [default: `warn,mailvet=info` for serve, else
    /// `warn`]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

impl Common {
    /// The effective configuration: file, variables, flags, and the keys in `extra` last.
    pub(super) fn load(&self, extra: Table) -> anyhow::Result<Config> {
        let mut flags = self.table();
        config::merge(&mut flags, extra);
        Ok(config::load(self.config.as_deref(), &config::environment(), flags)?)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        if !self.nameserver.is_empty() {
            set(&mut table, "dns", "nameservers", strings(&self.nameserver));
        }
        if let Some(port) = self.smtp_port {
            set(&mut table, "smtp", "port", i64::from(port).into());
        }
        if let Some(name) = &self.helo_name {
            set(&mut table, "smtp", "helo_name", name.clone().into());
        }
        if let Some(sender) = &self.mail_from {
            set(&mut table, "smtp", "mail_from", sender.clone().into());
        }
        if !self.allow_network.is_empty() {
            set(&mut table, "smtp", "allow_networks", strings(&self.allow_network));
        }
        if let Some(dir) = &self.lists_dir {
            set(&mut table, "lists", "dir", dir.display().to_string().into());
        }
        if let Some(file) = &self.reply_rules {
            set(&mut table, "replies", "rules", file.display().to_string().into());
        }
        if let Some(level) = &self.log {
            set(&mut table, "log", "level", level.clone().into());
        }
        table
    }

    /// The same with absolute paths, and with the file that the environment names: what a later
    /// process in another folder needs to ask in the same way.
    pub(super) fn absolute(&self) -> anyhow::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        let config = self.config.clone().or_else(|| config::file_from(&config::environment()));
        Ok(Self {
            config: absolute(&config)?,
            lists_dir: absolute(&self.lists_dir)?,
            reply_rules: absolute(&self.reply_rules)?,
            ..self.clone()
        })
    }

    /// The first flag that is given here and has another value in `begun`; the log does not count.
    pub(super) fn differs(&self, begun: &Self) -> Option<&'static str> {
        fn other<T: PartialEq>(given: &Option<T>, begun: &Option<T>) -> bool {
            given.is_some() && given != begun
        }
        let networks = !self.allow_network.is_empty() && self.allow_network != begun.allow_network;
        let servers = !self.nameserver.is_empty() && self.nameserver != begun.nameserver;
        let all = [
            ("--config", other(&self.config, &begun.config)),
            ("--nameserver", servers),
            ("--smtp-port", other(&self.smtp_port, &begun.smtp_port)),
            ("--helo-name", other(&self.helo_name, &begun.helo_name)),
            ("--mail-from", other(&self.mail_from, &begun.mail_from)),
            ("--allow-network", networks),
            ("--lists-dir", other(&self.lists_dir, &begun.lists_dir)),
            ("--reply-rules", other(&self.reply_rules, &begun.reply_rules)),
        ];
        all.into_iter().find(|(_, differs)| *differs).map(|(flag, _)| flag)
    }

    /// Returns whether the log level was chosen on the command line.
    pub(super) fn names_log_level(&self) -> bool {
        self.log.is_some()
    }
}

/// Sets `section.key`.
pub(super) fn set(table: &mut Table, section: &str, key: &str, value: Value) {
    let keys = Table::from_iter([(key.to_owned(), value)]);
    config::merge(table, Table::from_iter([(section.to_owned(), Value::Table(keys))]));
}

/// A list of things as TOML strings.
pub(super) fn strings<T: ToString>(items: &[T]) -> Value {
    Value::Array(items.iter().map(|item| Value::String(item.to_string())).collect())
}

/// `mailvet serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) listen: Option<SocketAddr>,
    /// Serve callers that show neither an API key nor a certificate, from other machines too
    #[arg(long)]
    pub(super) allow_anonymous: bool,
    /// The folder that holds the batches [default: mailvet in $XDG_STATE_HOME or ~/.local/state; a
    /// scratch folder with --sandbox]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Address for metrics and readiness, such as 127.0.0.1:9464 [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Let other machines read them; there is no authentication
    #[arg(long)]
    pub(super) metrics_allow_remote: bool,
    /// Serve the sandbox's domains instead of the internet, for client tests
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// `mailvet verify`
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The addresses; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
    /// Show the SMTP dialogue, with local parts redacted
    #[arg(long)]
    pub(super) transcript: bool,
    /// Depth of the verification
    #[arg(long, value_enum, default_value = "mailbox")]
    pub(super) depth: DepthArg,
    /// Do not ask for a made-up recipient to see whether the domain accepts everything
    #[arg(long)]
    pub(super) skip_catch_all: bool,
    /// Time limit for one address, such as `30s`
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// Time during which servers that say "not now" are asked again (greylisting, rate limits,
    /// temporary
    /// failures), within the timeout
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub(super) retry_window: Duration,
    /// Ask the sandbox's domains instead of the internet
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// Depth of the verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum DepthArg {
    /// The grammar only
    Syntax,
    /// And the domain's mail routing in DNS
    Domain,
    /// And the recipient's own server
    Mailbox,
}

/// `mailvet domain`
#[derive(Debug, Args)]
pub(super) struct DomainArgs {
    /// The domain, in ASCII or Unicode
    pub(super) name: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Ask the sandbox's DNS instead of the internet's
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// `mailvet explain`
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The reply, such as `550 5.1.1 <a@example.com>: user unknown`
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl")]
    pub(super) reply: Option<String>,
    /// The command it answers [default: not known]
    #[arg(long, value_enum, conflicts_with = "jsonl")]
    pub(super) stage: Option<StageArg>,
    /// The exchanger that said it
    #[arg(long, value_name = "HOST", conflicts_with = "jsonl")]
    pub(super) exchanger: Option<String>,
    /// The IP address it was said to: fault found with it is with us
    #[arg(long, value_name = "ADDRESS", conflicts_with = "jsonl")]
    pub(super) ip: Option<IpAddr>,
    /// The name we gave in EHLO
    #[arg(long, value_name = "NAME", conflicts_with = "jsonl")]
    pub(super) helo: Option<String>,
    /// The sender we gave in MAIL FROM
    #[arg(long, value_name = "ADDRESS", conflicts_with = "jsonl")]
    pub(super) mail_from: Option<String>,
    /// Read JSON lines {"id","reply","code","enhanced","stage","ip","helo","mail_from"} from
    /// standard input
    #[arg(long)]
    pub(super) jsonl: bool,
}

/// The command a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum StageArg {
    /// The connection and its banner
    Connect,
    /// EHLO or HELO
    Ehlo,
    /// STARTTLS
    Starttls,
    /// MAIL FROM
    Mail,
    /// RCPT TO
    Rcpt,
    /// DATA and the message
    Data,
}

/// `mailvet syntax`
#[derive(Debug, Args)]
pub(super) struct SyntaxArgs {
    /// The addresses
    #[arg(required_unless_present = "jsonl", conflicts_with = "jsonl", value_name = "ADDRESS")]
    pub(super) addresses: Vec<String>,
    /// Read JSON lines {"id","address"} from standard input
    #[arg(long)]
    pub(super) jsonl: bool,
}

/// `mailvet config`
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Check instead of print: name everything for which `serve` would refuse to start; exit status
    /// 0 if there is nothing, 1 if there is
    #[arg(long)]
    pub(super) check: bool,
}

/// `mailvet health`
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The service to ask [default: the configured server.listen]
    #[arg(long, value_name = "URL", value_parser = server_url)]
    pub(super) server: Option<String>,
    /// Trust and credentials
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

/// `mailvet api-key`
#[derive(Debug, Subcommand)]
pub(super) enum ApiKeyCommand {
    /// Make a key: print it once, with the entry to add to the file of server.api_keys
    New(NewKeyArgs),
}

/// `mailvet api-key new`
#[derive(Debug, Args)]
pub(super) struct NewKeyArgs {
    /// Name of the caller the key is for, of A-Z, a-z, 0-9 and . _ - @
    pub(super) name: String,
    /// Validity of the key, such as `90days` [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) expires_in: Option<Duration>,
    /// Append the entry to this file, the one server.api_keys names, and print the key alone; the
    /// file is made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(super) append: Option<PathBuf>,
}

/// `mailvet doctor`
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Time limit for all checks, such as `30s` [default: doctor.timeout, 30s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// Look at the sandbox's world instead of the internet
    #[arg(long)]
    pub(super) sandbox: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_configuration_keys() {
        let cli = Cli::parse_from([
            "mailvet",
            "verify",
            "a@example.com",
            "--smtp-port=2525",
            "--nameserver=127.0.0.1:5353",
            "--allow-network=127.0.0.0/8",
            "--helo-name=probe.example.com",
        ]);
        let config = config::load(None, &[], cli.common.table()).unwrap();
        assert_eq!(config.smtp.port, 2525);
        assert_eq!(config.smtp.helo_name.unwrap().as_str(), "probe.example.com");
        assert_eq!(config.dns.nameservers, ["127.0.0.1:5353".parse().unwrap()]);
        let network = "127.0.0.0/8".parse::<IpNet>().unwrap();
        assert_eq!(config.smtp.allow_networks, crate::smtp::AllowedNetworks::new([network]));
    }
}
