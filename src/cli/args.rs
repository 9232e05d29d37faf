//! The command line's arguments.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::client::{ClientArgs, server_url};
use super::common::Common;
use super::depth::DepthArg;
use super::list::ListArgs;
use super::outcomes::OutcomesCommand;
use super::values;

/// Vet an address before you send to it.
///
/// mailvet checks an address's syntax, its domain's mail routing, and asks the recipient's own
/// server with SMTP RCPT TO. It never sends a message.
#[derive(Debug, Parser)]
#[command(name = "mailvet", version, propagate_version = true)]
pub(super) struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub(super) command: CliCommand,
    /// Configuration.
    #[command(flatten)]
    pub(super) common: Common,
}

/// The commands of mailvet.
#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Show the whole thing at work, on loopback: a small mail world, the service, a client
    Demo(DemoArgs),
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
    /// Read what became of mail that was sent: bounces and complaints
    #[command(subcommand)]
    Outcomes(OutcomesCommand),
    /// Say how right verdicts were, from what became of mail; exit status 1 if nothing is known yet
    Accuracy(AccuracyArgs),
    /// Show the lists in use: roles, free providers, disposable domains
    Lists,
    /// Print the effective configuration: every key with its meaning, unset ones as comments
    Config(ConfigArgs),
    /// Ask a running service whether it is healthy; exit status 0 if it is
    Health(HealthArgs),
    /// Look for what makes verdicts unknown: port 25, names, SPF, blocklists, DNS, the clock; exit
    /// status 1 if something fails
    Doctor(DoctorArgs),
    /// Show what the callbacks of a service came to, send one again, or try a URL; exit status 1 if
    /// one was given up or not taken
    Callbacks(CallbacksArgs),
    /// Look after the database of store.url, which several services share
    #[command(subcommand)]
    Store(StoreCommand),
    /// Make API keys for the callers of a service
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write the pages of all commands to a folder
    Man(ManArgs),
}

/// `mailvet demo`
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Open the console on it instead, until Ctrl-C
    #[arg(long)]
    pub(super) console: bool,
}

