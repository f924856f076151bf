//! `maxbrod snapshot verify`.

use std::process::ExitCode;

use crate::args::{Global, VerifyLevel};
use crate::exit::Result;
use crate::output::Output;

pub async fn run(_id: &str, _level: VerifyLevel, _global: &Global, _output: Output) -> Result<ExitCode> {
    Err(crate::exit::Failure::usage("not built into this version yet"))
}
