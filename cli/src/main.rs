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

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let level = match cli.global.verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
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

/// Prints what clap says: help and version, or what is wrong with the command line, which `--json` makes a document too.
fn not_understood(error: &clap::Error) -> ExitCode {
    let is_wrong = error.use_stderr();
    if is_wrong && std::env::args_os().any(|argument| argument == "--json") {
        let said = error.render().to_string();
        let (message, _) = said.split_once("\n\n").unwrap_or((&said, ""));
        let message: Vec<&str> = message.trim_start_matches("error: ").split_whitespace().collect();
        let failure = exit::Failure::usage(message.join(" ")).remedy("`maxbrod help` and --help tell how it is used");
        Output { json: true }.print_failure_document(&failure);
    }
    // Nobody is left to be told when this fails.
    let _ = error.print();
    if is_wrong {
        exit::Kind::Usage.code()
    } else {
        ExitCode::SUCCESS
    }
}
