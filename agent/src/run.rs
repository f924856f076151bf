//! The agent from start to end.

use std::path::PathBuf;
use std::sync::Arc;

use maxbrod_repository::{Random, SystemRandom, Uploader};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::Config;
use crate::error::AgentError;
use crate::log_dir::{Catalog, LogDir, Watch};
use crate::node::Node;
use crate::pack::{Packer, upload_packs};
use crate::pin::{PinDirectory, Pins};
use crate::records::{Followers, follow};
use crate::session::{self, Context};
use crate::ship::{Parts, Shipper};
use crate::state::State;
use crate::stop::Stop;
use crate::throttle::Throttle;
use crate::upkeep;

/// Runs the agent until `shutdown` is ready. What it pinned is dropped at the end, whatever the end is.
///
/// Must be called in a multi-threaded Tokio runtime.
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), AgentError> {
    let (stopper, stop) = Stop::new();
    let (links_sender, links) = watch::channel(None);
    let runtime = Handle::current();
    let starting = (config, links.clone(), stop.clone());
    let started = tokio::task::spawn_blocking(move || {
        let (config, links, stop) = starting;
        start(config, links, stop, runtime)
    });
    let prepare = |what| {
        move |error: &dyn std::fmt::Display| AgentError::Prepare {
            what,
            reason: error.to_string(),
        }
    };
    let (context, sealed) = started.await.map_err(|error| prepare("the agent")(&error))??;
    let uploader = Uploader::new().map_err(|error| prepare("uploads")(&error))?;
    let uploads = tokio::spawn(upload_packs(
        Arc::clone(&context.packer),
        sealed,
        uploader,
        links.clone(),
    ));
    let upkeep = tokio::spawn(upkeep::tend(Arc::clone(&context), links, stop.clone()));
    let following = tokio::spawn(follow(Arc::clone(&context), stop.clone()));

    let session = session::keep(Arc::clone(&context), links_sender, stop);
    let result = tokio::select! {
        () = shutdown => Ok(()),
        result = session => result,
    };

    tracing::info!("stopping");
    stopper.stop();
    let stopping = Arc::clone(&context);
    let stopped = tokio::task::spawn_blocking(move || {
        stopping.shipper.stop();
        stopping.pins.release_all();
    });
    let _ = stopped.await;
    uploads.abort();
    let _ = tokio::join!(uploads, upkeep, following);
    result
}

type Started = (
    Arc<Context>,
    tokio::sync::mpsc::UnboundedReceiver<crate::state::SealedPack>,
);

fn start(config: Config, links: crate::link::Links, stop: Stop, runtime: Handle) -> Result<Started, AgentError> {
    let node = Arc::new(Node::read(&config)?);
    tracing::info!(
        cluster = %node.cluster_id, node = %node.node_id, log_dirs = node.log_dirs.len(), controller = node.is_controller(),
        "starting"
    );
    let state = Arc::new(State::open(&config.state_dir)?);
    let pins = node.log_dirs.iter().map(PinDirectory::prepare).collect();
    let pins = Pins::new(pins).map_err(|error| AgentError::Prepare {
        what: "pins",
        reason: error.to_string(),
    })?;
    let pins = Arc::new(pins);
    let (packer, sealed) =
        Packer::new(&config.state_dir, Arc::clone(&state), runtime.clone()).map_err(|error| AgentError::Prepare {
            what: "the spool",
            reason: error.to_string(),
        })?;
    let packer = Arc::new(packer);
    let watch = Watch::new().map_err(|error| AgentError::Prepare {
        what: "the watch of the log dirs",
        reason: error.to_string(),
    })?;
    let catalog = Arc::new(Catalog::new(node.log_dirs.clone()));
    for (log_dir, error) in catalog.walk() {
        tracing::warn!(log_dir = %log_dir.path.display(), %error, "a log dir cannot be listed");
    }
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let throttle = Arc::new(Throttle::new(config.limits.read_bytes_per_second.map(|rate| rate.0)));
    let parts = Parts {
        catalog: Arc::clone(&catalog),
        pins: Arc::clone(&pins),
        packer: Arc::clone(&packer),
        state: Arc::clone(&state),
        throttle: Arc::clone(&throttle),
        random: Arc::clone(&random),
        links,
        runtime,
        stop,
    };
    let threads = Shipper::start(parts, config.limits.ship_threads);
    let shipper = threads.map_err(|error| AgentError::Prepare {
        what: "the shipping threads",
        reason: error.to_string(),
    })?;
    let mut incarnation = [0; 16];
    random.fill(&mut incarnation);
    let watch = Arc::new(watch);
    let context = Context {
        config,
        node,
        catalog,
        followers: Followers::new(throttle),
        pins,
        packer,
        state,
        shipper,
        watch,
        random,
        incarnation,
    };
    Ok((Arc::new(context), sealed))
}

/// A pin that is in a log dir's pin directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The log dir.
    pub log_dir: PathBuf,
    /// Name of the link.
    pub name: String,
    /// Size of the file that it keeps.
    pub bytes: u64,
}

/// The links that pin files of the configured node, whoever made them.
pub fn list_pins(config: &Config) -> Result<Vec<Pin>, AgentError> {
    let mut pins = Vec::new();
    for (log_dir, directory) in pin_directories(config)? {
        let failed = |reason| AgentError::Pins {
            log_dir: log_dir.path.display().to_string(),
            reason,
        };
        for (name, bytes) in directory.list().map_err(failed)? {
            pins.push(Pin {
                log_dir: log_dir.path.clone(),
                name,
                bytes,
            });
        }
    }
    Ok(pins)
}

/// Drops them. Returns how many there were. A running agent notices and fails the snapshot that needs them.
pub fn drop_pins(config: &Config) -> Result<usize, AgentError> {
    let mut dropped = 0;
    for (log_dir, directory) in pin_directories(config)? {
        let failed = |reason| AgentError::Pins {
            log_dir: log_dir.path.display().to_string(),
            reason,
        };
        dropped += directory.clear().map_err(failed)?;
    }
    Ok(dropped)
}

fn pin_directories(config: &Config) -> Result<Vec<(Arc<LogDir>, PinDirectory)>, AgentError> {
    let node = Node::read(config)?;
    let mut directories = Vec::new();
    for log_dir in &node.log_dirs {
        let failed = |reason| AgentError::Pins {
            log_dir: log_dir.path.display().to_string(),
            reason,
        };
        if let Some(directory) = PinDirectory::existing(log_dir).map_err(failed)? {
            directories.push((Arc::clone(log_dir), directory));
        }
    }
    Ok(directories)
}
