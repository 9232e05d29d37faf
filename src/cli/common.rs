//! The flags that every command has. They stand for configuration keys, and become a table that is
//! laid over the file and the variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::environment::KeptEnvironment;
use super::values;
use crate::config::{self, Config};

/// Configuration, for every command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default)]
#[command(next_help_heading = "Configuration, the same for every command")]
pub(super) struct Common {
    /// The configuration file (TOML) [default: the one MAILVET_CONFIG names]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// A name server to ask instead of the system's (repeatable)
    #[arg(long, global = true, value_name = "ADDR:PORT", value_parser = values::socket_address)]
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
    /// The variables of a run that is gone on with.
    #[arg(skip)]
    environment: Option<KeptEnvironment>,
}

impl Common {
    /// The effective configuration: file, variables, flags, and the keys in `extra` last.
    pub(super) fn load(&self, extra: Table) -> anyhow::Result<Config> {
        let mut flags = self.table();
        config::merge(&mut flags, extra);
        Ok(config::load(self.config.as_deref(), &self.variables(), flags)?)
    }

    /// The variables that outvote the configuration file.
    pub(super) fn outvoting(&self) -> Vec<String> {
        config::outvoting(self.config.as_deref(), &self.variables())
    }

    fn variables(&self) -> Vec<(String, String)> {
        let variables = config::environment();
        match &self.environment {
            Some(kept) => kept.restore(variables),
            None => variables,
        }
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

    /// The same with absolute paths, and with what the environment names and sets: what a later
    /// process in another folder and another shell needs to ask in the same way.
    pub(super) fn absolute(&self) -> anyhow::Result<Self> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        let mut variables = config::environment();
        let config = self.config.clone().or_else(|| config::file_from(&variables));
        variables.retain(|(name, _)| name != config::FILE_VARIABLE);
        Ok(Self {
            environment: Some(KeptEnvironment::from_variables(&variables)),
            config: absolute(&config)?,
            lists_dir: absolute(&self.lists_dir)?,
            reply_rules: absolute(&self.reply_rules)?,
            ..self.clone()
        })
    }

    /// The first flag or variable that is given here and has another value in `begun`; the log does
    /// not count.
    pub(super) fn differs<'b>(&'b self, begun: &'b Self) -> Option<&'b str> {
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
        let flag = all.into_iter().find(|(_, differs)| *differs).map(|(flag, _)| flag);
        flag.or_else(|| begun.environment.as_ref()?.difference(self.environment.as_ref()?))
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        common: Common,
    }

    #[test]
    fn flags_become_configuration_keys() {
        let Flags { common } = Flags::parse_from([
            "mailvet",
            "--smtp-port=2525",
            "--nameserver=127.0.0.1:5353",
            "--allow-network=127.0.0.0/8",
            "--helo-name=probe.example.com",
        ]);
        let config = config::load(None, &[], common.table()).unwrap();
        assert_eq!(config.smtp.port, 2525);
        assert_eq!(config.smtp.helo_name.unwrap().as_str(), "probe.example.com");
        assert_eq!(config.dns.nameservers, ["127.0.0.1:5353".parse().unwrap()]);
        let network = "127.0.0.0/8".parse::<IpNet>().unwrap();
        assert_eq!(config.smtp.allow_networks, crate::smtp::AllowedNetworks::new([network]));
    }
}
