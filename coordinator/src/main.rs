//! `maxbrod-coordinator --config FILE`.

#![forbid(unsafe_code)]

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use maxbrod_coordinator::{Config, CoordinatorError, run};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Sequences snapshots of a Kafka cluster, grants uploads to its agents, and commits.
///
/// RUST_LOG says how much is logged (`debug`, `maxbrod_coordinator=debug`); without it `info`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/maxbrod/coordinator.toml")]
    config: PathBuf,
    /// Logs as JSON, one object a line.
    #[arg(long)]
    json_logs: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if arguments.json_logs {
        logs.json().init();
    } else {
        logs.init();
    }
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("maxbrod-coordinator: {error} [{}]", error.code());
            return ExitCode::from(2);
        }
    };
    match run(config, stop_signal()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maxbrod-coordinator: {error} [{}]", error.code());
            if let CoordinatorError::Repository(error) = &error
                && !error.remedy().is_empty()
            {
                eprintln!("  what to do: {}", error.remedy());
            }
            ExitCode::FAILURE
        }
    }
}

/// Done with SIGTERM or SIGINT.
async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => {
            tracing::warn!("signals cannot be caught: stop this process by killing it");
            std::future::pending::<()>().await;
        }
    }
}
