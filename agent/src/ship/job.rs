//! One partition being shipped: what every way of shipping it needs.

use std::collections::HashSet;
use std::sync::Arc;

use maxbrod_proto::agent as wire;
use maxbrod_repository::ContentId;

use super::chunk::{Known, Storer};
use super::error::ShipError;
use super::order::{Order, SourcePartition};
use super::producer_snapshot;
use super::reader::{Draft, Reader, Rules};
use super::service::Shared;
use super::source::Source;
use crate::pack::Label;
use crate::state::{ChunkKind, ChunkRow};

/// Longer than any `partition.metadata`.
const METADATA_LIMIT: u64 = 4096;

/// Of what a partition consists up to its cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shipped {
    pub(crate) log_start: i64,
    pub(crate) inherited_to: i64,
    pub(crate) chunks: Vec<ChunkRow>,
    pub(crate) producer_snapshot: Option<ChunkRow>,
    pub(crate) partition_metadata: String,
    pub(crate) directory_id: [u8; 16],
    /// Read from its segments just now.
    pub(crate) read: u64,
}

/// A partition and what is needed to ship it.
pub(super) struct Job<'a> {
    pub(super) shared: &'a Shared,
    pub(super) run: u64,
    pub(super) partition: &'a SourcePartition,
    pub(super) storer: &'a mut Storer,
    pub(super) buffer: &'a mut Vec<u8>,
    /// Whether the work is still wanted; asked between chunks.
    pub(super) is_wanted: &'a dyn Fn() -> bool,
}

/// Whether to go on after a chunk.
pub(super) enum After {
    GoOn,
    Stop,
}

impl Job<'_> {
    /// Reads chunks from a place on and makes them durable, until `after` says to stop. Returns how much was read.
    pub(super) fn read(
        &mut self,
        source: &Source,
        from: (usize, u64),
        rules: Rules<'_>,
        known: &Known,
        mut judge: impl FnMut(&Draft) -> After,
        mut take: impl FnMut(&Draft, ChunkRow) -> After,
    ) -> Result<u64, ShipError> {
        let label = self.label(ChunkKind::Log);
        let Self {
            shared,
            storer,
            buffer,
            partition,
            is_wanted,
            ..
        } = self;
        let mut reader = Reader::new(source, from, rules, &shared.throttle, buffer);
        loop {
            if !is_wanted() {
                return Err(ShipError::CalledOff {
                    partition: partition.name(),
                });
            }
            let Some((draft, bytes)) = reader.next_chunk()? else {
                break;
            };
            if let After::Stop = judge(&draft) {
                break;
            }
            let row = storer.store(&shared.packer, &shared.state, &label, draft.clone(), bytes, known)?;
            shared.progress.shipped(bytes.len() as u64);
            if let After::Stop = take(&draft, row) {
                break;
            }
        }
        Ok(reader.read)
    }

    fn label(&self, kind: ChunkKind) -> Label {
        Label {
            run: self.run,
            class: self.partition.class,
            partition: self.partition.key,
            kind,
        }
    }

    /// Ships a log of which no record is kept.
    pub(super) fn ship_nothing(&mut self, order: &Order, source: &Source) -> Result<Shipped, ShipError> {
        let at = order.cut.end.next;
        let mut shipped = Shipped {
            log_start: at,
            inherited_to: at,
            ..Shipped::default()
        };
        self.accompany(source, at, &mut shipped)?;
        Ok(shipped)
    }

    /// What goes with the log: the producer state, `partition.metadata`.
    pub(super) fn accompany(&mut self, source: &Source, cut: i64, shipped: &mut Shipped) -> Result<(), ShipError> {
        shipped.directory_id = source.log_dir.id.0.0;
        if let Some(replica) = &source.replica {
            let text = replica
                .directory
                .read("partition.metadata", METADATA_LIMIT)
                .ok()
                .flatten();
            shipped.partition_metadata = text.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        }
        if shipped.partition_metadata.is_empty() {
            // The directory is gone; what was in it follows from the topic id.
            shipped.partition_metadata = maxbrod_kafka::write_partition_metadata(self.partition.key.topic_id);
        }
        let Some((draft, bytes)) = producer_snapshot::newest(source, cut) else {
            return Ok(());
        };
        let rows = self
            .shared
            .state
            .chunks(self.run, &self.partition.key, ChunkKind::Snapshot)?;
        let own = rows.into_iter().map(|row| (row.id, row.place)).collect();
        let in_base = self.partition.base.as_ref().and_then(|base| base.producer_snapshot);
        let known = Known {
            base: Arc::new(in_base.into_iter().collect()),
            own,
        };
        let label = self.label(ChunkKind::Snapshot);
        let row = self
            .storer
            .store(&self.shared.packer, &self.shared.state, &label, draft, &bytes, &known)?;
        shipped.producer_snapshot = Some(row);
        Ok(())
    }

    /// The ids of the chunks that the base holds of the partition.
    pub(super) fn base_ids(&self) -> Result<Arc<HashSet<ContentId>>, ShipError> {
        let failed = |reason: String| ShipError::BaseChunks {
            partition: self.partition.name(),
            reason,
        };
        let Some(link) = self.shared.link() else {
            return Err(failed("there is no session".to_owned()));
        };
        let request = wire::BaseChunksRequest {
            session: link.session,
            run: self.run,
            topic_id: self.partition.key.topic_bytes().to_vec().into(),
            partition: self.partition.key.partition.0,
        };
        let fetch = async {
            let mut client = link.client.clone();
            let mut stream = client.base_chunks(request).await?.into_inner();
            let mut ids = HashSet::new();
            while let Some(reply) = stream.message().await? {
                ids.extend(reply.chunks.iter().filter_map(|chunk| ContentId::from_slice(&chunk.id)));
            }
            Ok::<_, tonic::Status>(ids)
        };
        self.shared
            .runtime
            .block_on(fetch)
            .map(Arc::new)
            .map_err(|status| failed(status.message().to_owned()))
    }
}
