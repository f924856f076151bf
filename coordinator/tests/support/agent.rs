//! One fake agent: answers what a real one would, from disks in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use maxbrod_kafka::TopicId;
use maxbrod_proto::PROTOCOL_VERSION;
use maxbrod_proto::agent::agents_client::AgentsClient;
use maxbrod_proto::agent::from_agent::Message as Up;
use maxbrod_proto::agent::to_agent::Message as Down;
use maxbrod_proto::agent::{
    BaseChunksRequest, BatchEnd, CaughtUp, ConfirmPackRequest, FromAgent, GrantRequest, Hello, LeaderEpochEntry,
    LogDir, MetadataQuery, MetadataReply, PackPlace, PartitionCut, PartitionReport, PhaseQuery, PhaseReports,
    ReportError, Role, RunEnded, ShipFailed, ShippedChunk, ShippedPartition, SourcePartition, StoreKeyRequest, Welcome,
};
use maxbrod_repository::{
    Compression, Grant, IdKey, PackWriter, Recipient, Role as BlobRole, Sealer, SealingKey, SystemRandom,
    UploadOutcome, Uploader,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::{CLUSTER, Shared, base_of, end_of};

/// What a test can look at, and what it can make an agent do wrong.
#[derive(Debug, Default)]
pub struct Notes {
    pub shipped_partitions: usize,
    pub shipped_chunks: usize,
    pub runs_ended: Vec<RunEnded>,
    pub goodbye: bool,
    /// Fails to ship these, as a damaged replica does.
    pub damaged: Vec<(TopicId, i32)>,
    /// Says that it shipped what it never uploaded.
    pub forgets_to_upload: bool,
    pub sessions: Vec<u64>,
}

pub struct FakeAgent {
    pub notes: Arc<Mutex<Notes>>,
    task: JoinHandle<()>,
}

impl FakeAgent {
    /// Connects. The error is the coordinator's refusal.
    pub async fn connect(address: std::net::SocketAddr, hello: Hello, disks: Shared) -> Result<Self, Status> {
        let mut client = AgentsClient::connect(format!("http://{address}")).await.unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let node = hello.node_id;
        sender
            .send(FromAgent {
                message: Some(Up::Hello(hello)),
            })
            .unwrap();
        let down = client
            .session(UnboundedReceiverStream::new(receiver))
            .await?
            .into_inner();
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let state = State {
            node,
            client,
            sender,
            disks,
            notes: Arc::clone(&notes),
            welcome: Welcome::default(),
            sources: BTreeMap::new(),
            pieces: Vec::new(),
            cuts: Vec::new(),
        };
        Ok(Self {
            notes,
            task: tokio::spawn(state.run(down)),
        })
    }

    pub fn hello(node: i32, incarnation: u8) -> Hello {
        Hello {
            protocol_version: PROTOCOL_VERSION,
            software_version: "0.1.0".to_owned(),
            cluster_id: CLUSTER.to_owned(),
            node_id: node,
            roles: vec![Role::Broker.into(), Role::Controller.into()],
            incarnation: Bytes::from(vec![incarnation; 16]),
            log_dirs: vec![LogDir {
                path: "/kafka".to_owned(),
                directory_id: Bytes::from(vec![node as u8; 16]),
                total_bytes: 100,
                free_bytes: 50,
                pin_method: 1,
            }],
            metadata_log_dir: "/kafka".to_owned(),
            controller_quorum_voters: "1@a:9093,2@b:9093,3@c:9093".to_owned(),
            settings: [("log.segment.bytes".to_owned(), "1048576".to_owned())].into(),
        }
    }

    /// Dies without a word.
    pub fn kill(&self) {
        self.task.abort();
    }
}

struct State {
    node: i32,
    client: AgentsClient<Channel>,
    sender: mpsc::UnboundedSender<FromAgent>,
    disks: Shared,
    notes: Arc<Mutex<Notes>>,
    welcome: Welcome,
    sources: BTreeMap<(Bytes, i32), SourcePartition>,
    pieces: Vec<SourcePartition>,
    cuts: Vec<PartitionCut>,
}

impl State {
    async fn run(mut self, mut down: Streaming<maxbrod_proto::agent::ToAgent>) {
        while let Ok(Some(message)) = down.message().await {
            match message.message {
                Some(Down::Welcome(welcome)) => {
                    self.notes.lock().unwrap().sessions.push(welcome.session);
                    self.welcome = welcome;
                }
                Some(Down::Metadata(query)) => self.metadata(&query),
                Some(Down::Assignment(assignment)) => {
                    self.pieces.extend(assignment.partitions);
                    if assignment.last {
                        let pieces = std::mem::take(&mut self.pieces);
                        self.sources = pieces
                            .into_iter()
                            .map(|of| ((of.topic_id.clone(), of.partition), of))
                            .collect();
                        self.say(Up::CaughtUp(CaughtUp {
                            run: assignment.run,
                            generation: assignment.generation,
                        }));
                    }
                }
                Some(Down::Phase(query)) => self.phase(query),
                Some(Down::Ship(order)) => {
                    self.cuts.extend(order.cuts);
                    if order.last {
                        for cut in std::mem::take(&mut self.cuts) {
                            self.ship(order.run, order.attempt, cut).await;
                        }
                    }
                }
                Some(Down::RunEnded(ended)) => self.notes.lock().unwrap().runs_ended.push(ended),
                Some(Down::Goodbye(_)) => self.notes.lock().unwrap().goodbye = true,
                Some(Down::Release(_)) | None => {}
            }
        }
    }

    fn say(&self, message: Up) {
        let _ = self.sender.send(FromAgent { message: Some(message) });
    }

    fn metadata(&self, query: &MetadataQuery) {
        let batches = self.disks.lock().unwrap().metadata.clone();
        let known = query.since.as_ref().and_then(|since| {
            batches
                .iter()
                .position(|batch| end_of(batch) == (since.end_offset, since.leader_epoch, since.crc))
        });
        let first = known.map_or(0, |index| index + 1);
        self.say(Up::Metadata(MetadataReply {
            request: query.request,
            reset: known.is_none(),
            batches: batches[first..].concat().into(),
            last: true,
            log_end: batches.last().map_or(0, |batch| end_of(batch).0),
            ..MetadataReply::default()
        }));
    }

    fn log(&self, topic: &[u8], partition: i32) -> Option<Vec<Bytes>> {
        let topic = TopicId(maxbrod_kafka::Uuid(topic.try_into().unwrap()));
        self.disks
            .lock()
            .unwrap()
            .logs
            .get(&(self.node, topic, partition))
            .cloned()
    }

    fn phase(&self, query: PhaseQuery) {
        let reports = query.partitions.iter().map(|asked| {
            let Some(log) = self.log(&asked.topic_id, asked.partition) else {
                return PartitionReport {
                    topic_id: asked.topic_id.clone(),
                    partition: asked.partition,
                    error: ReportError::NoReplica.into(),
                    ..PartitionReport::default()
                };
            };
            let ends: Vec<BatchEnd> = log.iter().map(|batch| proto_end(batch)).collect();
            let above = asked
                .since
                .map_or(0, |since| ends.iter().filter(|end| end.end_offset > since).count());
            let first = ends.len().saturating_sub(above + query.depth as usize);
            PartitionReport {
                topic_id: asked.topic_id.clone(),
                partition: asked.partition,
                log_start: log.first().map_or(0, |batch| base_of(batch)),
                log_end: ends.last().map_or(0, |end| end.end_offset),
                batches: ends[first..].to_vec(),
                leader_epochs: if asked.leader_epochs { epochs(&log) } else { Vec::new() },
                directory_id: Bytes::from(vec![self.node as u8; 16]),
                whole: first == 0,
                ..PartitionReport::default()
            }
        });
        self.say(Up::Reports(PhaseReports {
            run: query.run,
            attempt: query.attempt,
            phase: query.phase,
            request: query.request,
            reports: reports.collect(),
            last: query.last,
        }));
    }

    async fn ship(&mut self, run: u64, attempt: u32, cut: PartitionCut) {
        let key = (cut.topic_id.clone(), cut.partition);
        let topic = TopicId(maxbrod_kafka::Uuid(cut.topic_id.as_ref().try_into().unwrap()));
        if self.notes.lock().unwrap().damaged.contains(&(topic, cut.partition)) {
            self.say(Up::ShipFailed(ShipFailed {
                run,
                attempt,
                topic_id: cut.topic_id,
                partition: cut.partition,
                code: "segment-damaged".to_owned(),
                message: "read segment 0: CRC mismatch".to_owned(),
                try_elsewhere: true,
            }));
            return;
        }
        let source = cut
            .source
            .clone()
            .or_else(|| self.sources.get(&key).cloned())
            .expect("the source is known");
        let log = self.log(&cut.topic_id, cut.partition).unwrap();
        let log_start = log.first().map_or(0, |batch| base_of(batch));
        let end = cut.cut.as_ref().unwrap().end_offset;
        let base = source
            .base
            .as_ref()
            .and_then(|base| base.end.as_ref().filter(|_| !base.match_by_id));
        let inherited_to = base.map_or(log_start, |base| base.end_offset.max(log_start));
        let mut chunks = Vec::new();
        // Every two batches are a chunk; by-id partitions are matched with what the base holds.
        let held = self.held_by_base(run, &source, &cut).await;
        let fresh: Vec<&Bytes> = log
            .iter()
            .filter(|batch| base_of(batch) >= inherited_to && end_of(batch).0 <= end)
            .collect();
        for pair in fresh.chunks(2) {
            let body = pair.iter().map(|batch| batch.as_ref()).collect::<Vec<_>>().concat();
            chunks.push(
                self.chunk(
                    run,
                    &held,
                    body,
                    base_of(pair[0]),
                    end_of(pair[pair.len() - 1]),
                    pair.len() == 2,
                )
                .await,
            );
        }
        {
            let mut notes = self.notes.lock().unwrap();
            notes.shipped_partitions += 1;
            notes.shipped_chunks += chunks.iter().filter(|chunk| chunk.place.is_some()).count();
        }
        let stored = chunks
            .iter()
            .filter_map(|chunk| chunk.place.as_ref())
            .map(|place| place.length)
            .sum();
        let read = chunks.iter().map(|chunk| chunk.logical_length).sum();
        let mut message = ShippedPartition {
            run,
            attempt,
            topic_id: cut.topic_id,
            partition: cut.partition,
            log_start,
            inherited_to,
            partition_metadata: "version: 0".to_owned(),
            directory_id: Bytes::from(vec![self.node as u8; 16]),
            read_bytes: read,
            stored_bytes: stored,
            ..ShippedPartition::default()
        };
        // Long lists come in pieces.
        if let Some(last) = chunks.pop() {
            for chunk in chunks {
                self.say(Up::Shipped(ShippedPartition {
                    chunks: vec![chunk],
                    more: true,
                    ..message.clone()
                }));
            }
            message.chunks = vec![last];
        }
        self.say(Up::Shipped(message));
    }

    async fn held_by_base(&mut self, run: u64, source: &SourcePartition, cut: &PartitionCut) -> Vec<Bytes> {
        if source.base.as_ref().is_none_or(|base| !base.match_by_id) {
            return Vec::new();
        }
        let session = self.welcome.session;
        let request = BaseChunksRequest {
            session,
            run,
            topic_id: cut.topic_id.clone(),
            partition: cut.partition,
        };
        let mut replies = self.client.base_chunks(request).await.unwrap().into_inner();
        let mut ids = Vec::new();
        while let Some(reply) = replies.message().await.unwrap() {
            ids.extend(reply.chunks.into_iter().map(|chunk| chunk.id));
        }
        ids
    }

    async fn chunk(
        &mut self,
        run: u64,
        held: &[Bytes],
        body: Vec<u8>,
        base: i64,
        end: (i64, i32, u32),
        closed: bool,
    ) -> ShippedChunk {
        let recipients: Vec<Recipient> = self
            .welcome
            .recipients
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let key = (!recipients.is_empty()).then(|| SealingKey::generate(&SystemRandom));
        let session = self.welcome.session;
        if let Some(key) = &key {
            let key_id = Bytes::copy_from_slice(&key.id().0);
            let wrapped = key.wrap(&recipients).unwrap().into();
            self.client
                .store_key(StoreKeyRequest {
                    session,
                    key_id,
                    wrapped,
                })
                .await
                .unwrap();
        }
        let mut sealer = Sealer::new(IdKey::from_slice(&self.welcome.id_key).unwrap(), key);
        let mut sealed = Vec::new();
        let (id, _) = sealer
            .seal(BlobRole::Chunk, &body, Compression::Zstd(3), &SystemRandom, &mut sealed)
            .unwrap();
        let mut chunk = ShippedChunk {
            id: Bytes::copy_from_slice(&id.0),
            base_offset: base,
            next_offset: end.0,
            leader_epoch: end.1,
            logical_length: body.len() as u64,
            place: None,
            closed,
        };
        if held.contains(&chunk.id) {
            return chunk;
        }
        let mut writer = PackWriter::new(Vec::new());
        let entry = writer.append(id, sealer.key_id(), &sealed).unwrap();
        let (pack, bytes) = writer.finish().unwrap();
        let sha256 = Bytes::copy_from_slice(&pack.sha256);
        let request = GrantRequest {
            session,
            run,
            length: pack.length,
            sha256: sha256.clone(),
        };
        let Ok(reply) = self.client.grant(request).await else {
            // Fenced off: nothing is stored, nothing is said.
            return chunk;
        };
        let reply = reply.into_inner();
        let grant = Grant {
            url: reply.url,
            method: reply.method,
            headers: reply.headers.into_iter().collect(),
            expires_in: std::time::Duration::from_secs(reply.expires_in_seconds),
        };
        let forgets = self.notes.lock().unwrap().forgets_to_upload;
        if !forgets {
            let spool = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(spool.path(), &bytes).unwrap();
            assert_eq!(
                Uploader::new().unwrap().upload(&grant, spool.path()).await.unwrap(),
                UploadOutcome::Stored
            );
            let confirm = ConfirmPackRequest {
                session,
                pack: reply.pack,
                length: pack.length,
                sha256,
            };
            assert!(self.client.confirm_pack(confirm).await.unwrap().into_inner().stored);
        }
        chunk.place = Some(PackPlace {
            pack: reply.pack,
            position: entry.position,
            length: entry.length,
            key_id: entry.key.map(|key| Bytes::copy_from_slice(&key.0)).unwrap_or_default(),
        });
        chunk
    }
}

fn proto_end(batch: &[u8]) -> BatchEnd {
    let (end_offset, leader_epoch, crc) = end_of(batch);
    BatchEnd {
        end_offset,
        leader_epoch,
        crc,
    }
}

fn epochs(log: &[Bytes]) -> Vec<LeaderEpochEntry> {
    let mut found: Vec<LeaderEpochEntry> = Vec::new();
    for batch in log {
        let epoch = end_of(batch).1;
        if found.last().is_none_or(|last| last.epoch < epoch) {
            found.push(LeaderEpochEntry {
                epoch,
                start_offset: base_of(batch),
            });
        }
    }
    found
}
