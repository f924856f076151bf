//! The cluster's metadata as a KRaft checkpoint, sealed as data in a pack of the coordinator's own.

use std::collections::BTreeSet;

use bytes::Bytes;
use maxbrod_kafka::metadata::{CheckpointError, CheckpointWriter, MetadataImage as Image, Quorum as Voting};
use maxbrod_kafka::{KRaftVoters, LeaderEpoch, Offset, PartitionId, TopicId};
use maxbrod_proto::manifest;
use maxbrod_repository::{
    ChunkRef, Compression, KeyObject, KeyPurpose, MetadataImage, PackInfo, PackName, PackWriter, Role, Sealer,
    SealingKey,
};

use tracing::warn;

use super::CommitError;
use crate::grants::Grants;
use crate::harvest::Harvest;
use crate::lease::Lease;

/// A piece of the file.
const PIECE: usize = 4 << 20;
const ZSTD_LEVEL: i32 = 3;

/// The metadata, stored.
pub(super) struct StoredImage {
    pub(super) metadata: MetadataImage,
    pub(super) pack: PackInfo,
}

/// Renders the image and stores it.
pub(super) async fn write(harvest: &Harvest, lease: &Lease, grants: &Grants) -> Result<StoredImage, CommitError> {
    let of = &harvest.view.metadata;
    let image = reduce(&of.image, harvest);
    let position = image.position();
    let file = render(&image, harvest).map_err(|error| CommitError::Metadata { why: error.to_string() })?;
    let (pieces, pack) = store(&file, harvest.run, lease, grants).await?;
    let (kraft_version, voters) = match &of.voting {
        Voting::Static => (0, Vec::new()),
        Voting::Dynamic(voters) => (1, voters_of(voters)),
    };
    let metadata = MetadataImage {
        offset: position.end_offset,
        epoch: position.epoch,
        kraft_version,
        voters,
        chunks: pieces,
        length: file.len() as u64,
    };
    Ok(StoredImage { metadata, pack })
}

/// The checkpoint file. An image that Kafka would not start from is written all the same: it is what the cluster had, and a
/// restore says what has to be done about it.
fn render(image: &Image, harvest: &Harvest) -> Result<Bytes, CheckpointError> {
    for flaw in image.flaws() {
        warn!(%flaw, code = flaw.code(), "the cluster's metadata has a flaw");
    }
    let of = &harvest.view.metadata;
    let mut writer = CheckpointWriter::new(image.position(), &of.voting, of.timestamp)?;
    for record in image.to_records() {
        writer.push(&record)?;
    }
    writer.finish()
}

/// The image without topics and partitions that were created after the snapshot began: nothing was captured of them.
pub(super) fn reduce(image: &Image, harvest: &Harvest) -> Image {
    let known: BTreeSet<(TopicId, PartitionId)> = harvest
        .partitions
        .iter()
        .map(|partition| partition.order.key)
        .chain(harvest.missing.iter().copied())
        .map(|key| (key.topic_id, key.partition))
        .collect();
    let mut reduced = image.clone();
    reduced.drop_open_transaction();
    reduced.retain_topics(|topic| {
        topic
            .partitions()
            .any(|partition| known.contains(&(topic.id(), partition.partition_id)))
    });
    let young: Vec<(TopicId, PartitionId)> = reduced
        .topics()
        .flat_map(|topic| {
            topic
                .partitions()
                .map(move |partition| (topic.id(), partition.partition_id))
        })
        .filter(|key| !known.contains(key))
        .collect();
    for (topic, partition) in young {
        reduced.remove_partition(topic, partition);
    }
    reduced
}

/// Seals the file's pieces with a key that is made for them and forgotten: only the operators can read them again.
async fn store(
    file: &Bytes,
    run: u64,
    lease: &Lease,
    grants: &Grants,
) -> Result<(Vec<ChunkRef>, PackInfo), CommitError> {
    let repository = lease.cluster().repository();
    let random = repository.environment().random.as_ref();
    let key = repository.config().is_encrypted().then(|| SealingKey::generate(random));
    if let Some(key) = &key {
        let recipients = repository.config().recipients().to_vec();
        let wrapped = key.wrap(&recipients)?;
        repository
            .keys()
            .store_wrapped(KeyObject::new(key.id(), KeyPurpose::Data, recipients, wrapped))
            .await?;
    }
    let mut sealer = Sealer::new(repository.id_key()?.clone(), key);
    let mut writer = PackWriter::new(Vec::new());
    let mut pieces = Vec::new();
    let mut offset = 0;
    for piece in file.chunks(PIECE) {
        let mut sealed = Vec::new();
        let (id, length) = sealer.seal(Role::Chunk, piece, Compression::Zstd(ZSTD_LEVEL), random, &mut sealed)?;
        let entry = writer.append(id, sealer.key_id(), &sealed)?;
        let next = offset + piece.len() as i64;
        pieces.push(ChunkRef {
            id,
            base_offset: Offset(offset),
            next_offset: Offset(next),
            leader_epoch: LeaderEpoch(-1),
            // Known once the pack is stored.
            pack: PackName {
                run,
                epoch: lease.epoch(),
                sequence: 0,
            },
            position: entry.position,
            length,
            key: sealer.key_id(),
            logical_length: piece.len() as u64,
            closed: true,
        });
        offset = next;
    }
    let (_, bytes) = writer.finish()?;
    let pack = grants.store(run, bytes.into()).await?;
    for piece in &mut pieces {
        piece.pack = pack.name;
    }
    Ok((pieces, pack))
}

fn voters_of(voters: &KRaftVoters) -> Vec<manifest::Voter> {
    let endpoint = |endpoint: &maxbrod_kafka::VoterEndpoint| manifest::Endpoint {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: u32::from(endpoint.port),
    };
    let voter = |voter: &maxbrod_kafka::Voter| manifest::Voter {
        node_id: voter.voter_id.0,
        directory_id: Bytes::copy_from_slice(&voter.voter_directory_id.0.0),
        endpoints: voter.endpoints.iter().map(endpoint).collect(),
    };
    voters.voters.iter().map(voter).collect()
}