/// `mailvet serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDR:PORT", value_parser = values::socket_address)]
    pub(super) listen: Option<SocketAddr>,
    /// Serve callers that show neither an API key nor a certificate, from other machines too
    #[arg(long)]
    pub(super) allow_anonymous: bool,
    /// The folder that holds the batches [default: mailvet in $XDG_STATE_HOME or ~/.local/state; a
    /// scratch folder with --sandbox, whatever batch.data_dir is]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Use the database of store.url even if its settings let it lose what it said was kept
    #[arg(long)]
    pub(super) allow_lossy_store: bool,
    /// Address for metrics and readiness, such as 127.0.0.1:9464 [default: none]
    #[arg(long, value_name = "ADDR:PORT", value_parser = values::socket_address)]
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Let other machines read them; there is no authentication
    #[arg(long)]
    pub(super) metrics_allow_remote: bool,
    /// Serve the console, the page for people, at /console/
    #[arg(long)]
    pub(super) console: bool,
    /// Serve the sandbox's domains instead of the internet, for client tests
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// `mailvet store`
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Bring the tables in the database to this version's; one that is new gets them
    Migrate,
    /// Look at the settings that decide what is lost in a power cut, and what is left of an address
    /// after its deletion; exit status 1 if something that was kept may be lost
    Check,
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
    /// Time limit for one address, such as `30s`; the answer of its registry, where it is wanted,
    /// is waited for as long again
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = values::time)]
    pub(super) timeout: Duration,
    /// Time during which servers that say "not now" are asked again (greylisting, rate limits,
    /// temporary
    /// failures), within the timeout
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = values::time)]
    pub(super) retry_window: Duration,
    /// Ask the registry of each domain too (RDAP)
    #[arg(long)]
    pub(super) registration: bool,
    /// The day on which the recipients consented to mail, such as `2024-05-01`: domains that were
    /// registered later are flagged
    #[arg(long, value_name = "DATE", value_parser = values::date)]
    pub(super) consented: Option<SystemTime>,
    /// Ask the sandbox's domains instead of the internet
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// `mailvet domain`
#[derive(Debug, Args)]
pub(super) struct DomainArgs {
    /// The domain, in ASCII or Unicode
    pub(super) name: String,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Ask the domain's registry too (RDAP)
    #[arg(long)]
    pub(super) registration: bool,
    /// Look at what strict senders meet there too (MTA-STS, DANE), and at its SPF and DMARC, which
    /// are about mail from it
    #[arg(long)]
    pub(super) posture: bool,
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

/// `mailvet accuracy`
#[derive(Debug, Args)]
pub(super) struct AccuracyArgs {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// `mailvet config`
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Check instead of print: name everything in the configuration for which `serve` would refuse
    /// to start; exit status 0 if there is nothing, 1 if there is
    #[arg(long)]
    pub(super) check: bool,
}

/// `mailvet health`
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Ask whether it lives, not whether it can do its work: what a restart mends. The service on
    /// this machine may show any certificate then
    #[arg(long)]
    pub(super) liveness: bool,
    /// The service to ask [default: the configured server.listen]
    #[arg(long, value_name = "URL", value_parser = server_url)]
    pub(super) server: Option<String>,
    /// Trust and credentials
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

/// `mailvet callbacks`
#[derive(Debug, Args)]
pub(super) struct CallbacksArgs {
    /// What to do
    #[command(subcommand)]
    pub(super) command: CallbacksCommand,
    /// The service to ask [default: the configured server.listen]
    #[arg(long, global = true, value_name = "URL", value_parser = server_url)]
    pub(super) server: Option<String>,
    /// Trust and credentials
    #[command(flatten)]
    pub(super) client: ClientArgs,
}

/// The commands of `mailvet callbacks`.
#[derive(Debug, Subcommand)]
pub(super) enum CallbacksCommand {
    /// List them, those of the newest batches first: id, state, tries, last result, next try, URL
    List,
    /// Send one again, now and with all its tries
    Resend {
        /// The callback's id, as `list` shows it
        #[arg(value_name = "ID")]
        callback_id: String,
    },
    /// Send a trial to a URL, once, and say what it answered
    Test {
        /// The URL
        url: String,
    },
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
    #[arg(long, value_name = "TIME", value_parser = values::time)]
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
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(super) timeout: Option<Duration>,
    /// Ask the registries of the senders' domains too (RDAP): how old is each?
    #[arg(long)]
    pub(super) registration: bool,
    /// Look at the sandbox's world instead of the internet
    #[arg(long)]
    pub(super) sandbox: bool,
}

/// `mailvet completions`
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: Shell,
}

/// `mailvet man`
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder to write `mailvet.1` and a page for each command to; it is made if it is not
    /// there
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_but_credentials_stands_under_the_service_to_ask() {
        let credentials = ["ca", "client_cert", "client_key", "api_key_file"];
        let mut commands = vec![Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let is_under = |arg: &&clap::Arg| arg.get_help_heading() == Some("The service to ask");
            let under = command.get_arguments().filter(is_under);
            let under: Vec<&str> = under.map(|arg| arg.get_id().as_str()).collect();
            assert!(under.is_empty() || under == credentials, "{}: {under:?}", command.get_name());
        }
    }

    #[test]
    fn the_credentials_for_callbacks_may_stand_behind_what_to_do() {
        for behind in ["--server=http://127.0.0.1:1", "--api-key-file=f", "--ca=f"] {
            let args = ["mailvet", "callbacks", "list", behind];
            assert!(Cli::try_parse_from(args).is_ok(), "{behind}");
        }
        let args = ["mailvet", "callbacks", "test", "URL", "--client-cert=c", "--client-key=k"];
        let CliCommand::Callbacks(args) = Cli::try_parse_from(args).unwrap().command else {
            panic!("another command");
        };
        assert_ne!(args.client, ClientArgs::default());
    }
}
