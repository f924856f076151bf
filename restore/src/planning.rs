//! From a snapshot to a plan. Pure but for [`plan`] itself, which reads the snapshot.

mod controllers;
mod nodes;

use std::collections::BTreeMap;

use maxbrod_kafka::metadata::{MetadataImage, Quorum, encode_checkpoint};
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId};
use maxbrod_repository::{Committed, Hash, Journal, RepositoryId, Tree};

use crate::error::{Error, Result};
use crate::image::{Rewrite, directory, rewrite};
use crate::options::PlanOptions;
use crate::plan::{CheckpointPlan, HeldConfig, Plan, RestoreKind, VERSION};
use crate::source::{Fate, PartitionKey, Size, Source};

#[cfg(test)]
mod tests;

/// How far leader epochs are raised above the highest that was ever used: further than a cluster elects between its last snapshot
/// and its end.
const EPOCH_MARGIN: i32 = 1_000;

/// Producer ids for each leader epoch.
///
/// The image is newer than every record in the snapshot, and a block of ids is in the image before the first of them is handed
/// out: the image's next id is above all ids in the data. But the lost cluster went on handing out ids, to producers that may
/// still be alive; a restored cluster that hands out one of them again takes one producer's batches for the other's duplicates.
/// How many is not known, so each restore gets a range of its own: the leader epoch that it starts at, times this.
const PRODUCER_IDS_PER_EPOCH: i64 = 1_000_000_000;

/// How many names an error tells.
const NAMED: usize = 5;

/// Plans the restore of a snapshot by its id, or `latest`.
pub async fn plan(journal: &Journal, snapshot: &str, options: &PlanOptions) -> Result<Plan> {
    let committed = &journal.snapshot(snapshot)?.committed;
    let tree = Tree::open(journal.cluster(), &committed.root).await?;
    let source = Source::read(&tree).await?;
    let sizes = source.sizes(&tree).await?;
    let known = Known {
        repository: journal.cluster().repository().id(),
        cluster: journal.cluster().id().0.clone(),
        committed,
        highest_leader_epoch: LeaderEpoch(journal.state().highest_leader_epoch),
        sizes,
    };
    decide(&known, &source, options)
}

/// What a plan is made from, besides the snapshot's metadata.
pub(crate) struct Known<'a> {
    pub(crate) repository: RepositoryId,
    pub(crate) cluster: String,
    pub(crate) committed: &'a Committed,
    /// Of any snapshot and any restore in the journal.
    pub(crate) highest_leader_epoch: LeaderEpoch,
    pub(crate) sizes: BTreeMap<PartitionKey, Size>,
}

/// Decides everything, given what the snapshot says.
pub(crate) fn decide(known: &Known<'_>, source: &Source, options: &PlanOptions) -> Result<Plan> {
    let image = &source.checkpoint.image;
    let nodes = nodes::nodes(source, options)?;
    let voters = controllers::voters(source);
    controllers::check(&voters, &nodes)?;
    let contents = Contents::of(source)?;
    if !contents.gaps.is_empty() && !options.accept_gaps {
        return Err(Error::Gaps {
            snapshot: source.snapshot.clone(),
            count: contents.gaps.len(),
            partitions: first(&contents.gaps),
        });
    }
    let epoch = raised_epoch(known, image)?;
    let mut plan = Plan {
        version: VERSION,
        kind: RestoreKind::SameCluster,
        repository_id: known.repository.to_string(),
        cluster_id: known.cluster.clone(),
        snapshot: known.committed.snapshot.clone(),
        cut: known.committed.cut,
        consistency: known.committed.consistency,
        root: known.committed.root,
        leader_epoch: epoch,
        next_producer_id: raised_producer_id(epoch, image)?,
        hold_retention: options.hold_retention,
        checkpoint: CheckpointPlan {
            name: String::new(),
            end_offset: image.position().end_offset.0,
            // Two plans from one snapshot must not give two files of one name: voters that hold different ones would never
            // notice. And what the restored quorum writes must not look like what the lost one wrote at the same offset.
            epoch,
            kraft_version: match source.checkpoint.quorum {
                Quorum::Static => 0,
                Quorum::Dynamic(_) => 1,
            },
            voters: voters.iter().map(|node| node.0).collect(),
            blake3: Hash::of(&[]),
        },
        nodes,
        held: Vec::new(),
        empty: contents.gaps.clone(),
        left_out: contents.later.iter().map(|(_, name)| name.clone()).collect(),
        warnings: Vec::new(),
    };
    plan.checkpoint.name = plan.checkpoint.end().checkpoint_name();
    nodes::place(known, source, &contents, &mut plan)?;
    let (bytes, held) = rewritten_checkpoint(source, &plan)?;
    plan.checkpoint.blake3 = Hash::of(&bytes);
    plan.held = held;
    plan.warnings = warnings(source, &plan);
    Ok(plan)
}

/// The bytes of the checkpoint that every controller gets, and the configs that hold retention back.
pub(crate) fn rewritten_checkpoint(source: &Source, plan: &Plan) -> Result<(bytes::Bytes, Vec<HeldConfig>)> {
    let mut image = source.checkpoint.image.clone();
    let left_out: Vec<PartitionKey> = Contents::of(source)?.later.into_iter().map(|(key, _)| key).collect();
    let choices = Rewrite {
        left_out: &left_out,
        brokers: &brokers(plan)?,
        leader_epoch: plan.raised_leader_epoch(),
        next_producer_id: plan.raised_producer_id(),
        hold_retention: plan.hold_retention,
        end: plan.checkpoint.end(),
    };
    let held = rewrite(&mut image, &choices);
    let timestamp = source.checkpoint.last_contained_log_timestamp;
    let bytes = encode_checkpoint(&image, &source.checkpoint.quorum, timestamp).map_err(|error| Error::Metadata {
        snapshot: source.snapshot.clone(),
        reason: error.to_string(),
    })?;
    Ok((bytes, held))
}

