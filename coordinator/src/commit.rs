//! From what was shipped to a snapshot: the manifest tree, the metadata, the journal entry (DESIGN §3.7).
//!
//! The order is what makes it safe: every pack is found in the store, then nodes and root are written, then the journal's entry
//! `committed`. Whatever fails before that entry leaves the run open and nothing behind that a reader would look at.

mod image;
mod refs;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use maxbrod_cut::{Cut, CutBack, Level, PartitionKey};
use maxbrod_kafka::{LeaderEpoch, TopicId};
use maxbrod_proto::manifest;
use maxbrod_repository::{
    BatchEnd, Committed, Consistency, End, FORMAT_VERSION, Inherited, KeyPurpose, MetadataImage, PackInfo, PackName,
    PartitionKind, PartitionRecord, ProducerSnapshot, RootRecord, SealingKey, SnapshotId, TreeWriter, WrittenTree,
};
use thiserror::Error;

use crate::base::Base;
use crate::grants::Grants;
use crate::harvest::{Harvest, HarvestedPartition, HookResult};
use crate::lease::Lease;
use crate::sequencer::{CommitResult, Failure, Moment};

use refs::{Refs, RefsError};

/// So many packs are looked for at a time.
const LOOKERS: usize = 32;
/// So many partitions that were cut back are named: the root stays readable whatever happens.
const MOST_LINES: usize = 10_000;

/// Why a harvest does not become a snapshot.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    /// A partition's chunks do not add up to its log.
    #[error("commit partition {partition}: {source}")]
    Partition {
        /// As operators call it.
        partition: String,
        /// What is wrong.
        source: RefsError,
    },
    /// The metadata cannot be written as a checkpoint.
    #[error("commit the cluster's metadata: {why}")]
    Metadata {
        /// What is wrong.
        why: String,
    },
    /// A pack that was shipped into is not in the store as granted.
    #[error("commit: {source}")]
    Pack {
        /// What is wrong.
        source: maxbrod_repository::Error,
    },
    /// The snapshot that the run was built on was deleted.
    #[error("commit run {run}: the snapshot that it builds on was deleted meanwhile")]
    BaseDeleted {
        /// The run.
        run: u64,
    },
    /// The repository fails.
    #[error(transparent)]
    Repository(#[from] maxbrod_repository::Error),
}

impl CommitError {
    /// A stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Partition { .. } => "partition-incomplete",
            Self::Metadata { .. } => "metadata-unwritable",
            Self::Pack { .. } => "pack-missing",
            Self::BaseDeleted { .. } => "base-deleted",
            Self::Repository(error) => error.code(),
        }
    }

    /// Whether a newer coordinator has taken over.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self, Self::Repository(maxbrod_repository::Error::Fenced { .. }))
    }
}

impl From<&CommitError> for Failure {
    fn from(error: &CommitError) -> Self {
        let remedy = match error {
            CommitError::Partition { .. } | CommitError::Pack { .. } => {
                "snapshot again; if it happens again, restart that partition's agent with an empty state_dir"
            }
            CommitError::Metadata { .. } => "snapshot again; if it happens again, report it with the coordinator's log",
            CommitError::BaseDeleted { .. } => "snapshot again: a new run was opened",
            CommitError::Repository(_) => "check the repository with `maxbrod repository check`, then snapshot again",
        };
        Self::new(error.code(), error.to_string(), remedy)
    }
}

/// The clock on the wall that belongs to the moments of the sequencer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    start: Timestamp,
}

impl WallClock {
    /// Moments are counted from here.
    pub(crate) fn starting_at(start: Timestamp) -> Self {
        Self { start }
    }

    /// The time at a moment.
    pub(crate) fn at(&self, moment: Moment) -> Timestamp {
        let since = SignedDuration::try_from(moment.0).unwrap_or_default();
        self.start.saturating_add(since).unwrap_or(self.start)
    }
}

/// What commits.
#[derive(Debug)]
pub(crate) struct Committer {
    lease: Arc<Lease>,
    grants: Arc<Grants>,
    clock: WallClock,
    /// One manifest key per run and epoch, and the run that it was made for.
    key: Mutex<Option<(u64, SealingKey)>>,
}

impl Committer {
    /// With the term that it writes in.
    pub(crate) fn new(lease: Arc<Lease>, grants: Arc<Grants>, clock: WallClock) -> Self {
        Self {
            lease,
            grants,
            clock,
            key: Mutex::default(),
        }
    }

