//! `maxbrod snapshot`: one file per command.

mod create;
mod cut_back;
mod gap;
mod list;
mod show;
mod verify;

use std::process::ExitCode;

use crate::args::{Global, Snapshot};
use crate::exit::Result;
use crate::output::Output;

pub async fn run(command: Snapshot, global: &Global, output: Output) -> Result<ExitCode> {
    match command {
        Snapshot::Create(options) => create::create(options, global, output).await,
        Snapshot::Cancel => create::cancel(global, output).await,
        Snapshot::List => list::run(global, output).await,
        Snapshot::Show { id, partitions } => show::run(&id, partitions, global, output).await,
        Snapshot::Verify { id, level } => verify::run(&id, level, global, output).await,
    }
}
