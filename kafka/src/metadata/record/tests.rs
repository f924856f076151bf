use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::ids::{BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, PartitionId, TopicId, Uuid};
use crate::message::sample::{Dice, sample_message};
use crate::message::tests::kafkas_messages;

fn kafkas() -> impl Iterator<Item = (&'static str, i16, &'static str, Bytes)> {
    kafkas_messages().filter(|message| message.0.ends_with("Record"))
}

fn kafkas_record(name: &str, version: i16) -> MetadataRecord {
    let (.., bytes) = kafkas()
        .find(|record| (record.0, record.1, record.2) == (name, version, "filled"))
        .unwrap();
    MetadataRecord::decode(&bytes).unwrap()
}

/// The uuid that the fixtures make of two numbers.
fn uuid(high: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[7] = high;
    bytes[15] = high + 1;
    Uuid(bytes)
}

fn nodes<const N: usize>(ids: [i32; N]) -> Vec<NodeId> {
    ids.map(NodeId).to_vec()
}

/// Any record of any version.
pub(crate) fn record(dice: &mut Dice) -> MetadataRecord {
    macro_rules! one_of {
        ($($key:literal $record:ident,)*) => {
            match dice.below(30) {
                $($key => sample_message::<$record>(dice).into(),)*
                key => MetadataRecord::Unknown { api_key: 100 + key as u32, version: 7, bytes: Bytes::from_static(b"later") },
            }
        };
    }
    one_of! {
        0 RegisterBrokerRecord,
        1 UnregisterBrokerRecord,
        2 TopicRecord,
        3 PartitionRecord,
        4 ConfigRecord,
        5 PartitionChangeRecord,
        7 FenceBrokerRecord,
        8 UnfenceBrokerRecord,
        9 RemoveTopicRecord,
        10 DelegationTokenRecord,
        11 UserScramCredentialRecord,
        12 FeatureLevelRecord,
        14 ClientQuotaRecord,
        15 ProducerIdsRecord,
        17 BrokerRegistrationChangeRecord,
        18 AccessControlEntryRecord,
        19 RemoveAccessControlEntryRecord,
        20 NoOpRecord,
        21 ZkMigrationStateRecord,
        22 RemoveUserScramCredentialRecord,
        23 BeginTransactionRecord,
        24 EndTransactionRecord,
        25 AbortTransactionRecord,
        26 RemoveDelegationTokenRecord,
        27 RegisterControllerRecord,
        28 ClearElrRecord,
        29 UnregisterControllerRecord,
    }
}

#[test]
fn every_record_that_kafka_writes_comes_back_byte_for_byte() {
    let mut seen = 0;
    for (name, version, how, bytes) in kafkas() {
        let record = MetadataRecord::decode(&bytes).unwrap_or_else(|e| panic!("{name} {version} {how}: {e}"));
        assert_eq!(record.name(), name);
        assert_eq!(record.encode().unwrap(), bytes, "{name} {version} {how}");
        seen += 1;
    }
    assert_eq!(seen, 74, "26 records in 37 versions, with defaults and filled");
}

#[test]
fn a_partitions_fields_are_where_kafka_put_them() {
    let expected = PartitionRecord {
        version: 2,
        partition_id: PartitionId(1),
        topic_id: TopicId(uuid(2)),
        replicas: nodes([4, 5]),
        isr: nodes([6, 7]),
        removing_replicas: nodes([8, 9]),
        adding_replicas: nodes([10, 11]),
        leader: NodeId(12),
        leader_epoch: LeaderEpoch(13),
        partition_epoch: 14,
        directories: vec![DirectoryId(uuid(15)), DirectoryId(uuid(17))],
        leader_recovery_state: 19,
        eligible_leader_replicas: Some(nodes([20, 21])),
        last_known_elr: Some(nodes([22, 23])),
        ..PartitionRecord::default()
    };
    assert_eq!(kafkas_record("PartitionRecord", 2), expected.into());
}