    /// Commits a harvest of the open run, which was built on `base`. `nodes` are the nodes as their agents described them.
    pub(crate) async fn commit(
        &self,
        harvest: Harvest,
        base: &Base,
        nodes: Vec<manifest::Node>,
    ) -> Result<CommitResult, CommitError> {
        self.lease.check(harvest.run).await?;
        if self.lease.has_lost_base().await? {
            return Err(CommitError::BaseDeleted { run: harvest.run });
        }
        let refs = self.resolve(&harvest, base).await?;
        let image = image::write(&harvest, &self.lease, &self.grants).await?;
        let mut packs = self.find_packs(&refs).await?;
        packs.push(image.pack);
        let tree = self
            .write_tree(&harvest, base, &refs, image.metadata, nodes, &packs)
            .await?;
        self.enter(harvest, tree).await
    }

    /// Finds the chunks of every partition, and that none is missing.
    async fn resolve(&self, harvest: &Harvest, base: &Base) -> Result<BTreeMap<PartitionKey, Refs>, CommitError> {
        let mut resolved = BTreeMap::new();
        for partition in &harvest.partitions {
            let named = |source| CommitError::Partition {
                partition: name(partition),
                source,
            };
            let in_base = base.partition(&partition.order.key).await?;
            let refs = Refs::resolve(harvest.run, partition, in_base, base)
                .await?
                .map_err(named)?;
            resolved.insert(partition.order.key, refs);
        }
        Ok(resolved)
    }

    /// Looks for every pack that the run added.
    async fn find_packs(&self, refs: &BTreeMap<PartitionKey, Refs>) -> Result<Vec<PackInfo>, CommitError> {
        let names: BTreeSet<PackName> = refs.values().flat_map(Refs::packs_added).collect();
        let looking = stream::iter(names.into_iter().map(|name| self.grants.require(name)));
        looking
            .buffered(LOOKERS)
            .try_collect()
            .await
            .map_err(|source| CommitError::Pack { source })
    }

    async fn write_tree(
        &self,
        harvest: &Harvest,
        base: &Base,
        refs: &BTreeMap<PartitionKey, Refs>,
        metadata: MetadataImage,
        nodes: Vec<manifest::Node>,
        packs: &[PackInfo],
    ) -> Result<WrittenTree, CommitError> {
        let key = self.manifest_key(harvest.run).await?;
        let cluster = self.lease.cluster();
        let mut writer = TreeWriter::new(cluster, harvest.run, self.lease.epoch(), key, base.tree()).await?;
        let mut topic: Option<TopicId> = None;
        for partition in &harvest.partitions {
            let Some(refs) = refs.get(&partition.order.key) else {
                continue;
            };
            if topic != Some(partition.order.key.topic_id) {
                topic = Some(partition.order.key.topic_id);
                writer
                    .topic(partition.order.key.topic_id, &partition.order.topic)
                    .await?;
            }
            let inherited = refs.inherited.as_ref().map(|inherited| Inherited {
                partition: inherited,
                from: partition.shipped.log_start,
                to: partition.shipped.inherited_to,
            });
            writer
                .partition(&record(partition, refs), inherited, refs.chunks.iter().copied())
                .await?;
        }
        let image = &harvest.view.metadata;
        let in_image = image.image.highest_leader_epoch().unwrap_or(LeaderEpoch(-1));
        let root = RootRecord {
            snapshot: self.snapshot_id(harvest),
            label: harvest.label.clone(),
            consistency: consistency(harvest.level),
            times: self.times(harvest),
            nodes,
            gaps: harvest.gaps.iter().map(gap).collect(),
            notes: harvest.notes.iter().map(|note| note.text.clone()).collect(),
            cut_back: harvest.cut_back.iter().take(MOST_LINES).map(cut_back).collect(),
            hooks: harvest.hooks.iter().map(hook_result).collect(),
            metadata: Some(metadata),
            read_bytes: read_bytes(harvest),
            highest_leader_epoch: in_image.max(image.at.epoch),
        };
        Ok(writer.finish(root, packs).await?)
    }

    /// Writes the commit itself.
    async fn enter(&self, harvest: Harvest, tree: WrittenTree) -> Result<CommitResult, CommitError> {
        let id = self.snapshot_id(&harvest);
        let committed = Committed {
            run: harvest.run,
            snapshot: id.clone(),
            label: harvest.label.clone(),
            root: tree.root,
            consistency: consistency(harvest.level),
            started: self.clock.at(harvest.times.started),
            cut: self.clock.at(harvest.times.phase_m),
            committed: self.lease.cluster().repository().environment().clock.now(),
            freeze_ms: u64::try_from(harvest.times.freeze().as_millis()).unwrap_or(u64::MAX),
            totals: tree.totals,
            highest_leader_epoch: tree.highest_leader_epoch,
            format: FORMAT_VERSION,
        };
        self.lease.commit(committed).await?;
        Ok(CommitResult {
            id: id.to_string(),
            consistency: harvest.level,
            new_bytes: tree.totals.new_bytes,
            read_bytes: tree.totals.read_bytes,
            logical_bytes: tree.totals.logical_bytes,
            partitions: tree.totals.partitions,
        })
    }

