//! The commands, one module each.

mod audit;
mod cluster;
mod finding;
mod init;
mod manual;
mod repository;
mod restore;
mod snapshot;

use std::process::ExitCode;

use crate::args::{Cli, Command};
use crate::exit::Result;
use crate::output::Output;

/// Runs the command that was typed.
pub async fn run(cli: Cli, output: Output) -> Result<ExitCode> {
    let global = &cli.global;
    match cli.command {
        Command::Init(options) => init::run(options, global, output).await,
        Command::Snapshot(command) => snapshot::run(command, global, output).await,
        Command::Cluster(command) => cluster::run(command, global, output).await,
        Command::Audit(command) => audit::run(command, global, output).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
        Command::Demo(options) => crate::demo::run(options, output).await,
        Command::Restore(command) => restore::run(command, global, output).await,
        Command::Repository(command) => repository::run(command, global, output).await,
    }
}
