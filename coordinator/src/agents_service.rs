//! The agents' side of the contract: sessions, and what agents ask on their own account.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use maxbrod_kafka::NodeId;
use maxbrod_proto::agent::agents_server::Agents;
use maxbrod_proto::agent::{
    BaseChunk, BaseChunksReply, BaseChunksRequest, ConfirmPackReply, ConfirmPackRequest, FromAgent, GrantReply,
    GrantRequest, Hello, StoreKeyReply, StoreKeyRequest, ToAgent, Welcome, from_agent, to_agent,
};
use maxbrod_repository::{ChunkRef, KeyId, PackName};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;

use crate::conductor::Input;
use crate::house::{House, Term};
use crate::registry::{self, Refusal};
use crate::status::{of_error, with_code};
use crate::wire;

/// For an agent's first message.
const HELLO: Duration = Duration::from_secs(10);
/// Chunks in one message: some 60 bytes each.
const CHUNKS: usize = 4_096;
/// What agents compress with where it pays.
const ZSTD_LEVEL: i32 = 3;

/// The service.
#[derive(Debug)]
pub(crate) struct AgentsService {
    house: Arc<House>,
}

type ReplyStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl AgentsService {
    pub(crate) fn new(house: Arc<House>) -> Self {
        Self { house }
    }

    /// The term, for a call of a live session.
    fn term(&self, session: u64) -> Result<&Arc<Term>, Status> {
        let over = || Status::unauthenticated(format!("session {session} is over: open another one"));
        let term = self.house.term().ok_or_else(over)?;
        match term.instruments.registry().session(session) {
            Some(_) => Ok(term),
            None => Err(over()),
        }
    }

    async fn welcome(&self, term: &Term, session: u64) -> Result<Welcome, Status> {
        let repository = term.instruments.lease.cluster().repository();
        let id_key = repository.id_key().map_err(|error| of_error(&error))?;
        let open_run = term.instruments.lease.open_run().await.map_or(0, |run| run.run);
        Ok(Welcome {
            session,
            epoch: term.instruments.lease.epoch(),
            repository_id: repository.id().to_string(),
            id_key: Bytes::copy_from_slice(id_key.as_bytes()),
            recipients: repository
                .config()
                .recipients()
                .iter()
                .map(ToString::to_string)
                .collect(),
            zstd_level: ZSTD_LEVEL,
            open_run,
        })
    }
}

#[tonic::async_trait]
impl Agents for AgentsService {
    type SessionStream = ReplyStream<ToAgent>;
    type BaseChunksStream = ReplyStream<BaseChunksReply>;

