//! A coordinator that does what a test says, with a real repository in a folder.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use futures::Stream;
use maxbrod_kafka::{ClusterId, LeaderEpoch, Offset};
use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::agents_server::{Agents, AgentsServer};
use maxbrod_proto::agent::from_agent::Message as Up;
use maxbrod_proto::agent::to_agent::Message as Down;
use maxbrod_repository::{
    ChunkReader, ChunkRef, Cluster, Confirmation, ContentId, Environment, Granter as _, Identities, InitOptions, KeyId,
    KeyObject, KeyPurpose, LocalUploads, Location, PackName, Repository, Store, confirm,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use super::disk::topic_id;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Chunks by topic id and partition.
type BaseByPartition = HashMap<(Vec<u8>, i32), Vec<wire::BaseChunk>>;

struct Shared {
    cluster: Cluster,
    uploads: LocalUploads,
    recipients: Vec<String>,
    open_run: AtomicU64,
    sequence: AtomicU64,
    /// Uploads are answered with an error.
    store_is_down: AtomicBool,
    /// The base's chunks by partition.
    base: Mutex<BaseByPartition>,
    grants: AtomicU64,
    keys: Mutex<Vec<KeyId>>,
    sessions: Mutex<Vec<mpsc::Sender<Result<wire::ToAgent, Status>>>>,
    up: mpsc::Sender<Up>,
}

/// The fake, listening.
pub struct Coordinator {
    shared: Arc<Shared>,
    up: tokio::sync::Mutex<mpsc::Receiver<Up>>,
    pub url: String,
    _folder: TempDir,
}

impl Coordinator {
    pub async fn start(encrypted: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::system("test");
        let store = Store::prepare(&Location::files(folder.path().join("repository")))
            .await
            .unwrap();
        let mut identities = Identities::none();
        let mut options = InitOptions::NotEncrypted;
        if encrypted {
            let path = folder.path().join("identity");
            let recipient = Identities::generate_file(&path).unwrap();
            identities = Identities::from_file(&path).unwrap();
            options = InitOptions::Encrypted {
                recipients: vec![recipient.clone()],
                coordinator_recipients: vec![recipient],
            };
        }
        Repository::init(store.clone(), options, environment.clone())
            .await
            .unwrap();
        let repository = Repository::open(store.clone(), identities, environment.clone())
            .await
            .unwrap();
        let cluster = repository.cluster(&ClusterId("cluster".to_owned())).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/upload", http.local_addr().unwrap());
        let (up, receiver) = mpsc::channel(1024);
        let shared = Arc::new(Shared {
            uploads: LocalUploads::new(&store, &base_url, environment).unwrap(),
            recipients: repository
                .config()
                .recipients()
                .iter()
                .map(ToString::to_string)
                .collect(),
            cluster,
            open_run: AtomicU64::new(1),
            sequence: AtomicU64::new(0),
            store_is_down: AtomicBool::new(false),
            base: Mutex::default(),
            grants: AtomicU64::new(0),
            keys: Mutex::default(),
            sessions: Mutex::default(),
            up,
        });
        let router = axum::Router::new()
            .route("/upload/{token}", put(upload))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(http, router).await.unwrap() });
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", grpc.local_addr().unwrap());
        let service = AgentsServer::new(Service(Arc::clone(&shared)));
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(grpc)));
        Self {
            shared,
            up: tokio::sync::Mutex::new(receiver),
            url,
            _folder: folder,
        }
    }

    /// The next message that the test wants; status messages pass by.
    pub async fn next<T>(&self, what: &str, mut wanted: impl FnMut(Up) -> Option<T>) -> T {
        let mut up = self.up.lock().await;
        let wait = async {
            loop {
                let message = up.recv().await.unwrap();
                if let Some(found) = wanted(message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("no {what} came"))
    }

    pub async fn hello(&self) -> wire::Hello {
        self.next("hello", |message| {
            if let Up::Hello(hello) = message {
                Some(hello)
            } else {
                None
            }
        })
        .await
    }

    pub async fn tell(&self, message: Down) {
        let session = self.shared.sessions.lock().unwrap().last().unwrap().clone();
        session
            .send(Ok(wire::ToAgent { message: Some(message) }))
            .await
            .unwrap();
    }

    /// Hangs up.
    pub fn hang_up(&self) {
        self.shared.sessions.lock().unwrap().clear();
    }

    pub fn grants(&self) -> u64 {
        self.shared.grants.load(Ordering::SeqCst)
    }

    pub fn set_store_down(&self, down: bool) {
        self.shared.store_is_down.store(down, Ordering::SeqCst);
    }

    pub fn open_run(&self) -> u64 {
        self.shared.open_run.load(Ordering::SeqCst)
    }

    pub async fn assign(&self, generation: u64, partitions: Vec<wire::SourcePartition>) {
        let run = self.open_run();
        self.tell(Down::Assignment(wire::Assignment {
            run,
            generation,
            partitions,
            last: true,
        }))
        .await;
    }

    pub async fn caught_up(&self, generation: u64) {
        self.next("caught-up", |message| match message {
            Up::CaughtUp(caught_up) if caught_up.generation == generation => Some(()),
            _ => None,
        })
        .await;
    }

    /// Asks for the state of partitions at phase p; pins them if the queries say so.
    pub async fn phase(&self, attempt: u32, queries: Vec<wire::PartitionQuery>) -> Vec<wire::PartitionReport> {
        self.ask(wire::Phase::P, attempt, queries).await
    }

    /// Asks for the state of partitions. Reports that came in pieces are put together.
    pub async fn ask(
        &self,
        phase: wire::Phase,
        attempt: u32,
        queries: Vec<wire::PartitionQuery>,
    ) -> Vec<wire::PartitionReport> {
        let run = self.open_run();
        let query = wire::PhaseQuery {
            run,
            attempt,
            phase: phase.into(),
            depth: 2,
            request: 9,
            partitions: queries,
            last: true,
        };
        self.tell(Down::Phase(query)).await;
        let mut reports: Vec<wire::PartitionReport> = Vec::new();
        self.next("report", |message| {
            let Up::Reports(piece) = message else { return None };
            assert_eq!((piece.run, piece.attempt, piece.request), (run, attempt, 9));
            assert!(prost::Message::encoded_len(&piece) <= 1 << 20, "a message is too large");
            for report in piece.reports {
                match reports.last_mut().filter(|before| before.more) {
                    Some(before) => {
                        assert_eq!(
                            (&before.topic_id, before.partition),
                            (&report.topic_id, report.partition)
                        );
                        before.batches.extend(report.batches);
                        before.states.extend(report.states);
                        before.records.extend(report.records);
                        before.more = report.more;
                    }
                    None => reports.push(report),
                }
            }
            piece.last.then_some(())
        })
        .await;
        reports
    }

    /// Orders one partition up to a cut.
    pub async fn ship(&self, attempt: u32, cuts: Vec<wire::PartitionCut>) {
        let run = self.open_run();
        self.tell(Down::Ship(wire::ShipOrder {
            run,
            attempt,
            cuts,
            last: true,
        }))
        .await;
    }

    /// The answer to one partition's order, whole.
    pub async fn shipped(&self) -> Result<wire::ShippedPartition, wire::ShipFailed> {
        let mut whole: Option<wire::ShippedPartition> = None;
        self.next("shipped partition", |message| match message {
            Up::Shipped(mut piece) => {
                if let Some(before) = whole.take() {
                    piece.chunks.splice(0..0, before.chunks);
                }
                let more = piece.more;
                if more {
                    whole = Some(piece);
                    return None;
                }
                Some(Ok(piece))
            }
            Up::ShipFailed(failed) => Some(Err(failed)),
            _ => None,
        })
        .await
    }

    /// A snapshot of one partition: report, pin, cut at its end, ship.
    pub async fn snapshot(&self, attempt: u32, source: &wire::SourcePartition) -> Snapshot {
        let reports = self.phase(attempt, vec![query(source)]).await;
        let report = reports.into_iter().next().unwrap();
        assert_eq!(report.error(), wire::ReportError::None, "{}", report.error_message);
        let cut = cut_at_end(&report);
        self.ship(attempt, vec![cut.clone()]).await;
        let shipped = self
            .shipped()
            .await
            .unwrap_or_else(|failed| panic!("{}: {}", failed.code, failed.message));
        Snapshot { report, cut, shipped }
    }

    /// Commits the run: what was shipped is the base of the next one.
    pub async fn commit(&self, snapshot: &Snapshot, base: Option<&Held>) -> Held {
        let held = Held::new(snapshot, base);
        let chunks = held.chunks.iter().map(|chunk| wire::BaseChunk {
            id: chunk.id.0.to_vec().into(),
            base_offset: chunk.base_offset.0,
            next_offset: chunk.next_offset.0,
            logical_length: chunk.logical_length,
        });
        let key = (snapshot.shipped.topic_id.to_vec(), snapshot.shipped.partition);
        self.shared.base.lock().unwrap().insert(key, chunks.collect());
        let run = self.open_run();
        self.shared.open_run.store(run + 1, Ordering::SeqCst);
        self.tell(Down::RunEnded(wire::RunEnded {
            run,
            committed: true,
            open_run: run + 1,
        }))
        .await;
        held
    }

    /// The bytes that chunks consist of, read from the repository.
    pub async fn read(&self, chunks: &[ChunkRef]) -> Vec<u8> {
        let reader = ChunkReader::new(&self.shared.cluster);
        let mut bytes = Vec::new();
        for chunk in chunks {
            bytes.extend_from_slice(&reader.read(chunk).await.unwrap());
        }
        bytes
    }
}

/// What a test's snapshot of a partition brought in.
pub struct Snapshot {
    pub report: wire::PartitionReport,
    pub cut: wire::PartitionCut,
    pub shipped: wire::ShippedPartition,
}

/// What the repository holds of a partition.
pub struct Held {
    pub chunks: Vec<ChunkRef>,
    base: wire::BasePartition,
}

impl Held {
    /// As the coordinator would put it together.
    pub fn new(snapshot: &Snapshot, base: Option<&Held>) -> Self {
        let shipped = &snapshot.shipped;
        let before = base.map_or(&[][..], |held| held.chunks.as_slice());
        let mut chunks: Vec<ChunkRef> = before
            .iter()
            .filter(|chunk| chunk.next_offset.0 <= shipped.inherited_to && chunk.next_offset.0 > shipped.log_start)
            .copied()
            .collect();
        for chunk in &shipped.chunks {
            let id = ContentId::from_slice(&chunk.id).unwrap();
            chunks.push(match &chunk.place {
                Some(place) => chunk_ref(chunk, place),
                None => {
                    let known = before
                        .iter()
                        .find(|known| known.id == id)
                        .expect("a chunk without place is not in the base");
                    ChunkRef {
                        closed: chunk.closed,
                        ..*known
                    }
                }
            });
        }
        let open = chunks.iter().rev().take_while(|chunk| !chunk.closed).count();
        let tail = chunks[chunks.len() - open..].iter();
        let base = wire::BasePartition {
            log_start: shipped.log_start,
            end: snapshot.cut.cut,
            leader_epochs: snapshot.cut.leader_epochs.clone(),
            tail: tail
                .map(|chunk| wire::TailChunk {
                    base_offset: chunk.base_offset.0,
                    length: chunk.logical_length,
                })
                .collect(),
            match_by_id: false,
            producer_snapshot: shipped
                .producer_snapshot
                .as_ref()
                .map(|chunk| chunk.id.clone())
                .unwrap_or_default(),
        };
        Self { chunks, base }
    }

    /// The partition, to be continued from here.
    pub fn continued(&self, source: &wire::SourcePartition) -> wire::SourcePartition {
        wire::SourcePartition {
            base: Some(self.base.clone()),
            ..source.clone()
        }
    }
}

fn chunk_ref(chunk: &wire::ShippedChunk, place: &wire::PackPlace) -> ChunkRef {
    let pack = place.pack.unwrap();
    ChunkRef {
        id: ContentId::from_slice(&chunk.id).unwrap(),
        base_offset: Offset(chunk.base_offset),
        next_offset: Offset(chunk.next_offset),
        leader_epoch: LeaderEpoch(chunk.leader_epoch),
        pack: PackName {
            run: pack.run,
            epoch: pack.epoch,
            sequence: pack.sequence,
        },
        position: place.position,
        length: place.length,
        key: KeyId::from_slice(&place.key_id),
        logical_length: chunk.logical_length,
        closed: chunk.closed,
    }
}

/// A partition to be the source of.
pub fn source(topic: &str, compacted: bool) -> wire::SourcePartition {
    wire::SourcePartition {
        topic_id: topic_id(topic).0.0.to_vec().into(),
        topic: topic.to_owned(),
        partition: 0,
        compacted,
        retention_class: wire::RetentionClass::Month.into(),
        base: None,
    }
}

/// What a phase asks of it.
pub fn query(source: &wire::SourcePartition) -> wire::PartitionQuery {
    wire::PartitionQuery {
        topic_id: source.topic_id.clone(),
        topic: source.topic.clone(),
        partition: source.partition,
        compacted: source.compacted,
        since: None,
        pin_from: Some(
            source
                .base
                .as_ref()
                .and_then(|base| base.end)
                .map_or(0, |end| end.end_offset),
        ),
        leader_epochs: true,
        records: false,
    }
}

/// The cut at a replica's end.
pub fn cut_at_end(report: &wire::PartitionReport) -> wire::PartitionCut {
    let last = report.batches.last();
    wire::PartitionCut {
        topic_id: report.topic_id.clone(),
        partition: report.partition,
        cut: Some(last.copied().unwrap_or(wire::BatchEnd {
            end_offset: report.log_end,
            leader_epoch: -1,
            crc: 0,
        })),
        empty: last.is_none(),
        leader_epochs: report.leader_epochs.clone(),
        source: None,
    }
}

async fn upload(State(shared): State<Arc<Shared>>, Path(token): Path<String>, body: Body) -> StatusCode {
    if shared.store_is_down.load(Ordering::SeqCst) {
        return StatusCode::FORBIDDEN;
    }
    match shared.uploads.accept(&token, body.into_data_stream()).await {
        Ok(_) => StatusCode::OK,
        Err(rejection) => StatusCode::from_u16(rejection.status()).unwrap(),
    }
}

struct Service(Arc<Shared>);

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Agents for Service {
    type SessionStream = Replies<wire::ToAgent>;
    type BaseChunksStream = Replies<wire::BaseChunksReply>;

    async fn session(
        &self,
        request: Request<Streaming<wire::FromAgent>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut messages = request.into_inner();
        let Some(wire::FromAgent {
            message: Some(Up::Hello(hello)),
        }) = messages.message().await?
        else {
            return Err(Status::invalid_argument("no hello"));
        };
        if hello.cluster_id != "cluster" {
            return Err(Status::failed_precondition(format!(
                "cluster {} is not the one of this coordinator",
                hello.cluster_id
            )));
        }
        let shared = Arc::clone(&self.0);
        let (down, receiver) = mpsc::channel(64);
        let welcome = wire::Welcome {
            session: 5,
            epoch: 1,
            repository_id: "repository".to_owned(),
            id_key: shared.cluster.repository().id_key().unwrap().as_bytes().to_vec().into(),
            recipients: shared.recipients.clone(),
            zstd_level: 3,
            open_run: shared.open_run.load(Ordering::SeqCst),
        };
        down.send(Ok(wire::ToAgent {
            message: Some(Down::Welcome(welcome)),
        }))
        .await
        .unwrap();
        shared.sessions.lock().unwrap().push(down);
        tokio::spawn(async move {
            let _ = shared.up.send(Up::Hello(hello)).await;
            while let Ok(Some(message)) = messages.message().await {
                if let Some(message) = message.message.filter(|message| !matches!(message, Up::Status(_))) {
                    let _ = shared.up.send(message).await;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn store_key(
        &self,
        request: Request<wire::StoreKeyRequest>,
    ) -> Result<Response<wire::StoreKeyReply>, Status> {
        let request = request.into_inner();
        let key = KeyId::from_slice(&request.key_id).unwrap();
        let wrapped = request.wrapped.to_vec();
        let repository = self.0.cluster.repository();
        let recipients = repository.config().recipients().to_vec();
        let object = KeyObject::new(key, KeyPurpose::Data, recipients, wrapped);
        repository.keys().store_wrapped(object).await.unwrap();
        self.0.keys.lock().unwrap().push(key);
        Ok(Response::new(wire::StoreKeyReply {}))
    }

    async fn grant(&self, request: Request<wire::GrantRequest>) -> Result<Response<wire::GrantReply>, Status> {
        let request = request.into_inner();
        let sequence = self.0.sequence.fetch_add(1, Ordering::SeqCst);
        let name = PackName {
            run: request.run,
            epoch: 1,
            sequence,
        };
        let object = self.0.cluster.names().pack(name);
        let sha256: [u8; 32] = request.sha256.as_ref().try_into().unwrap();
        let grant = self.0.uploads.grant(&object, request.length, &sha256).await.unwrap();
        self.0.grants.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(wire::GrantReply {
            pack: Some(wire::PackName {
                run: request.run,
                epoch: 1,
                sequence,
            }),
            url: grant.url,
            method: grant.method,
            headers: grant.headers.into_iter().collect(),
            expires_in_seconds: grant.expires_in.as_secs(),
        }))
    }

    async fn confirm_pack(
        &self,
        request: Request<wire::ConfirmPackRequest>,
    ) -> Result<Response<wire::ConfirmPackReply>, Status> {
        let request = request.into_inner();
        let pack = request.pack.unwrap();
        let name = PackName {
            run: pack.run,
            epoch: pack.epoch,
            sequence: pack.sequence,
        };
        let object = self.0.cluster.names().pack(name);
        let found = confirm(self.0.cluster.store(), &object, request.length).await.unwrap();
        Ok(Response::new(wire::ConfirmPackReply {
            stored: found == Confirmation::Stored,
        }))
    }

    async fn base_chunks(
        &self,
        request: Request<wire::BaseChunksRequest>,
    ) -> Result<Response<Self::BaseChunksStream>, Status> {
        let request = request.into_inner();
        let chunks = self
            .0
            .base
            .lock()
            .unwrap()
            .get(&(request.topic_id.to_vec(), request.partition))
            .cloned()
            .unwrap_or_default();
        let reply = wire::BaseChunksReply { chunks };
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(reply)]))))
    }
}
