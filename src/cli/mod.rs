//! The command line.

// Its macros are used by what follows.
#[macro_use]
mod stdout;

mod accuracy;
mod api_key;
mod args;
mod callbacks;
mod client;
mod common;
mod completions;
mod config;
mod demo;
mod demo_console;
mod depth;
mod descriptors;
mod doctor;
mod domain;
mod environment;
mod explain;
mod health;
mod interruption;
mod jsonl;
mod list;
mod listen;
mod lists;
mod man;
mod outcomes;
mod posture;
mod registration;
mod render;
mod sandboxed;
mod scratch;
mod serve;
mod store;
pub mod summary;
mod syntax;
mod values;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, CliCommand};

pub use sandboxed::{sandboxed, sandboxed_doctor};

/// Exit status of a command whose answer is "no": not all deliverable, not valid, not healthy.
const NO: u8 = 1;

/// Exit status when mailvet itself failed: a bad flag, a bad configuration, no network.
const FAILED: u8 = 2;

/// Runs the command that the process's arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    descriptors::raise_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::anyhow!("the runtime cannot start: {error}")),
    };
    let outcome = runtime.block_on(run(cli));
    let outcome = outcome.and_then(|is_yes| stdout::ensure_written().map(|()| is_yes));
    // Reading standard input blocks a thread that cannot be interrupted: do not wait for it.
    runtime.shutdown_background();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NO),
        Err(error) => failed(&error),
    }
}

/// `true`: yes, `false`: no, and an error: we failed.
async fn run(cli: Cli) -> anyhow::Result<bool> {
    match cli.command {
        CliCommand::Demo(args) if args.console => demo_console::run(&cli.common).await,
        CliCommand::Demo(_) => demo::run(&cli.common).await,
        CliCommand::Serve(args) => serve::run(args, &cli.common).await,
        CliCommand::Verify(args) => verify::run(args, &cli.common).await,
        CliCommand::List(args) => list::run(*args, &cli.common).await,
        CliCommand::Domain(args) => domain::run(args, &cli.common).await,
        CliCommand::Explain(args) => explain::run(&args, &cli.common),
        CliCommand::Syntax(args) => syntax::run(&args),
        CliCommand::Outcomes(command) => outcomes::run(&command, &cli.common).await,
        CliCommand::Accuracy(args) => accuracy::run(&args, &cli.common).await,
        CliCommand::Lists => lists::run(&cli.common),
        CliCommand::Config(args) => config::run(&args, &cli.common),
        CliCommand::Health(args) => health::run(args, &cli.common).await,
        CliCommand::Callbacks(args) => callbacks::run(args, &cli.common).await,
        CliCommand::Doctor(args) => doctor::run(args, &cli.common).await,
        CliCommand::Store(command) => store::run(&command, &cli.common).await,
        CliCommand::ApiKey(command) => api_key::run(&command),
        CliCommand::Completions(args) => completions::run(&args),
        CliCommand::Man(args) => man::run(&args),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    let message = render::message(error);
    anstream::eprintln!("{}error:{:#} {message}", render::BAD, render::BAD);
    ExitCode::from(FAILED)
}