    async fn session(&self, request: Request<Streaming<FromAgent>>) -> Result<Response<Self::SessionStream>, Status> {
        let mut messages = request.into_inner();
        let hello = first(&mut messages).await?;
        // Before a stranger's cluster becomes this coordinator's.
        registry::check(&hello.cluster_id, &hello).map_err(refused)?;
        let term = Arc::clone(
            self.house
                .term_for(&hello.cluster_id)
                .await
                .map_err(|error| of_error(&error))?,
        );
        let node = NodeId(hello.node_id);
        let now = term.instruments.now();
        let session = term
            .instruments
            .registry()
            .admit(term.cluster_id(), hello.clone(), now)
            .map_err(|refusal| {
                warn!(%refusal, code = refusal.code(), "an agent is refused");
                refused(refusal)
            })?;
        let welcome = self.welcome(&term, session).await;
        let welcome = match welcome {
            Ok(welcome) => welcome,
            Err(status) => {
                term.instruments.registry().end(session, now);
                return Err(status);
            }
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        // The receiver is in this scope: this cannot fail.
        let _ = sender.send(ToAgent {
            message: Some(to_agent::Message::Welcome(welcome)),
        });
        let stopping = |_| Status::unavailable("the coordinator is shutting down");
        term.inputs
            .send(Input::Opened {
                node,
                session,
                hello: Box::new(hello),
                sender,
            })
            .await
            .map_err(stopping)?;
        tokio::spawn(listen(node, session, messages, term.inputs.clone()));
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver).map(Ok))))
    }

    async fn store_key(&self, request: Request<StoreKeyRequest>) -> Result<Response<StoreKeyReply>, Status> {
        let request = request.into_inner();
        let term = self.term(request.session)?;
        let key =
            KeyId::from_slice(&request.key_id).ok_or_else(|| Status::invalid_argument("a key id has 16 bytes"))?;
        if !self.house.repository.config().is_encrypted() {
            return Err(Status::failed_precondition(
                "the repository is not encrypted: it takes no keys",
            ));
        }
        let stored = term.instruments.grants.store_key(key, request.wrapped.to_vec()).await;
        stored.map_err(|error| of_error(&error))?;
        Ok(Response::new(StoreKeyReply {}))
    }

    async fn grant(&self, request: Request<GrantRequest>) -> Result<Response<GrantReply>, Status> {
        let request = request.into_inner();
        let term = self.term(request.session)?;
        let sha256 = sha256(&request.sha256)?;
        let granted = term.instruments.grants.grant(request.run, request.length, sha256).await;
        let (pack, grant) = match granted {
            Ok(granted) => granted,
            Err(error) => {
                let status = of_error(&error);
                if matches!(error, maxbrod_repository::Error::Fenced { .. }) {
                    // A conductor that has ended knows already.
                    let _ = term.inputs.send(Input::SteppedDown(Box::new(error))).await;
                }
                return Err(status);
            }
        };
        term.instruments.metrics.count_grant();
        Ok(Response::new(GrantReply {
            pack: Some(pack_name(pack)),
            url: grant.url,
            method: grant.method,
            headers: grant.headers.into_iter().collect(),
            expires_in_seconds: grant.expires_in.as_secs(),
        }))
    }

    async fn confirm_pack(&self, request: Request<ConfirmPackRequest>) -> Result<Response<ConfirmPackReply>, Status> {
        let request = request.into_inner();
        let term = self.term(request.session)?;
        let pack = request
            .pack
            .ok_or_else(|| Status::invalid_argument("no pack is named"))?;
        let name = PackName {
            run: pack.run,
            epoch: pack.epoch,
            sequence: pack.sequence,
        };
        let stored = term
            .instruments
            .grants
            .is_stored(name, request.length)
            .await
            .map_err(|error| of_error(&error))?;
        Ok(Response::new(ConfirmPackReply { stored }))
    }

    async fn base_chunks(
        &self,
        request: Request<BaseChunksRequest>,
    ) -> Result<Response<Self::BaseChunksStream>, Status> {
        let request = request.into_inner();
        let term = self.term(request.session)?;
        let key = wire::partition_key("question for the base's chunks", &request.topic_id, request.partition)
            .map_err(|error| with_code(Status::invalid_argument(error.to_string()), error.code()))?;
        let open_run = term.instruments.lease.open_run().await.map(|run| run.run);
        if open_run != Some(request.run) {
            return Err(Status::failed_precondition(format!("run {} is not open", request.run)));
        }
        let base = term.instruments.base();
        let partition = base.partition(&key).await.map_err(|error| of_error(&error))?;
        let chunks = match &partition {
            Some(partition) => base.chunks(partition).await.map_err(|error| of_error(&error))?,
            None => Vec::new(),
        };
        let replies: Vec<_> = chunks.chunks(CHUNKS).map(|chunks| Ok(base_chunks(chunks))).collect();
        Ok(Response::new(Box::pin(futures::stream::iter(replies))))
    }
}

async fn first(messages: &mut Streaming<FromAgent>) -> Result<Hello, Status> {
    let late = |_| Status::deadline_exceeded("no hello came");
    match tokio::time::timeout(HELLO, messages.message()).await.map_err(late)?? {
        Some(FromAgent {
            message: Some(from_agent::Message::Hello(hello)),
        }) => Ok(hello),
        _ => Err(Status::invalid_argument(
            "the first message of a session must be a hello",
        )),
    }
}

/// Hands on what an agent says until it hangs up. Where the conductor is behind, the agent waits.
async fn listen(node: NodeId, session: u64, mut messages: Streaming<FromAgent>, inputs: mpsc::Sender<Input>) {
    loop {
        match messages.message().await {
            Ok(Some(FromAgent { message: Some(message) })) => {
                let message = Box::new(message);
                if inputs.send(Input::Said { node, session, message }).await.is_err() {
                    return;
                }
            }
            // A message of a newer contract.
            Ok(Some(FromAgent { message: None })) => {}
            Ok(None) => break,
            Err(status) => {
                tracing::debug!(%node, session, %status, "a session broke");
                break;
            }
        }
    }
    // A conductor that has ended needs no notice.
    let _ = inputs.send(Input::Closed { node, session }).await;
}

fn refused(refusal: Refusal) -> Status {
    let message = refusal.to_string();
    let status = match &refusal {
        Refusal::ForeignCluster { .. } | Refusal::ProtocolVersion { .. } => Status::failed_precondition(message),
        Refusal::TwoAgents { .. } => Status::already_exists(message),
        Refusal::Malformed { .. } => Status::invalid_argument(message),
    };
    with_code(status, refusal.code())
}

fn sha256(bytes: &[u8]) -> Result<[u8; 32], Status> {
    bytes
        .try_into()
        .map_err(|_| Status::invalid_argument("a SHA-256 has 32 bytes"))
}

fn pack_name(name: PackName) -> maxbrod_proto::agent::PackName {
    maxbrod_proto::agent::PackName {
        run: name.run,
        epoch: name.epoch,
        sequence: name.sequence,
    }
}

fn base_chunks(chunks: &[ChunkRef]) -> BaseChunksReply {
    let chunk = |chunk: &ChunkRef| BaseChunk {
        id: Bytes::copy_from_slice(&chunk.id.0),
        base_offset: chunk.base_offset.0,
        next_offset: chunk.next_offset.0,
        logical_length: chunk.logical_length,
    };
    BaseChunksReply {
        chunks: chunks.iter().map(chunk).collect(),
    }
}
