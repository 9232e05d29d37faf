//! `mailvet config`: the effective configuration, as TOML that can be used as a file.
//!
//! Every key is there with its meaning, those that are not set as comments. Secrets are left out,
//! and a comment says which: what is printed can be read back, and gives the same configuration
//! once the secrets are given again, best as variables.

use anyhow::Context as _;
use toml::Table;

use super::args::ConfigArgs;
use super::common::Common;
use super::render::message;
use crate::app::{self, App};
use crate::config::{self, Config};

pub(super) fn run(args: &ConfigArgs, common: &Common) -> anyhow::Result<bool> {
    let mut config = common.load(Table::new())?;
    if args.check {
        return Ok(check(&config));
    }
    let secrets = take_secrets(&mut config);
    let has_secrets = !secrets.is_empty();
    let text = config::commented(&config).context("the configuration cannot be printed")?;
    for key in secrets {
        print_line!("# {key} is set, and not shown: it is a secret");
    }
    if has_secrets {
        print_line!();
    }
    print_text!("{text}");
    Ok(true)
}

/// Says everything for which `serve` would refuse; `true` if there is nothing.
fn check(config: &Config) -> bool {
    let mut problems: Vec<String> = app::problems(config).iter().map(message).collect();
    // What is left is what the parts refuse when they are put together.
    if let Err(error) = App::build(config.clone()) {
        let error = message(&error);
        if !problems.iter().any(|known| error.contains(known)) {
            problems.push(error);
        }
    }
    for problem in &problems {
        print_line!("{problem}");
    }
    if problems.is_empty() {
        print_line!("nothing in this configuration keeps serve from starting");
    }
    problems.is_empty()
}

/// Takes the secrets out, and says which there were.
fn take_secrets(config: &mut Config) -> Vec<String> {
    let mut taken = Vec::new();
    if config.prober.control_secret.take().is_some() {
        taken.push("prober.control_secret".to_owned());
    }
    for (index, identity) in config.prober.identities.iter_mut().enumerate() {
        let proxy = identity.socks5.as_mut();
        if proxy.is_some_and(|proxy| proxy.password.take().is_some()) {
            taken.push(format!("prober.identities[{index}].socks5.password"));
        }
    }
    if let Some(url) = &mut config.trace.endpoint
        && let Some((scheme, rest)) = url.split_once("://")
        && let Some((authority, after)) = rest.rsplit_once('@')
        && !authority.contains('/')
    {
        *url = format!("{scheme}://{after}");
        taken.push("the user information of trace.endpoint".to_owned());
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_by_name_and_the_rest_can_be_read_back() {
        let text = "trace.endpoint = \"http://user:tok@127.0.0.1:4317\"\n[prober]\ncontrol_secret = \"hush\"\n[[prober.identities]]\nname = \"a\"\n\
                    socks5 = { address = \"192.0.2.9:1080\", user = \"u\", password = \"pst\" }\n";
        let mut config: Config = toml::from_str(text).unwrap();
        let taken = take_secrets(&mut config);
        let known = ["prober.control_secret", "prober.identities[0].socks5.password"];
        assert_eq!(taken[..2], known);
        assert_eq!(taken[2], "the user information of trace.endpoint");
        assert_eq!(config.trace.endpoint.as_deref(), Some("http://127.0.0.1:4317"));
        let printed = toml::to_string(&config).unwrap();
        assert!(!["hush", "pst", "tok"].iter().any(|secret| printed.contains(secret)), "{printed}");
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
        assert!(take_secrets(&mut config).is_empty());
    }
}
