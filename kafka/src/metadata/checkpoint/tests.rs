use proptest::prelude::*;

use super::*;
use crate::control::{KRaftVersion, Voter};
use crate::ids::{BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, ProducerId, TopicId, Uuid};
use crate::metadata::record::tests::record;
use crate::metadata::record::{FeatureLevelRecord, NoOpRecord, RegisterBrokerRecord, TopicRecord};
use crate::metadata::{ConfigResource, METADATA_VERSION, MetadataRecord};

const STATIC: (&str, &[u8]) = (
    "00000000000000001505-0000000003.checkpoint",
    include_bytes!("../../../tests/fixtures/checkpoints/00000000000000001505-0000000003.checkpoint"),
);
const DYNAMIC: (&str, &[u8]) = (
    "00000000000000002711-0000000012.checkpoint",
    include_bytes!("../../../tests/fixtures/checkpoints/00000000000000002711-0000000012.checkpoint"),
);

fn kafkas((name, bytes): (&str, &[u8])) -> Checkpoint {
    Checkpoint::decode(Position::of_checkpoint_name(name).unwrap(), bytes).unwrap()
}

/// The uuid that the fixtures make of two numbers.
fn uuid(high: u8, low: u8) -> Uuid {
    let mut bytes = [0; 16];
    (bytes[7], bytes[15]) = (high, low);
    Uuid(bytes)
}

#[test]
fn what_kafka_wrote_for_a_static_quorum_is_read() {
    let checkpoint = kafkas(STATIC);
    assert_eq!(checkpoint.quorum, Quorum::Static);
    assert_eq!(checkpoint.last_contained_log_timestamp, 1_750_000_000_123);
    let image = &checkpoint.image;
    assert_eq!(image.position().checkpoint_name(), STATIC.0);
    assert_eq!(image.feature_level(METADATA_VERSION), Some(30));
    assert_eq!((image.topics().count(), image.partition_count()), (3, 60));
    let partition = image.partition(TopicId(uuid(10, 3)), PartitionId(29)).unwrap();
    assert_eq!(partition.members(), [NodeId(2), NodeId(1)]);
    assert_eq!(partition.directory_of(NodeId(3)), Some(DirectoryId(uuid(60, 7))));
    assert_eq!(image.highest_leader_epoch(), Some(LeaderEpoch(29)));
    let broker = image.broker(NodeId(3)).unwrap();
    assert_eq!((broker.broker_epoch, broker.fenced), (BrokerEpoch(103), true));
    assert_eq!(
        image.config(&ConfigResource::topic("topic-1"), "cleanup.policy"),
        Some("compact")
    );
    assert_eq!(image.next_producer_id(), Some(ProducerId(7000)));
    assert_eq!((image.acls().count(), image.scram_credentials().count()), (1, 1));
    assert_eq!((image.delegation_tokens().count(), image.quotas().count()), (1, 1));
    assert_eq!(image.not_understood().count(), 0);
}

#[test]
fn what_kafka_wrote_for_a_dynamic_quorum_is_read() {
    let checkpoint = kafkas(DYNAMIC);
    let Quorum::Dynamic(voters) = &checkpoint.quorum else {
        panic!("{:?}", checkpoint.quorum)
    };
    let mut ids: Vec<_> = voters
        .voters
        .iter()
        .map(|voter| (voter.voter_id, voter.voter_directory_id))
        .collect();
    ids.sort();
    assert_eq!(
        ids,
        [1, 2, 3].map(|id| (NodeId(i32::from(id)), DirectoryId(uuid(70, id))))
    );
}

#[test]
fn a_written_checkpoint_reads_back_as_the_same() {
    for fixture in [STATIC, DYNAMIC] {
        let checkpoint = kafkas(fixture);
        let bytes = encode_checkpoint(&checkpoint.image, &checkpoint.quorum, 1_750_000_000_123).unwrap();
        assert_eq!(
            Checkpoint::decode(checkpoint.image.position(), &bytes).unwrap(),
            checkpoint
        );
    }
}

