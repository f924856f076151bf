use super::*;

#[test]
fn a_rewritten_partition_says_so_in_its_record() {
    let mut image = orders();
    let partition = image.partition_mut(ORDERS, PartitionId(0)).unwrap();
    partition.set_replicas([(NodeId(9), HALL)]);
    partition.isr = nodes([9]);
    partition.leader = NodeId(9);
    partition.set_elr(vec![], vec![]);
    assert_eq!(image.flaws().collect::<Vec<_>>(), [ImageFlaw::NoMetadataVersion]);
    assert_eq!(first(&image).directories, [HALL]);
}

#[test]
fn flaws_that_kafka_would_die_of_or_lose_data_by_are_named() {
    let mut image = orders();
    more(&mut image, [feature(METADATA_VERSION, 30)]);
    let partition = image.partition_mut(ORDERS, PartitionId(1)).unwrap();
    partition.replicas = nodes([1, 2]);
    partition.isr = nodes([2, 5]);
    let codes: Vec<_> = image.flaws().map(|flaw| flaw.code()).collect();
    assert_eq!(
        codes,
        ["image-directories", "image-not-a-replica", "image-leader-not-in-sync"]
    );
}

#[test]
fn topics_can_be_left_out() {
    let other = TopicId(Uuid([2; 16]));
    let mut image = orders();
    more(
        &mut image,
        [
            topic("other", other),
            config(ConfigResource::topic("orders"), "retention.ms", Some("1")),
        ],
    );
    image.retain_topics(|topic| topic.name() == "other");
    assert_eq!(image.to_records().collect::<Vec<_>>(), [topic("other", other)]);
}

#[test]
fn configs_are_set_and_lifted() {
    let mut image = orders();
    let resource = ConfigResource::topic("orders");
    image.set_config(resource.clone(), "retention.ms", "-1");
    assert_eq!(image.config(&resource, "retention.ms"), Some("-1"));
    assert!(image.remove_config(&resource, "retention.ms").is_some());
    assert_eq!(image, orders());
}
