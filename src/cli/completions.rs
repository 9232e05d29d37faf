//! `mailvet completions`: a completion script for a shell, on standard output.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::{Cli, CompletionsArgs};
use super::stdout::print_all;

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<bool> {
    print_all(&script(args.shell));
    Ok(true)
}

/// The script, whole: what is written to a pipe that closes early must not panic half-way.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mailvet", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn the_script_of_every_shell_names_every_command() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                let name = command.get_name();
                assert!(script.contains(name), "{name} is missing for {shell}");
            }
            assert!(script.contains("helo-name"), "{shell}");
        }
    }
}