/// Needs a JVM with Kafka's jars and `Checkpoints.class`: see tests/fixtures/README.md.
#[test]
#[ignore = "needs a JVM and MAXBROD_KAFKA_CLASSPATH"]
fn kafka_reads_from_a_written_checkpoint_what_it_had_written_itself() {
    let classpath = std::env::var_os("MAXBROD_KAFKA_CLASSPATH").unwrap();
    let dir = std::env::temp_dir().join(format!("maxbrod-checkpoints-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for fixture in [STATIC, DYNAMIC] {
        let checkpoint = kafkas(fixture);
        let bytes = encode_checkpoint(&checkpoint.image, &checkpoint.quorum, 1_750_000_000_123).unwrap();
        let ours = dir.join(fixture.0);
        std::fs::write(&ours, bytes).unwrap();
        let theirs = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/checkpoints")
            .join(fixture.0);
        let mut java = std::process::Command::new("java");
        let compared = java
            .arg("-cp")
            .arg(&classpath)
            .args(["Checkpoints", "compare"])
            .args([&ours, &theirs])
            .output();
        let compared = compared.unwrap();
        assert!(
            compared.status.success(),
            "{}",
            String::from_utf8_lossy(&compared.stdout)
        );
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_large_image_takes_several_batches_of_ascending_offsets() {
    let mut image = kafkas(STATIC).image;
    for n in 0..2000 {
        image.set_config(ConfigResource::topic("topic-1"), format!("key.{n}"), "x".repeat(1500));
    }
    let bytes = encode_checkpoint(&image, &Quorum::Static, 5).unwrap();
    let batches: Vec<_> = MetadataBatches::new(&bytes, 0).map(Result::unwrap).collect();
    assert_eq!(batches.len(), 5, "a header, three of data, a footer");
    let mut next = Offset(0);
    for batch in batches {
        assert_eq!((batch.base_offset, batch.end.epoch), (next, image.position().epoch));
        next = batch.end.end_offset;
    }
    assert_eq!(Checkpoint::decode(image.position(), &bytes).unwrap().image, image);
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let (name, bytes) = STATIC;
    let end = Position::of_checkpoint_name(name).unwrap();
    let whole = Checkpoint::decode(end, bytes).unwrap();
    for position in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.to_vec();
        damaged[position] ^= 0x10;
        // Base offset and leader epoch lie outside the CRC and mean nothing in a checkpoint.
        match Checkpoint::decode(end, &damaged) {
            Err(_) => {}
            Ok(read) => assert_eq!(read, whole, "byte {position}"),
        }
    }
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_refused() {
    let (name, bytes) = DYNAMIC;
    let end = Position::of_checkpoint_name(name).unwrap();
    for length in 0..bytes.len() {
        assert!(Checkpoint::decode(end, &bytes[..length]).is_err(), "{length} bytes");
    }
    let footer = 78;
    let error = Checkpoint::decode(end, &bytes[..bytes.len() - footer]).unwrap_err();
    assert!(
        matches!(error.code(), "checkpoint-no-footer" | "batch-truncated"),
        "{error}"
    );
    let twice = [bytes, bytes].concat();
    assert_eq!(
        Checkpoint::decode(end, &twice).unwrap_err().code(),
        "checkpoint-behind-footer"
    );
}

#[test]
fn data_without_a_snapshot_header_is_refused() {
    let (_, bytes) = STATIC;
    let first = MetadataBatches::new(bytes, 0).nth(1).unwrap().unwrap().position as usize;
    let error = Checkpoint::decode(Position::default(), &bytes[first..]).unwrap_err();
    assert_eq!(error, CheckpointError::NoHeader);
}

#[test]
fn a_dynamic_quorum_without_voters_is_neither_read_nor_written() {
    let quorum = Quorum::Dynamic(KRaftVoters::default());
    let error = CheckpointWriter::new(Position::default(), &quorum, 0).unwrap_err();
    assert_eq!(error.code(), "checkpoint-no-voters");
    let control = [
        ControlRecord::SnapshotHeader(Default::default()),
        ControlRecord::KRaftVersion(KRaftVersion {
            kraft_version: 1,
            ..Default::default()
        }),
        ControlRecord::SnapshotFooter(Default::default()),
    ];
    let mut batch =
        crate::batch::BatchBuilder::new(Offset(0), LeaderEpoch(0)).attributes(crate::batch::Attributes::CONTROL_BATCH);
    for record in control {
        let (key, value) = record.encode().unwrap();
        batch = batch.record(0, Some(&key), Some(&value));
    }
    let error = Checkpoint::decode(Position::default(), &batch.build()).unwrap_err();
    assert_eq!(error.code(), "checkpoint-no-voters");
}

#[test]
fn an_image_that_kafka_would_die_of_is_not_written() {
    let error = encode_checkpoint(&MetadataImage::new(), &Quorum::Static, 0).unwrap_err();
    assert_eq!(error.code(), "image-no-metadata-version");
}

#[test]
fn a_record_larger_than_any_batch_is_not_written() {
    let mut writer = CheckpointWriter::new(Position::default(), &Quorum::Static, 0).unwrap();
    let huge = TopicRecord {
        name: "x".repeat(9 << 20),
        ..Default::default()
    };
    assert_eq!(
        writer.push(&huge.into()).unwrap_err().code(),
        "checkpoint-record-too-large"
    );
    let large = TopicRecord {
        name: "x".repeat(3 << 20),
        ..Default::default()
    };
    writer.push(&large.into()).unwrap();
    writer.push(&NoOpRecord::default().into()).unwrap();
    let bytes = writer.finish().unwrap();
    assert_eq!(
        Checkpoint::decode(Position::default(), &bytes)
            .unwrap()
            .image
            .topics()
            .count(),
        1
    );
}

#[test]
fn names_are_kafkas() {
    let end = Position {
        end_offset: Offset(1505),
        epoch: LeaderEpoch(3),
    };
    assert_eq!(end.checkpoint_name(), STATIC.0);
    assert_eq!(Position::of_checkpoint_name(STATIC.0), Some(end));
    for other in [
        "bootstrap.checkpoint",
        "00000000000000001505-0000000003.checkpoint.deleted",
        "00000000000000001505-0000000003-123.checkpoint.part",
        "1505-3.checkpoint",
        "+0000000000000001505-0000000003.checkpoint",
        "00000000000000001505-9999999999.checkpoint",
    ] {
        assert_eq!(Position::of_checkpoint_name(other), None, "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_image_comes_back_from_its_checkpoint(seed: u64, dynamic: bool) {
        let mut dice = crate::message::sample::Dice(seed);
        let mut image = MetadataImage::new();
        let version = FeatureLevelRecord { name: METADATA_VERSION.into(), feature_level: 30, ..Default::default() };
        let broker = RegisterBrokerRecord { broker_id: NodeId(1), ..Default::default() };
        let mut next = 0;
        let mut fit = |record: MetadataRecord| {
            let before = image.clone();
            match image.apply(Offset(next), LeaderEpoch(2), record) {
                Ok(()) if image.flaws().all(|flaw| flaw == ImageFlaw::NoMetadataVersion) && !image.in_transaction() => next += 1,
                _ => image = before,
            }
        };
        fit(version.into());
        fit(broker.into());
        for _ in 0..100 {
            fit(record(&mut dice));
        }
        prop_assume!(image.flaws().next().is_none());
        let quorum = match dynamic {
            true => Quorum::Dynamic(KRaftVoters { voters: vec![Voter::default()], ..Default::default() }),
            false => Quorum::Static,
        };
        let bytes = encode_checkpoint(&image, &quorum, 77).unwrap();
        let read = Checkpoint::decode(image.position(), &bytes).unwrap();
        prop_assert_eq!(read.quorum, quorum);
        prop_assert_eq!(read.image.to_records().collect::<Vec<_>>(), image.to_records().collect::<Vec<_>>());
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Checkpoint::decode(Position::default(), &bytes);
    }
}