    /// The key that seals this run's nodes in this epoch, stored before the first of them.
    async fn manifest_key(&self, run: u64) -> Result<Option<SealingKey>, CommitError> {
        let repository = self.lease.cluster().repository();
        if !repository.config().is_encrypted() {
            return Ok(None);
        }
        let kept = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, key)) = kept.filter(|(of, _)| *of == run) {
            return Ok(Some(key));
        }
        let key = SealingKey::generate(repository.environment().random.as_ref());
        repository
            .keys()
            .store(&key, KeyPurpose::Manifest, &repository.config().manifest_recipients())
            .await?;
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some((run, key.clone()));
        Ok(Some(key))
    }

    fn snapshot_id(&self, harvest: &Harvest) -> SnapshotId {
        SnapshotId::new(self.clock.at(harvest.times.phase_m), harvest.run)
    }

    fn times(&self, harvest: &Harvest) -> manifest::Times {
        let at = |moment| self.clock.at(moment).as_millisecond();
        let times = &harvest.times;
        manifest::Times {
            started: at(times.started),
            phase_m: at(times.phase_m),
            phase_q: at(times.phase_q),
            phase_g: at(times.phase_g),
            phase_p: at(times.phase_p),
            metadata: at(times.metadata),
            shipped: at(times.shipped),
            written: self
                .lease
                .cluster()
                .repository()
                .environment()
                .clock
                .now()
                .as_millisecond(),
        }
    }
}

fn name(partition: &HarvestedPartition) -> String {
    format!("{}-{}", partition.order.topic, partition.order.key.partition)
}

fn record(partition: &HarvestedPartition, refs: &Refs) -> PartitionRecord {
    PartitionRecord {
        topic_id: partition.order.key.topic_id,
        partition: partition.order.key.partition,
        kind: match maxbrod_cut::PartitionKind::of_topic(&partition.order.topic) {
            maxbrod_cut::PartitionKind::TransactionState => PartitionKind::TransactionState,
            maxbrod_cut::PartitionKind::ConsumerOffsets => PartitionKind::ConsumerOffsets,
            maxbrod_cut::PartitionKind::ShareGroupState => PartitionKind::ShareGroupState,
            maxbrod_cut::PartitionKind::Data => PartitionKind::Data,
        },
        source: partition.source,
        source_directory: partition.shipped.directory,
        log_start: partition.shipped.log_start,
        end: match partition.cut {
            Cut::Empty(offset) => End::Empty(offset),
            // Every record was deleted between capture and shipping.
            Cut::After(batch) if batch.end_offset <= partition.shipped.log_start => End::Empty(batch.end_offset),
            Cut::After(batch) => End::After(BatchEnd {
                end_offset: batch.end_offset,
                leader_epoch: batch.leader_epoch,
                crc: batch.crc,
            }),
        },
        leader_epochs: partition.leader_epochs.clone(),
        compacted: partition.has_gaps(),
        producer_snapshot: refs.producer_snapshot.map(|chunk| ProducerSnapshot {
            offset: chunk.base_offset,
            chunk,
        }),
        partition_metadata: partition.shipped.partition_metadata.clone(),
        vouched: partition.vouched,
    }
}

fn consistency(level: Level) -> Consistency {
    match level {
        Level::CrashConsistent => Consistency::CrashConsistent,
        Level::BestEffort => Consistency::BestEffort,
        Level::Transactional => Consistency::Transactional,
    }
}

fn gap(gap: &crate::sequencer::Gap) -> manifest::Gap {
    manifest::Gap {
        what: gap.what.clone(),
        why: gap.why.clone(),
        remedy: gap.remedy.clone(),
    }
}

fn read_bytes(harvest: &Harvest) -> u64 {
    harvest
        .partitions
        .iter()
        .map(|partition| partition.shipped.read_bytes)
        .sum()
}

fn cut_back((topic, cut_back): &(String, CutBack)) -> manifest::CutBack {
    manifest::CutBack {
        topic_id: Bytes::copy_from_slice(&cut_back.partition.topic_id.0.0),
        topic: topic.clone(),
        partition: cut_back.partition.partition.0,
        rule: cut_back.rule.name().to_owned(),
        from: cut_back.from.0,
        to: cut_back.to.0,
        cause: cut_back.cause.clone(),
    }
}

fn hook_result(result: &HookResult) -> manifest::HookResult {
    manifest::HookResult {
        name: result.name.clone(),
        moment: result.moment.name().to_owned(),
        exit_code: result.exit_code.unwrap_or(-1),
        duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
        output: result.output.clone(),
        error: result.error.clone().unwrap_or_default(),
    }
}
