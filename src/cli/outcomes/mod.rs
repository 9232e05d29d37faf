//! `mailvet outcomes`: what became of mail that was sent.

mod args;
mod read;

pub(super) use args::OutcomesCommand;

use super::common::Common;

pub(super) fn run(command: &OutcomesCommand, common: &Common) -> anyhow::Result<bool> {
    match command {
        OutcomesCommand::Read(args) => read::run(args, common),
    }
}
