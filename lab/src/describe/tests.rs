use super::{ClusterDescription, PartitionDescription, TopicDescription};
use crate::{Dump, PartitionDump, TopicPartition};

fn cluster() -> ClusterDescription {
    let partition = PartitionDescription {
        leader: Some(1),
        replicas: vec![1, 2],
        isr: vec![1, 2],
    };
    let topic = TopicDescription {
        id: "id".into(),
        partitions: vec![partition],
        configs: [("retention.ms".into(), "1000".into())].into(),
    };
    ClusterDescription {
        cluster_id: "c".into(),
        topics: [("bank".into(), topic)].into(),
        ..Default::default()
    }
}

#[test]
fn leaders_may_move_without_being_a_difference() {
    let mut after = cluster();
    let partition = &mut after.topics.get_mut("bank").unwrap().partitions[0];
    partition.leader = Some(2);
    partition.isr = vec![2];
    assert_eq!(cluster().identity_differences(&after), []);
    assert_eq!(after.degraded_partitions(), ["bank-0"]);
}

#[test]
fn a_changed_an_added_and_a_lost_config_are_named_by_path() {
    let mut after = cluster();
    let configs = &mut after.topics.get_mut("bank").unwrap().configs;
    configs.insert("retention.ms".into(), "-1".into());
    configs.insert("retention.bytes".into(), "-1".into());
    after
        .broker_configs
        .insert(String::new(), [("log.cleaner.threads".into(), "1".into())].into());
    let found: Vec<_> = cluster()
        .identity_differences(&after)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "broker_configs/: null became {\"log.cleaner.threads\":\"1\"}",
            "topics/bank/configs/retention.ms: \"1000\" became \"-1\"",
            "topics/bank/configs/retention.bytes: null became \"-1\"",
        ]
    );
}

#[test]
fn a_group_offset_past_the_end_of_its_partition_is_found() {
    let mut described = cluster();
    described
        .groups
        .insert("readers".into(), [("bank-0".into(), 7), ("gone-1".into(), 1)].into());
    let of_length = |end| {
        let partition = PartitionDump {
            end,
            ..PartitionDump::default()
        };
        Dump {
            partitions: [(TopicPartition::new("bank", 0), partition)].into(),
        }
    };
    assert_eq!(
        described.offsets_beyond_data(&of_length(6)),
        [
            "group readers: bank-0 committed at 7, ends at Some(6)",
            "group readers: gone-1 committed at 1, ends at None",
        ]
    );
    assert_eq!(described.offsets_beyond_data(&of_length(7)).len(), 1);
    let found: Vec<_> = cluster()
        .group_differences(&described)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["groups/readers: null became {\"bank-0\":7,\"gone-1\":1}"]);
}
