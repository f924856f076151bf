use proptest::prelude::*;

use super::*;

fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionId(partition),
    }
}

#[test]
fn directories_are_told_apart_as_kafka_does() {
    assert_eq!(LogDirEntry::of("a-b-12"), LogDirEntry::Partition(partition("a-b", 12)));
    assert_eq!(LogDirEntry::of("__cluster_metadata-0"), LogDirEntry::ClusterMetadata);
    assert_eq!(
        LogDirEntry::of("a.b-1.0123abcd-future"),
        LogDirEntry::Future(partition("a.b", 1))
    );
    assert_eq!(
        LogDirEntry::of("a-1.0123abcd-delete"),
        LogDirEntry::Delete(partition("a", 1))
    );
    assert_eq!(
        LogDirEntry::of("a-1.0123abcd-stray"),
        LogDirEntry::Stray(partition("a", 1))
    );
    assert_eq!(
        LogDirEntry::of("remote-log-index-cache"),
        LogDirEntry::RemoteLogIndexCache
    );
    for name in [
        "lost+found",
        ".maxbrod-pins",
        "-3",
        "a-",
        "a-delete",
        "a",
        "a-1-delete",
        "a-1.-stray",
        "a b-1.0123abcd-delete",
        "a-1.x.0123abcd-future",
        "a-2147483648",
        "__cluster_metadata-1",
    ] {
        assert_eq!(LogDirEntry::of(name), LogDirEntry::Foreign, "{name}");
    }
}

proptest! {
    #[test]
    fn every_partition_is_found_again_by_its_directory(topic in "[a-zA-Z0-9._-]{1,60}", number in 0i32..) {
        let name = partition(&topic, number).to_string();
        prop_assert_eq!(LogDirEntry::of(&name), LogDirEntry::Partition(partition(&topic, number)));
    }

    #[test]
    fn garbage_never_panics(name: String) {
        let _ = LogDirEntry::of(&name);
    }
}
