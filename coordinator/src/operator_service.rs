//! The operators' side of the contract.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use maxbrod_cut::Level;
use maxbrod_proto::operator::operator_server::Operator;
use maxbrod_proto::operator::{
    CancelSnapshotReply, CancelSnapshotRequest, ClusterStatusReply, ClusterStatusRequest, CreateSnapshotRequest,
    SnapshotProgress,
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::conductor::Input;
use crate::house::{House, Term};
use crate::status::{with_code, with_remedy};

/// The service.
#[derive(Debug)]
pub(crate) struct OperatorService {
    house: Arc<House>,
}

impl OperatorService {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    fn term(&self) -> Result<&Arc<Term>, Status> {
        self.house.term().ok_or_else(|| {
            let status = Status::failed_precondition("no agent has connected yet, so the cluster is not known");
            let remedy = "start maxbrod-agent on the Kafka hosts, or set cluster_id in coordinator.toml";
            with_remedy(with_code(status, "no-cluster"), remedy)
        })
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, Status> {
        let stopping = || Status::unavailable("the coordinator is shutting down");
        let (reply, answer) = oneshot::channel();
        self.term()?.inputs.send(input(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

#[tonic::async_trait]
impl Operator for OperatorService {
    type CreateSnapshotStream = Pin<Box<dyn Stream<Item = Result<SnapshotProgress, Status>> + Send>>;

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<Self::CreateSnapshotStream>, Status> {
        let CreateSnapshotRequest {
            label,
            detach,
            require_consistency,
        } = request.into_inner();
        let consistency = level(&require_consistency)?;
        let create = |reply| Input::Create {
            label,
            consistency,
            reply,
        };
        let progress = match self.ask(create).await? {
            Ok(progress) => progress,
            Err(busy) => {
                let message = format!("take a snapshot: one is under way (stage {})", busy.0);
                let status = with_code(Status::already_exists(message), "snapshot-under-way");
                return Err(with_remedy(
                    status,
                    "wait for it, or end it with `maxbrod snapshot cancel`",
                ));
            }
        };
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(forward(progress, sender, detach));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn cancel_snapshot(
        &self,
        _: Request<CancelSnapshotRequest>,
    ) -> Result<Response<CancelSnapshotReply>, Status> {
        let cancelled = self.ask(|reply| Input::Cancel { reply }).await?;
        Ok(Response::new(CancelSnapshotReply { cancelled }))
    }

    async fn cluster_status(&self, _: Request<ClusterStatusRequest>) -> Result<Response<ClusterStatusReply>, Status> {
        if self.house.term().is_none() {
            return Ok(Response::new(ClusterStatusReply {
                cluster_id: self.house.cluster_id.clone().unwrap_or_default(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                repository_id: self.house.repository.id().to_string(),
                ..ClusterStatusReply::default()
            }));
        }
        Ok(Response::new(*self.ask(|reply| Input::Status { reply }).await?))
    }
}

/// The level that a request asks for.
fn level(name: &str) -> Result<Option<Level>, Status> {
    if name.is_empty() {
        return Ok(None);
    }
    let levels = [Level::CrashConsistent, Level::BestEffort, Level::Transactional];
    let found = levels.into_iter().find(|level| level.name() == name);
    found.map(Some).ok_or_else(|| {
        let status = Status::invalid_argument(format!("require consistency {name:?}: there is no such level"));
        let remedy = "ask for crash-consistent, best-effort or transactional";
        with_remedy(with_code(status, "unknown-consistency"), remedy)
    })
}

/// Hands progress on until the outcome, or until the operator hangs up: the snapshot goes on regardless.
async fn forward(
    mut progress: broadcast::Receiver<SnapshotProgress>,
    sender: mpsc::Sender<Result<SnapshotProgress, Status>>,
    detach: bool,
) {
    loop {
        match progress.recv().await {
            Ok(message) => {
                let is_last = message.outcome.is_some() || detach;
                if sender.send(Ok(message)).await.is_err() || is_last {
                    return;
                }
            }
            // Older progress was overtaken by newer.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => {
                let _ = sender
                    .send(Err(Status::unavailable("the coordinator is shutting down")))
                    .await;
                return;
            }
        }
    }
}
