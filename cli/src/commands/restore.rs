//! `maxbrod restore`: one file per command.

mod apply;
mod plan;

use std::process::ExitCode;

use maxbrod_restore::{Error, Kind as RestoreKind, PathMap};

use crate::args::{Global, Restore};
use crate::exit::{Failure, Kind, Result};
use crate::output::Output;

pub async fn run(command: Restore, global: &Global, output: Output) -> Result<ExitCode> {
    match command {
        Restore::Plan(options) => plan::run(options, global, output).await,
        Restore::Apply(options) => apply::run(options, global, output).await,
    }
}

fn maps(texts: &[String]) -> Result<Vec<PathMap>> {
    texts.iter().map(|text| Ok(text.parse::<PathMap>()?)).collect()
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Repository(error) = error {
            return Self::from(error);
        }
        let kind = match error.kind() {
            RestoreKind::Failed => Kind::Failed,
            RestoreKind::Usage => Kind::Usage,
            RestoreKind::Incomplete => Kind::Incomplete,
            RestoreKind::Integrity => Kind::Integrity,
        };
        let remedy = match &error {
            Error::Io { .. } => {
                "check that the file system is mounted and writable for this user, then run the same command again: it goes on where it stopped"
            }
            Error::Plan { .. } => "make a plan with `maxbrod restore plan --out`, by this version of maxbrod",
            Error::Metadata { .. } | Error::Exhausted { .. } => "restore another snapshot",
            Error::Worker(_) => "run the same command again: it goes on where it stopped",
            // The others say it themselves.
            _ => "",
        };
        Self::new(kind, error.code(), error.to_string()).remedy(remedy)
    }
}
