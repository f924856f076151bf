use super::*;

#[test]
fn a_removed_topic_takes_its_configs_along() {
    let mut image = orders();
    more(
        &mut image,
        [config(ConfigResource::topic("orders"), "retention.ms", Some("1"))],
    );
    more(
        &mut image,
        [RemoveTopicRecord {
            topic_id: ORDERS,
            ..RemoveTopicRecord::default()
        }
        .into()],
    );
    assert_eq!((image.topics().count(), image.configs().count()), (0, 0));
    assert!(image.topic_named("orders").is_none());
    assert_eq!(
        refuse(&mut image, RemoveTopicRecord::default()).code(),
        "metadata-no-topic"
    );
}

#[test]
fn a_topic_created_again_under_its_name_is_another_topic() {
    let again = TopicId(Uuid([9; 16]));
    let mut image = orders();
    more(
        &mut image,
        [RemoveTopicRecord {
            topic_id: ORDERS,
            ..RemoveTopicRecord::default()
        }
        .into()],
    );
    more(&mut image, [topic("orders", again)]);
    assert_eq!(image.topic_named("orders").unwrap().id(), again);
    assert_eq!(image.partition_count(), 0);
}

#[test]
fn configs_fall_back_from_topic_to_brokers_to_server_properties() {
    let mut image = orders();
    let properties = |key: &str| match key {
        "log.retention.hours" => Some("2"),
        "log.segment.bytes" => Some("1048576"),
        "compression.type" => Some("zstd"),
        _ => None,
    };
    let defaults = TopicConfig::of_broker(properties);
    let of = |image: &MetadataImage| image.topic_config("orders", &defaults);
    assert_eq!(
        (of(&image).retention_ms, of(&image).segment_bytes),
        (7_200_000, 1_048_576)
    );
    more(
        &mut image,
        [config(ConfigResource::all_brokers(), "log.retention.ms", Some("60000"))],
    );
    assert_eq!(of(&image).retention_ms, 60_000);
    more(
        &mut image,
        [config(ConfigResource::topic("orders"), "retention.ms", Some("-1"))],
    );
    more(
        &mut image,
        [config(
            ConfigResource::topic("orders"),
            "cleanup.policy",
            Some("compact, delete"),
        )],
    );
    assert_eq!(
        (of(&image).retention_ms, of(&image).compression_type.as_str()),
        (-1, "zstd")
    );
    assert_eq!(
        of(&image).cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
    more(
        &mut image,
        [config(ConfigResource::topic("orders"), "retention.ms", None)],
    );
    assert_eq!(of(&image).retention_ms, 60_000);
}