#[test]
fn a_partition_changes_fields_are_where_kafka_put_them() {
    let expected = PartitionChangeRecord {
        version: 2,
        partition_id: PartitionId(1),
        topic_id: TopicId(uuid(2)),
        isr: Some(nodes([4, 5])),
        leader: NodeId(6),
        replicas: Some(nodes([7, 8])),
        removing_replicas: Some(nodes([9, 10])),
        adding_replicas: Some(nodes([11, 12])),
        leader_recovery_state: 13,
        eligible_leader_replicas: Some(nodes([14, 15])),
        last_known_elr: Some(nodes([16, 17])),
        directories: Some(vec![DirectoryId(uuid(18)), DirectoryId(uuid(20))]),
        ..PartitionChangeRecord::default()
    };
    assert_eq!(kafkas_record("PartitionChangeRecord", 2), expected.into());
}

#[test]
fn a_brokers_fields_are_where_kafka_put_them() {
    let expected = RegisterBrokerRecord {
        version: 4,
        broker_id: NodeId(1),
        is_migrating_zk_broker: true,
        incarnation_id: uuid(2),
        broker_epoch: BrokerEpoch(4),
        end_points: vec![Endpoint {
            name: "name".into(),
            host: "host".into(),
            port: 5,
            security_protocol: 6,
            ..Endpoint::default()
        }],
        features: vec![SupportedFeature {
            name: "name".into(),
            min_supported_version: 7,
            max_supported_version: 8,
            ..SupportedFeature::default()
        }],
        rack: Some("rack".into()),
        fenced: true,
        in_controlled_shutdown: true,
        log_dirs: vec![DirectoryId(uuid(9)), DirectoryId(uuid(11))],
        cordoned_log_dirs: Some(vec![DirectoryId(uuid(13)), DirectoryId(uuid(15))]),
        ..RegisterBrokerRecord::default()
    };
    assert_eq!(kafkas_record("RegisterBrokerRecord", 4), expected.into());
}

#[test]
fn a_broker_changes_fields_are_where_kafka_put_them() {
    let expected = BrokerRegistrationChangeRecord {
        version: 3,
        broker_id: NodeId(1),
        broker_epoch: BrokerEpoch(2),
        fenced: 3,
        in_controlled_shutdown: 4,
        log_dirs: vec![DirectoryId(uuid(5)), DirectoryId(uuid(7))],
        cordoned_log_dirs: Some(vec![DirectoryId(uuid(9)), DirectoryId(uuid(11))]),
        ..BrokerRegistrationChangeRecord::default()
    };
    assert_eq!(kafkas_record("BrokerRegistrationChangeRecord", 3), expected.into());
}

#[test]
fn a_version_that_nobody_here_knows_is_kept_as_it_is() {
    let value = [1, 3, 9, 0xca, 0xfe];
    let record = MetadataRecord::decode(&value).unwrap();
    assert_eq!(
        record,
        MetadataRecord::Unknown {
            api_key: 3,
            version: 9,
            bytes: Bytes::from_static(&[0xca, 0xfe])
        }
    );
    assert_eq!(record.encode().unwrap().as_ref(), value);
}

#[test]
fn a_newer_frame_is_refused() {
    assert_eq!(
        MetadataRecord::decode(&[2, 20, 0, 0]).unwrap_err().code(),
        "metadata-frame-version"
    );
}

#[test]
fn bytes_behind_a_record_are_refused() {
    assert_eq!(
        MetadataRecord::decode(&[1, 20, 0, 0, 0]).unwrap_err().code(),
        "message-trailing-bytes"
    );
}

proptest! {
    #[test]
    fn every_record_of_every_version_comes_back_with_unknown_tags(seed: u64) {
        let record = record(&mut Dice(seed));
        prop_assert_eq!(MetadataRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), key in 0u8..32, version in 0u8..5) {
        let _ = MetadataRecord::decode(&bytes);
        bytes.splice(0..0, [1, key, version]);
        let _ = MetadataRecord::decode(&bytes);
    }
}
