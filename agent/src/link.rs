//! The connection to the coordinator, as everything but the session sees it: whom to ask, and with what to seal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::agents_client::AgentsClient;
use maxbrod_repository::{IdKey, SealingKey};
use tokio::sync::{mpsc, watch};
use tonic::transport::Channel;

/// How chunks are named and sealed in this session.
#[derive(Clone, Debug)]
pub(crate) struct Sealing {
    pub(crate) id_key: IdKey,
    /// `None`: not encrypted.
    pub(crate) key: Option<SealingKey>,
    pub(crate) zstd_level: i32,
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: AgentsClient<Channel>,
    pub(crate) session: u64,
    /// The run that is open; what was packed for another one is not wanted any more.
    pub(crate) open_run: AtomicU64,
    pub(crate) sealing: Arc<Sealing>,
    /// Up the session's stream.
    pub(crate) up: mpsc::Sender<wire::FromAgent>,
}

impl Link {
    /// The run that is open.
    pub(crate) fn open_run(&self) -> u64 {
        self.open_run.load(Ordering::Acquire)
    }

    /// Sends a message up the stream; waits while the queue is full. A session that is over swallows it.
    pub(crate) async fn send(&self, message: wire::from_agent::Message) {
        let _ = self.up.send(wire::FromAgent { message: Some(message) }).await;
    }
}

/// The open session, if there is one.
pub(crate) type Links = watch::Receiver<Option<Arc<Link>>>;

/// Waits for a session. `None`: there will be none, the agent stops.
pub(crate) async fn connected(links: &mut Links) -> Option<Arc<Link>> {
    links.wait_for(Option::is_some).await.ok()?.clone()
}