/// The brokers that a plan restores, with the directories that partitions can be in.
pub(crate) fn brokers(plan: &Plan) -> Result<BTreeMap<NodeId, Vec<DirectoryId>>> {
    let mut brokers = BTreeMap::new();
    for node in plan.nodes.iter().filter(|node| node.is_broker()) {
        let mut directories = Vec::new();
        for dir in &node.log_dirs {
            directories.extend(dir.id()?);
        }
        brokers.insert(NodeId(node.node_id), directories);
    }
    Ok(brokers)
}

/// The partitions that the metadata names, by what becomes of them.
pub(crate) struct Contents {
    /// Those whose replicas are written.
    pub(crate) restored: Vec<PartitionKey>,
    gaps: Vec<String>,
    later: Vec<(PartitionKey, String)>,
}

impl Contents {
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let mut contents = Self {
            restored: Vec::new(),
            gaps: Vec::new(),
            later: Vec::new(),
        };
        for topic in source.checkpoint.image.topics() {
            // Names become paths. Whoever could forge metadata must not write elsewhere.
            if !is_legal(topic.name()) {
                return Err(Error::Metadata {
                    snapshot: source.snapshot.clone(),
                    reason: format!("{:?} is no name that Kafka gives to a topic", topic.name()),
                });
            }
            for partition in topic.partitions() {
                let key = (topic.id(), partition.partition_id);
                let name = format!("{}-{}", topic.name(), partition.partition_id);
                match source.fate(key, &name) {
                    Fate::Restored => contents.restored.push(key),
                    Fate::Gap => {
                        contents.restored.push(key);
                        contents.gaps.push(name);
                    }
                    Fate::Later => contents.later.push((key, name)),
                }
            }
        }
        Ok(contents)
    }
}

/// Whether a topic can have this name (`Topic.validate`).
fn is_legal(topic: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&topic.len()) && topic.bytes().all(fit) && topic != "." && topic != ".."
}

/// Where a partition's replica on a broker goes: the place of the directory in the broker's plan.
pub(crate) fn place_of(
    record: &maxbrod_kafka::metadata::record::PartitionRecord,
    node: &crate::plan::NodePlan,
    brokers: &BTreeMap<NodeId, Vec<DirectoryId>>,
) -> Option<usize> {
    let id = NodeId(node.node_id);
    if !record.replicas.contains(&id) {
        return None;
    }
    let directory = directory(record, id, brokers).to_string();
    let place = node
        .log_dirs
        .iter()
        .position(|dir| dir.directory_id.as_ref() == Some(&directory));
    // A node without directory ids has one directory, or whichever comes first.
    place.or((!node.log_dirs.is_empty()).then_some(0))
}

fn raised_epoch(known: &Known<'_>, image: &MetadataImage) -> Result<i32> {
    let of_image = image.highest_leader_epoch().map_or(-1, |epoch| epoch.0);
    let of_data = known.sizes.values().map(|size| size.leader_epoch).max().unwrap_or(-1);
    let highest = [
        known.highest_leader_epoch.0,
        known.committed.highest_leader_epoch,
        image.position().epoch.0,
        of_image,
        of_data,
        0,
    ]
    .into_iter()
    .fold(0, i32::max);
    highest.checked_add(EPOCH_MARGIN).ok_or(Error::Exhausted {
        what: "leader epochs",
        highest: highest.into(),
    })
}

fn raised_producer_id(epoch: i32, image: &MetadataImage) -> Result<i64> {
    let next = image.next_producer_id().map_or(0, |id| id.0);
    let own_range = i64::from(epoch).saturating_mul(PRODUCER_IDS_PER_EPOCH);
    if next < own_range {
        return Ok(own_range);
    }
    next.checked_add(PRODUCER_IDS_PER_EPOCH).ok_or(Error::Exhausted {
        what: "producer ids",
        highest: next,
    })
}

fn first(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(", …");
    }
    text
}

fn warnings(source: &Source, plan: &Plan) -> Vec<String> {
    let mut warnings: Vec<String> = source
        .gaps
        .iter()
        .map(|gap| format!("the snapshot says of {}: {}", gap.what, gap.why))
        .collect();
    if plan.consistency != maxbrod_repository::Consistency::Transactional {
        warnings.push(format!(
            "the snapshot is {}: a transaction or a group offset may be torn between partitions",
            plan.consistency
        ));
    }
    if !plan.left_out.is_empty() {
        warnings.push(format!(
            "{} partitions began after the moment of the snapshot and are not restored: {}",
            plan.left_out.len(),
            first(&plan.left_out)
        ));
    }
    if !plan.empty.is_empty() {
        warnings.push(format!(
            "{} partitions that the snapshot does not hold are restored empty: {}",
            plan.empty.len(),
            first(&plan.empty)
        ));
    }
    warnings.extend(controllers::warning(plan));
    warnings.extend(nodes::warnings(source, plan));
    let not_understood: Vec<&str> = source.checkpoint.image.not_understood().collect();
    if !not_understood.is_empty() {
        warnings.push(format!(
            "the metadata holds what this maxbrod does not know, and keeps as it is: {}",
            not_understood.join(", ")
        ));
    }
    warnings.push(
        "offsets of groups without members expire by offsets.retention.minutes (7 days by default) from their commit on, \
         transactional ids by transactional.id.expiration.ms; raise them in server.properties before the first start if the \
         snapshot is older"
            .to_owned(),
    );
    warnings
}
