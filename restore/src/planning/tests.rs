use std::path::PathBuf;

use jiff::Timestamp;
use maxbrod_kafka::metadata::{Checkpoint, ConfigResource};
use maxbrod_kafka::{KRaftVoters, PartitionId, ProducerId, Voter};
use maxbrod_proto::manifest;
use maxbrod_repository::{
    Consistency, ContentId, NodeRef, PartitionSlot, RootName, RootRef, SnapshotId, SnapshotTotals, TreeName,
};

use super::*;
use crate::error::Kind;
use crate::sample::{ACCOUNTS, CLUSTER, END, ORDERS, QUIET, image, nodes, partition};

const ROOT: &str = "/kafka";

fn source() -> Source {
    let slot = |topic_id, number| {
        let slot = PartitionSlot {
            topic_id,
            partition: PartitionId(number),
            node: NodeRef {
                tree: TreeName {
                    run: 1,
                    epoch: 1,
                    sequence: 0,
                },
                position: 0,
                length: 1,
                id: ContentId([0; 32]),
                key: None,
            },
        };
        ((topic_id, PartitionId(number)), slot)
    };
    Source {
        snapshot: "20261124T120000Z-1".to_owned(),
        checkpoint: Checkpoint {
            image: image(),
            quorum: Quorum::Static,
            last_contained_log_timestamp: 1_000,
        },
        nodes: nodes(ROOT.as_ref()),
        gaps: Vec::new(),
        partitions: [slot(ORDERS, 0), slot(ORDERS, 1), slot(ACCOUNTS, 0), slot(QUIET, 0)].into(),
    }
}

fn committed() -> Committed {
    let time: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    Committed {
        run: 1,
        snapshot: SnapshotId::new(time, 1),
        label: String::new(),
        root: RootRef {
            name: RootName {
                run: 1,
                epoch: 1,
                sequence: 0,
            },
            id: ContentId([5; 32]),
            length: 10,
            key: None,
        },
        consistency: Consistency::Transactional,
        started: time,
        cut: time,
        committed: time,
        freeze_ms: 0,
        totals: SnapshotTotals::default(),
        highest_leader_epoch: 7,
        format: 1,
    }
}

fn decided(source: &Source, options: &PlanOptions, highest: i32) -> Result<Plan> {
    let size = |bytes| Size {
        log_bytes: bytes,
        leader_epoch: 4,
    };
    let committed = committed();
    let known = Known {
        repository: RepositoryId([7; 16]),
        cluster: CLUSTER.to_owned(),
        committed: &committed,
        highest_leader_epoch: LeaderEpoch(highest),
        sizes: source.partitions.keys().map(|key| (*key, size(1_000))).collect(),
    };
    decide(&known, source, options)
}

fn plan() -> Plan {
    decided(&source(), &PlanOptions::default(), 9).unwrap()
}

fn only(ids: &[i32]) -> PlanOptions {
    PlanOptions {
        nodes: ids.iter().copied().map(NodeId).collect(),
        ..PlanOptions::default()
    }
}

fn mapped(texts: &[&str]) -> PlanOptions {
    PlanOptions {
        maps: texts.iter().map(|text| text.parse().unwrap()).collect(),
        ..PlanOptions::default()
    }
}

fn refusal(source: &Source, options: &PlanOptions) -> (Kind, &'static str, String) {
    let error = decided(source, options, 9).unwrap_err();
    (error.kind(), error.code(), format!("{error}; {}", error.remedy()))
}

#[test]
fn every_node_gets_its_directories_and_what_goes_into_them() {
    let plan = plan();
    let dirs: Vec<_> = plan
        .nodes
        .iter()
        .flat_map(|node| {
            node.log_dirs.iter().map(|dir| {
                let path = dir.path.strip_prefix(ROOT).unwrap().display().to_string();
                (node.node_id, path, dir.partitions, dir.log_bytes)
            })
        })
        .collect();
    let expected = [
        (1, "node1/a".to_owned(), 1, 1_000),
        (1, "node1/b".to_owned(), 2, 2_000),
        (2, "node2/a".to_owned(), 3, 3_000),
        (2, "node2/meta".to_owned(), 0, 0),
        (3, "node3/meta".to_owned(), 0, 0),
    ];
    assert_eq!(dirs, expected);
    assert_eq!(plan.nodes[0].broker_epoch, Some(101));
    assert_eq!(plan.nodes[2].broker_epoch, None);
    assert_eq!(plan.nodes[2].metadata_log_dir, PathBuf::from("/kafka/node3/meta"));
    assert!(plan.nodes[1].log_dirs[0].space_bytes > 3_000 + 3 * 4_096);
}

