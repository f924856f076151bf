use maxbrod_kafka::Uuid;
use maxbrod_kafka::metadata::encode_checkpoint;
use maxbrod_kafka::metadata::{Checkpoint, Quorum};

use super::*;
use crate::sample::{ACCOUNTS, FIRST, ORDERS, OTHER, QUIET, SECOND, image, partition};

const NEW_END: Position = Position {
    end_offset: maxbrod_kafka::Offset(500),
    epoch: LeaderEpoch(1_007),
};

fn brokers() -> BTreeMap<NodeId, Vec<DirectoryId>> {
    [(NodeId(1), vec![FIRST, SECOND]), (NodeId(2), vec![OTHER])].into()
}

fn choices<'a>(brokers: &'a BTreeMap<NodeId, Vec<DirectoryId>>, left_out: &'a [(TopicId, PartitionId)]) -> Rewrite<'a> {
    Rewrite {
        left_out,
        brokers,
        leader_epoch: LeaderEpoch(1_007),
        next_producer_id: ProducerId(9_000),
        hold_retention: true,
        end: NEW_END,
    }
}

fn rewritten(change: impl FnOnce(&mut MetadataImage)) -> (MetadataImage, Vec<HeldConfig>) {
    let mut image = image();
    change(&mut image);
    let held = rewrite(&mut image, &choices(&brokers(), &[]));
    (image, held)
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

#[test]
fn registrations_are_fenced_and_keep_the_epochs_that_the_clean_shutdown_markers_carry() {
    let (image, _) = rewritten(|image| {
        image.broker_mut(NodeId(1)).unwrap().set_in_controlled_shutdown(true);
    });
    let brokers: Vec<_> = image
        .brokers()
        .map(|broker| (broker.broker_epoch.0, broker.fenced, broker.in_controlled_shutdown))
        .collect();
    assert_eq!(brokers, [(101, true, false), (102, true, false)]);
}

#[test]
fn every_restored_replica_is_in_sync_whatever_was_before() {
    let (image, _) = rewritten(|image| {
        let partition = image.partition_mut(ORDERS, PartitionId(0)).unwrap();
        partition.isr = nodes(&[2]);
        partition.leader = NodeId(-1);
        partition.set_elr(nodes(&[1]), nodes(&[2]));
        partition.leader_recovery_state = 1;
    });
    let partition = image.partition(ORDERS, PartitionId(0)).unwrap();
    assert_eq!(partition.isr, nodes(&[1, 2]));
    assert_eq!(partition.leader, NodeId(1));
    assert!(partition.elr().is_empty() && partition.last_known_elr.is_none());
    assert_eq!(partition.leader_recovery_state, 0);
}

#[test]
fn the_leader_stays_if_it_is_restored() {
    let (image, _) = rewritten(|image| image.partition_mut(ORDERS, PartitionId(0)).unwrap().leader = NodeId(2));
    assert_eq!(image.partition(ORDERS, PartitionId(0)).unwrap().leader, NodeId(2));
}

#[test]
fn a_broker_that_is_not_restored_is_not_in_sync_but_keeps_its_place() {
    let mut image = image();
    let only_two = [(NodeId(2), vec![OTHER])].into();
    rewrite(&mut image, &choices(&only_two, &[]));
    let partition = image.partition(ORDERS, PartitionId(0)).unwrap();
    assert_eq!(partition.replicas, nodes(&[1, 2]));
    assert_eq!((partition.isr.clone(), partition.leader), (nodes(&[2]), NodeId(2)));
    assert_eq!(partition.directories, [FIRST, OTHER]);
}

#[test]
fn a_reassignment_under_way_is_dropped_and_all_its_replicas_stay() {
    let (image, _) = rewritten(|image| {
        let partition = image.partition_mut(QUIET, PartitionId(0)).unwrap();
        partition.set_replicas([(NodeId(2), OTHER), (NodeId(1), FIRST)]);
        partition.isr = nodes(&[2]);
        partition.adding_replicas = nodes(&[1]);
        partition.removing_replicas = nodes(&[2]);
    });
    let partition = image.partition(QUIET, PartitionId(0)).unwrap();
    assert_eq!(partition.replicas, nodes(&[2, 1]));
    assert_eq!(partition.isr, nodes(&[2, 1]));
    assert!(partition.adding_replicas.is_empty() && partition.removing_replicas.is_empty());
}

#[test]
fn a_replica_in_a_directory_that_the_node_does_not_have_goes_to_the_first() {
    for lost in [DirectoryId::LOST, DirectoryId::UNASSIGNED, DirectoryId(Uuid([99; 16]))] {
        let (image, _) = rewritten(|image| {
            image.partition_mut(ACCOUNTS, PartitionId(0)).unwrap().directories = vec![lost];
        });
        assert_eq!(image.partition(ACCOUNTS, PartitionId(0)).unwrap().directories, [FIRST]);
    }
}

#[test]
fn partitions_without_directories_do_not_get_any() {
    let (image, _) = rewritten(|image| {
        for partition in image.partitions_mut() {
            partition.version = 0;
            partition.directories.clear();
        }
    });
    let partition = image.partition(ORDERS, PartitionId(0)).unwrap();
    assert!(partition.directories.is_empty());
    assert_eq!(partition.version, 0);
}

#[test]
fn epochs_and_producer_ids_are_raised_and_never_lowered() {
    let (image, _) = rewritten(|image| {
        image.partition_mut(QUIET, PartitionId(0)).unwrap().leader_epoch = LeaderEpoch(5_000);
        image.raise_next_producer_id(ProducerId(20_000));
    });
    assert_eq!(image.position(), NEW_END);
    assert_eq!(
        image.partition(ORDERS, PartitionId(0)).unwrap().leader_epoch,
        LeaderEpoch(1_007)
    );
    assert_eq!(image.partition(ORDERS, PartitionId(0)).unwrap().partition_epoch, 10);
    assert_eq!(
        image.partition(QUIET, PartitionId(0)).unwrap().leader_epoch,
        LeaderEpoch(5_000)
    );
    assert_eq!(image.next_producer_id(), Some(ProducerId(20_000)));
    assert_eq!(rewritten(|_| ()).0.next_producer_id(), Some(ProducerId(9_000)));
}

#[test]
fn retention_is_held_where_it_could_delete_and_the_former_values_are_told() {
    let (image, held) = rewritten(|image| {
        image.set_config(ConfigResource::topic("quiet"), "retention.bytes", "-1");
    });
    let config = |topic: &str, key: &str| image.config(&ConfigResource::topic(topic), key).map(str::to_owned);
    assert_eq!(config("orders", "retention.ms").as_deref(), Some("-1"));
    assert_eq!(config("orders", "retention.bytes").as_deref(), Some("-1"));
    assert_eq!(
        config("accounts", "retention.ms"),
        None,
        "a compacted topic has no retention"
    );
    let held: Vec<_> = held
        .iter()
        .map(|held| (held.topic.as_str(), held.key.as_str(), held.former.as_deref()))
        .collect();
    let expected = [
        ("orders", "retention.ms", Some("86400000")),
        ("orders", "retention.bytes", None),
        ("quiet", "retention.ms", None),
    ];
    assert_eq!(held, expected, "what is unlimited already is left alone");
}

#[test]
fn retention_is_left_alone_when_it_is_not_held() {
    let mut image = image();
    let (brokers, before) = (brokers(), image.configs().count());
    let held = rewrite(
        &mut image,
        &Rewrite {
            hold_retention: false,
            ..choices(&brokers, &[])
        },
    );
    assert!(held.is_empty());
    assert_eq!(image.configs().count(), before);
}

#[test]
fn partitions_left_out_are_gone_and_topics_without_any_with_them() {
    let mut image = image();
    let left_out = [(QUIET, PartitionId(0)), (ORDERS, PartitionId(1))];
    rewrite(&mut image, &choices(&brokers(), &left_out));
    assert!(image.topic_named("quiet").is_none());
    assert_eq!(image.topic_named("orders").unwrap().partitions().len(), 1);
}

#[test]
fn the_same_choices_give_the_same_bytes_and_a_checkpoint_that_reads_back() {
    let bytes = |image: &MetadataImage| encode_checkpoint(image, &Quorum::Static, 1_000).unwrap();
    let (one, _) = rewritten(|_| ());
    let (two, _) = rewritten(|_| ());
    assert_eq!(bytes(&one), bytes(&two));
    assert_eq!(Checkpoint::decode(NEW_END, &bytes(&one)).unwrap().image, one);
}

#[test]
fn an_image_in_any_state_becomes_one_without_flaws() {
    let mut image = image();
    image.partition_mut(ORDERS, PartitionId(0)).unwrap().leader = NodeId(7);
    image.partition_mut(ORDERS, PartitionId(1)).unwrap().isr = nodes(&[9]);
    image
        .partition_mut(QUIET, PartitionId(0))
        .unwrap()
        .set_elr(nodes(&[8]), nodes(&[8]));
    assert!(image.flaws().next().is_some());
    rewrite(&mut image, &choices(&brokers(), &[]));
    assert_eq!(image.flaws().next(), None);
    let unrestored = partition(ORDERS, 0, &[(8, FIRST)]);
    assert_eq!(directory(&unrestored, NodeId(8), &brokers()), FIRST);
}
