//! `maxbrod-agent`: runs beside a Kafka node.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use maxbrod_agent::{AgentError, Config, drop_pins, list_pins, run};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Watches a Kafka node's log dirs and ships them to the repository, on the coordinator's orders.
///
/// Run it as Kafka's own user: files are pinned by hard links, which the kernel allows to their owner only.
#[derive(Debug, Parser)]
#[command(name = "maxbrod-agent", version)]
struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/maxbrod/agent.toml")]
    config: PathBuf,
    /// List or drop the pins beside the log dirs instead of running.
    #[arg(long, value_name = "WHAT")]
    pins: Option<PinsCommand>,
    /// Say more; twice: everything. RUST_LOG has precedence.
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PinsCommand {
    /// Print each pin and the size of what it keeps.
    List,
    /// Drop all of them.
    Drop,
}

/// Threads for everything that waits; bulk work has threads of its own.
const WORKERS: usize = 2;
/// Threads for what waits for disks.
const BLOCKING: usize = 16;

fn main() -> ExitCode {
    let args = Args::parse();
    let level = match args.verbose {
        0 => "info",
        1 => "info,maxbrod_agent=debug",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not logged: no RUST_LOG may hide it.
            let _ = writeln!(std::io::stderr(), "maxbrod-agent: {error} [{}]", error.code());
            match error {
                AgentError::Config(_) => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn start(args: &Args) -> Result<(), AgentError> {
    let config = Config::load(&args.config)?;
    match args.pins {
        Some(PinsCommand::List) => {
            let mut out = std::io::stdout().lock();
            for pin in list_pins(&config)? {
                // A closed pipe is the reader's choice.
                let _ = writeln!(out, "{}\t{}\t{}", pin.bytes, pin.log_dir.display(), pin.name);
            }
            Ok(())
        }
        Some(PinsCommand::Drop) => {
            let dropped = drop_pins(&config)?;
            let _ = writeln!(std::io::stdout().lock(), "{dropped} pins dropped");
            Ok(())
        }
        None => serve(config),
    }
}

fn serve(config: Config) -> Result<(), AgentError> {
    raise_open_files();
    let prepare = |error: std::io::Error| AgentError::Prepare {
        what: "the runtime",
        reason: error.to_string(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(prepare)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(prepare)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(prepare)?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        run(config, shutdown).await
    })
}

/// Where links are impossible, each pin is an open descriptor.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}