#[test]
fn epochs_are_raised_above_everything_that_was_ever_used() {
    assert_eq!(plan().leader_epoch, 1_009, "the journal's highest");
    assert_eq!(
        decided(&source(), &PlanOptions::default(), -1).unwrap().leader_epoch,
        1_007,
        "the snapshot's"
    );
    let mut of_image = source();
    of_image
        .checkpoint
        .image
        .partition_mut(QUIET, PartitionId(0))
        .unwrap()
        .leader_epoch = LeaderEpoch(50);
    assert_eq!(
        decided(&of_image, &PlanOptions::default(), 9).unwrap().leader_epoch,
        1_050
    );
    let error = decided(&source(), &PlanOptions::default(), i32::MAX - 5).unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Failed, "epochs-exhausted"));
}

#[test]
fn two_restores_of_one_snapshot_share_neither_checkpoint_name_nor_producer_ids() {
    let first = plan();
    let second = decided(&source(), &PlanOptions::default(), first.leader_epoch).unwrap();
    assert_ne!(first.checkpoint.name, second.checkpoint.name);
    assert_eq!(first.checkpoint.name, "00000000000000000500-0000001009.checkpoint");
    assert_eq!(first.next_producer_id, 1_009_000_000_000);
    assert_eq!(second.next_producer_id, 2_009_000_000_000);
    assert_ne!(first.hash(), second.hash());
}

#[test]
fn producer_ids_that_are_high_already_still_grow() {
    let mut source = source();
    let high = ProducerId(5_000_000_000_000);
    source.checkpoint.image.raise_next_producer_id(high);
    let plan = decided(&source, &PlanOptions::default(), 9).unwrap();
    assert_eq!(plan.next_producer_id, high.0 + PRODUCER_IDS_PER_EPOCH);
}

#[test]
fn a_plan_is_the_same_on_every_host_and_survives_its_file() {
    let plan = plan();
    assert_eq!(plan, self::plan());
    let read = Plan::from_json(&plan.to_json()).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.hash(), plan.hash());
}

#[test]
fn another_version_or_something_else_is_no_plan() {
    let text = plan().to_json();
    let newer = text.replacen("\"version\": 1", "\"version\": 2", 1);
    for (text, says) in [
        (newer.as_str(), "version 2"),
        ("{}", "none that"),
        (&text[..text.len() / 2], "none that"),
        ("", "none that"),
    ] {
        let error = Plan::from_json(text).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "plan-unusable"));
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn directories_are_mapped_wherever_they_are_named() {
    let plan = decided(
        &source(),
        &mapped(&["1:/kafka/node1/a=/data/x", "3:/kafka/node3/meta=/data/y"]),
        9,
    )
    .unwrap();
    assert_eq!(plan.nodes[0].log_dirs[0].path, PathBuf::from("/data/x"));
    assert_eq!(plan.nodes[0].log_dirs[0].original, PathBuf::from("/kafka/node1/a"));
    assert_eq!(plan.nodes[0].metadata_log_dir, PathBuf::from("/data/x"));
    assert_eq!(plan.nodes[2].metadata_log_dir, PathBuf::from("/data/y"));
    assert_eq!(
        plan.checkpoint,
        self::plan().checkpoint,
        "paths are not in the metadata"
    );
}

#[test]
fn maps_that_fit_nothing_or_collide_are_refused() {
    for (maps, code, says) in [
        (
            &["1:/kafka/node1/z=/x"][..],
            "directory-map",
            "/kafka/node1/a, /kafka/node1/b",
        ),
        (&["9:/kafka/node1/a=/x"], "unknown-node", "1, 2, 3"),
        (
            &["1:/kafka/node1/a=/kafka/node1/b"],
            "directory-map",
            "two directories of node 1",
        ),
        (
            &["1:/kafka/node1/a=/kafka/node1//./b/"],
            "directory-map",
            "two directories of node 1",
        ),
        (
            &["1:/kafka/node1/a=/x", "1:/kafka/node1/a=/y"],
            "directory-map",
            "already",
        ),
    ] {
        let (kind, found, text) = refusal(&source(), &mapped(maps));
        assert_eq!((kind, found), (Kind::Usage, code), "{maps:?}");
        assert!(text.contains(says), "{text}");
    }
    for malformed in ["a:b=c", "1:/a", "/a=/b", "1:relative=/b", "1:/a=relative"] {
        let error = malformed.parse::<crate::PathMap>().unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Usage, "directory-map"));
    }
}

