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
        Self::new(kind, error.code(), error.to_string()).remedy(error.remedy())
    }
}
