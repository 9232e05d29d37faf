//! `mailvet config`: the effective configuration, as TOML that can be used as a file.
//!
//! Secrets are left out, and a comment says which: what is printed can be read back, and gives the
//! same configuration once the secrets are given again, best as variables.

use anyhow::Context as _;
use toml::Table;

use super::args::Common;
use crate::config::Config;

pub(super) fn run(common: &Common) -> anyhow::Result<bool> {
    let mut config = common.load(Table::new())?;
    let secrets = take_secrets(&mut config);
    let text = toml::to_string(&config).context("the configuration cannot be printed")?;
    for key in secrets {
        anstream::println!("# {key} is set, and not shown: it is a secret");
    }
    anstream::print!("{text}");
    Ok(true)
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
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_by_name_and_the_rest_can_be_read_back() {
        let text = "[prober]\ncontrol_secret = \"hush\"\n[[prober.identities]]\nname = \"a\"\n\
                    socks5 = { address = \"192.0.2.9:1080\", user = \"u\", password = \"pst\" }\n";
        let mut config: Config = toml::from_str(text).unwrap();
        let taken = take_secrets(&mut config);
        assert_eq!(taken, ["prober.control_secret", "prober.identities[0].socks5.password"]);
        let printed = toml::to_string(&config).unwrap();
        assert!(!printed.contains("hush") && !printed.contains("pst"), "{printed}");
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
        assert!(take_secrets(&mut config).is_empty());
    }
}
