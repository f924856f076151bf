use super::*;

#[test]
fn a_new_leader_raises_both_epochs() {
    let mut image = orders();
    more(
        &mut image,
        [PartitionChangeRecord {
            leader: NodeId(2),
            ..change()
        }
        .into()],
    );
    let partition = first(&image);
    assert_eq!(
        (partition.leader, partition.leader_epoch, partition.partition_epoch),
        (NodeId(2), LeaderEpoch(6), 10)
    );
    assert_eq!(partition.isr, nodes([1, 2, 3]));
}

#[test]
fn the_same_leader_again_raises_the_leader_epoch() {
    let mut image = orders();
    more(
        &mut image,
        [PartitionChangeRecord {
            leader: NodeId(1),
            ..change()
        }
        .into()],
    );
    assert_eq!(first(&image).leader_epoch, LeaderEpoch(6));
}

#[test]
fn another_isr_raises_only_the_partition_epoch() {
    let mut image = orders();
    more(
        &mut image,
        [PartitionChangeRecord {
            isr: Some(nodes([1, 3])),
            ..change()
        }
        .into()],
    );
    let partition = first(&image);
    assert_eq!(
        (partition.leader_epoch, partition.partition_epoch),
        (LeaderEpoch(5), 10)
    );
    assert_eq!(partition.members(), nodes([1, 3]));
}

#[test]
fn eligible_leaders_are_members_and_bring_their_version_along() {
    let mut image = orders();
    let elr = PartitionChangeRecord {
        isr: Some(nodes([2])),
        eligible_leader_replicas: Some(nodes([1])),
        last_known_elr: Some(nodes([3])),
        ..change()
    };
    more(&mut image, [elr.into()]);
    let partition = first(&image);
    assert_eq!((partition.version, partition.members()), (2, nodes([2, 1])));
    more(
        &mut image,
        [PartitionChangeRecord {
            eligible_leader_replicas: Some(vec![]),
            ..change()
        }
        .into()],
    );
    let partition = first(&image);
    assert_eq!(
        (partition.elr(), partition.last_known_elr.clone()),
        (&[][..], Some(nodes([3])))
    );
}

#[test]
fn a_reassignment_changes_replicas_and_directories_together() {
    let mut image = orders();
    let moved = PartitionChangeRecord {
        replicas: Some(nodes([4, 1])),
        adding_replicas: Some(nodes([4])),
        directories: Some(vec![HALL, ROOM]),
        ..change()
    };
    more(&mut image, [moved.into()]);
    assert_eq!(first(&image).directory_of(NodeId(4)), Some(HALL));
    assert_eq!(first(&image).directory_of(NodeId(2)), None);
    assert_eq!(first(&image).adding_replicas, nodes([4]));
    let error = refuse(
        &mut image,
        PartitionChangeRecord {
            replicas: Some(nodes([4])),
            ..change()
        },
    );
    assert_eq!(error.code(), "metadata-directories");
}

#[test]
fn a_replica_of_a_record_without_directories_is_migrating() {
    let old = PartitionRecord {
        version: 0,
        directories: vec![],
        ..partition(2)
    };
    assert_eq!(old.directory_of(NodeId(2)), Some(DirectoryId::MIGRATING));
}

#[test]
fn clearing_the_elr_of_a_topic_leaves_other_topics_alone() {
    let other = TopicId(Uuid([2; 16]));
    let mut with_elr = partition(0);
    with_elr.set_elr(nodes([3]), vec![]);
    let there = PartitionRecord {
        topic_id: other,
        ..with_elr.clone()
    };
    let mut image = replay([
        topic("orders", ORDERS),
        with_elr.into(),
        topic("other", other),
        there.into(),
    ]);
    let clear = |name: &str| ClearElrRecord {
        topic_name: name.into(),
        ..ClearElrRecord::default()
    };
    more(&mut image, [clear("orders").into()]);
    assert_eq!((first(&image).elr(), first(&image).partition_epoch), (&[][..], 10));
    assert_eq!(image.partition(other, PartitionId(0)).unwrap().elr(), [NodeId(3)]);
    more(&mut image, [clear("").into()]);
    assert_eq!(image.partition(other, PartitionId(0)).unwrap().elr(), []);
    assert_eq!(first(&image).partition_epoch, 10, "nothing was left to clear");
    assert_eq!(refuse(&mut image, clear("nowhere")).code(), "metadata-no-topic");
}

#[test]
fn a_change_of_a_partition_that_is_not_there_is_refused() {
    let mut image = orders();
    let error = refuse(
        &mut image,
        PartitionChangeRecord {
            partition_id: PartitionId(7),
            ..change()
        },
    );
    assert_eq!(error.code(), "metadata-no-partition");
    assert!(
        error.to_string().contains("PartitionChangeRecord at metadata offset 3"),
        "{error}"
    );
}

#[test]
fn the_highest_leader_epoch_is_over_all_topics() {
    let mut image = orders();
    assert_eq!(image.highest_leader_epoch(), Some(LeaderEpoch(5)));
    image.partition_mut(ORDERS, PartitionId(1)).unwrap().leader_epoch = LeaderEpoch(1005);
    assert_eq!(image.highest_leader_epoch(), Some(LeaderEpoch(1005)));
}