#[test]
fn nodes_that_are_not_in_the_snapshot_are_refused() {
    let (kind, code, text) = refusal(&source(), &only(&[1, 8]));
    assert_eq!((kind, code), (Kind::Usage, "unknown-node"));
    assert!(text.contains('8') && text.contains("1, 2, 3"), "{text}");
}

#[test]
fn fewer_than_a_majority_of_the_voters_is_refused() {
    let (kind, code, text) = refusal(&source(), &only(&[1, 2]));
    assert_eq!((kind, code), (Kind::Usage, "no-quorum"));
    assert!(text.contains("1, 3") && text.contains("only 1"), "{text}");
    let mut dynamic = source();
    let voters = [1, 3, 5].map(|node| Voter {
        voter_id: NodeId(node),
        voter_directory_id: DirectoryId(maxbrod_kafka::Uuid([node as u8 + 50; 16])),
        ..Voter::default()
    });
    dynamic.checkpoint.quorum = Quorum::Dynamic(KRaftVoters {
        voters: voters.into(),
        ..KRaftVoters::default()
    });
    let plan = decided(&dynamic, &PlanOptions::default(), 9).unwrap();
    assert_eq!(
        (plan.checkpoint.kraft_version, plan.checkpoint.voters.clone()),
        (1, vec![1, 3, 5])
    );
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("controllers 5 are not restored"))
    );
    let metadata_directory = plan.nodes[2].log_dirs[0].id().unwrap().unwrap();
    assert_eq!(
        metadata_directory,
        DirectoryId(maxbrod_kafka::Uuid([53; 16])),
        "a voter is known by it"
    );
}

#[test]
fn a_partition_without_a_restored_replica_is_refused() {
    let mut source = source();
    source.nodes[0].roles = vec!["controller".to_owned()];
    let (kind, code, text) = refusal(&source, &PlanOptions::default());
    assert_eq!((kind, code), (Kind::Usage, "no-replica"));
    assert!(
        text.contains("accounts-0") && text.contains("the nodes 1 hold them"),
        "{text}"
    );
}

#[test]
fn brokers_that_stay_away_are_named_and_out_of_sync() {
    let mut source = source();
    source.checkpoint.image.remove_topic(QUIET);
    let plan = decided(&source, &only(&[1, 3]), 9).unwrap();
    assert_eq!(plan.nodes.len(), 2);
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("brokers 2 are not restored")),
        "{:?}",
        plan.warnings
    );
    let (bytes, _) = rewritten_checkpoint(&source, &plan).unwrap();
    let image = Checkpoint::decode(plan.checkpoint.end(), &bytes).unwrap().image;
    assert_eq!(image.partition(ORDERS, PartitionId(1)).unwrap().isr, [NodeId(1)]);
}

#[test]
fn gaps_are_refused_until_they_are_accepted() {
    let mut source = source();
    source.partitions.remove(&(ORDERS, PartitionId(1)));
    source.gaps.push(manifest::Gap {
        what: "partition orders-1".to_owned(),
        why: "no replica could be shipped".to_owned(),
        remedy: String::new(),
    });
    let (kind, code, text) = refusal(&source, &PlanOptions::default());
    assert_eq!((kind, code), (Kind::Incomplete, "snapshot-gaps"));
    assert!(text.contains("orders-1") && text.contains("--accept-gaps"), "{text}");
    let accepted = PlanOptions {
        accept_gaps: true,
        ..PlanOptions::default()
    };
    let plan = decided(&source, &accepted, 9).unwrap();
    assert_eq!(plan.empty, ["orders-1"]);
    assert_eq!(
        plan.nodes[1].log_dirs[0].partitions, 3,
        "its replicas are written, empty"
    );
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("restored empty: orders-1"))
    );
}

