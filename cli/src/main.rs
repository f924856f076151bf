//! `maxbrod`: what operators type.

#![forbid(unsafe_code)]
#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a binary has no interface but its command line"
)]

mod args;
mod commands;
mod coordinator;
mod demo;
mod exit;
mod output;
mod repository;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = match cli.global.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let output = Output { json: cli.global.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.print_failure(&exit::Failure::new(
                exit::Kind::Failed,
                "runtime",
                format!("starting: {error}"),
            ));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli, output)) {
        Ok(code) => code,
        Err(failure) => {
            output.print_failure(&failure);
            failure.kind.code()
        }
    }
}