#[test]
fn partitions_that_began_after_the_snapshots_moment_are_left_out() {
    let mut source = source();
    source.partitions.remove(&(QUIET, PartitionId(0)));
    let plan = decided(&source, &PlanOptions::default(), 9).unwrap();
    assert_eq!(plan.left_out, ["quiet-0"]);
    assert!(plan.warnings.iter().any(|warning| warning.contains("quiet-0")));
    let (bytes, _) = rewritten_checkpoint(&source, &plan).unwrap();
    let image = Checkpoint::decode(plan.checkpoint.end(), &bytes).unwrap().image;
    assert!(image.topic_named("quiet").is_none());
}

#[test]
fn the_commands_lift_exactly_what_was_held() {
    let mut source = source();
    let image = &mut source.checkpoint.image;
    image.set_config(ConfigResource::topic("quiet"), "retention.ms", "60000");
    image.set_config(ConfigResource::topic("quiet"), "retention.bytes", "1000");
    let plan = decided(&source, &PlanOptions::default(), 9).unwrap();
    let expected = [
        "kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic orders --add-config retention.ms=86400000 \
         --delete-config retention.bytes",
        "kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic quiet --add-config retention.ms=60000,retention.bytes=1000",
    ];
    assert_eq!(plan.lift_commands(), expected);
    let unheld = PlanOptions {
        hold_retention: false,
        ..PlanOptions::default()
    };
    assert!(decided(&source, &unheld, 9).unwrap().lift_commands().is_empty());
}

#[test]
fn a_replica_whose_directory_is_unknown_is_counted_where_it_will_be_written() {
    let mut source = source();
    *source.checkpoint.image.partition_mut(ACCOUNTS, PartitionId(0)).unwrap() =
        partition(ACCOUNTS, 0, &[(1, DirectoryId::LOST)]);
    let plan = decided(&source, &PlanOptions::default(), 9).unwrap();
    let counts: Vec<u64> = plan.nodes[0].log_dirs.iter().map(|dir| dir.partitions).collect();
    assert_eq!(counts, [2, 1]);
    assert_eq!(source.checkpoint.image.position(), END);
}

#[test]
fn a_topic_name_that_is_no_name_is_never_made_a_path() {
    for name in ["../../etc", "a/b", "", ".."] {
        let mut source = source();
        let mut records: Vec<_> = source.checkpoint.image.to_records().collect();
        for record in &mut records {
            if let maxbrod_kafka::metadata::MetadataRecord::Topic(topic) = record
                && topic.name == "quiet"
            {
                topic.name = name.to_owned();
            }
        }
        source.checkpoint.image = MetadataImage::from_snapshot(END, records).unwrap();
        let (kind, code, text) = refusal(&source, &PlanOptions::default());
        assert_eq!((kind, code), (Kind::Integrity, "metadata-unusable"));
        assert!(text.contains(&format!("{name:?}")), "{text}");
    }
}

#[test]
fn relative_directories_must_be_mapped() {
    let mut source = source();
    source.nodes[1].log_dirs[0].path = "data/kafka".to_owned();
    let (kind, code, text) = refusal(&source, &PlanOptions::default());
    assert_eq!((kind, code), (Kind::Usage, "directory-map"));
    assert!(text.contains("2:data/kafka"), "{text}");
}

#[test]
fn a_node_without_directories_or_a_controller_without_its_metadata_directory_is_refused() {
    let mut without = source();
    without.nodes[2].metadata_log_dir.clear();
    assert_eq!(refusal(&without, &PlanOptions::default()).1, "metadata-unusable");
    let mut without = source();
    without.nodes[0].metadata_log_dir.clear();
    let text = refusal(&without, &PlanOptions::default()).2;
    assert!(text.contains("controller 1"), "{text}");
}

proptest::proptest! {
    #[test]
    fn garbage_is_no_plan(text in ".*", at in 0..4_000_usize, byte in 32..127_u8) {
        let _ = Plan::from_json(&text);
        let mut bytes = plan().to_json().into_bytes();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = Plan::from_json(&String::from_utf8_lossy(&bytes)).map(|plan| (plan.hash(), plan.lift_commands(), brokers(&plan)));
    }
}
