use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};
use maxbrod_proto::manifest;
use proptest::prelude::*;
use prost::Message as _;

use super::chunk_ref::{ChunkRef, decode_leaf, encode_leaf};
use super::node::NodeRef;
use super::partition::{BatchEnd, End, PartitionKind, PartitionRecord, ProducerSnapshot};
use super::table::Tables;
use crate::id::{ContentId, KeyId};
use crate::name::PackName;

fn chunk() -> impl Strategy<Value = ChunkRef> {
    let places = (any::<[u8; 32]>(), 0..3u64, any::<u32>(), 0..1u64 << 30);
    let contents = (
        0..1000i64,
        1..50i64,
        any::<i32>(),
        prop::option::of(0..3u8),
        0..1u64 << 30,
        any::<bool>(),
    );
    (places, contents).prop_map(
        |((id, pack, position, length), (base, count, epoch, key, logical_length, closed))| ChunkRef {
            id: ContentId(id),
            base_offset: Offset(base),
            next_offset: Offset(base + count),
            leader_epoch: LeaderEpoch(epoch),
            pack: PackName {
                run: pack,
                epoch: 1,
                sequence: pack * 7,
            },
            position: u64::from(position),
            length,
            key: key.map(|key| KeyId([key; 16])),
            logical_length,
            closed,
        },
    )
}

fn record() -> impl Strategy<Value = PartitionRecord> {
    let end = prop_oneof![
        any::<i64>().prop_map(|offset| End::Empty(Offset(offset))),
        any::<(i64, i32, u32)>().prop_map(|(end, epoch, crc)| {
            End::After(BatchEnd {
                end_offset: Offset(end),
                leader_epoch: LeaderEpoch(epoch),
                crc,
            })
        }),
    ];
    let kind = prop_oneof![
        Just(PartitionKind::Data),
        Just(PartitionKind::TransactionState),
        Just(PartitionKind::ConsumerOffsets)
    ];
    let epochs = prop::collection::vec(any::<(i32, i64)>(), 0..5);
    let snapshot = prop::option::of((any::<i64>(), chunk()));
    (
        any::<([u8; 16], i32, i32, i64)>(),
        end,
        kind,
        epochs,
        snapshot,
        ".{0,20}",
        any::<(bool, bool)>(),
    )
        .prop_map(
            |((id, partition, source, start), end, kind, epochs, snapshot, metadata, (compacted, vouched))| {
                PartitionRecord {
                    topic_id: TopicId(Uuid(id)),
                    partition: PartitionId(partition),
                    kind,
                    source: NodeId(source),
                    source_directory: DirectoryId(Uuid(id)),
                    log_start: Offset(start),
                    end,
                    leader_epochs: epochs
                        .into_iter()
                        .map(|(epoch, start)| (LeaderEpoch(epoch), Offset(start)))
                        .collect(),
                    compacted,
                    producer_snapshot: snapshot.map(|(offset, chunk)| ProducerSnapshot {
                        offset: Offset(offset),
                        chunk,
                    }),
                    partition_metadata: metadata,
                    vouched,
                }
            },
        )
}

proptest! {
    #[test]
    fn chunks_of_a_leaf_survive_encoding(mut chunks in prop::collection::vec(chunk(), 0..20)) {
        let mut offset = 0;
        for chunk in &mut chunks {
            let count = chunk.next_offset.0 - chunk.base_offset.0;
            chunk.base_offset = Offset(offset);
            offset += count;
            chunk.next_offset = Offset(offset);
        }
        let bytes = encode_leaf(&chunks).encode_to_vec();
        prop_assert_eq!(decode_leaf(&manifest::Leaf::decode(bytes.as_slice()).unwrap()), Some(chunks));
    }

    #[test]
    fn a_partition_survives_encoding(record in record()) {
        let mut tables = Tables::default();
        let mut node = record.encode(&mut tables);
        (node.packs, node.keys) = tables.finish();
        let node = manifest::Partition::decode(node.encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(PartitionRecord::decode(&node), Some(record));
    }

    #[test]
    fn chunks_that_do_not_ascend_are_no_leaf(one in chunk(), two in chunk()) {
        prop_assume!(one.next_offset > two.base_offset);
        prop_assert_eq!(decode_leaf(&encode_leaf(&[one, two])), None);
    }

    #[test]
    fn a_reference_into_a_table_that_is_too_short_is_noticed(chunk in chunk()) {
        let mut leaf = encode_leaf(&[chunk]);
        leaf.packs.clear();
        prop_assert_eq!(decode_leaf(&leaf), None);
        let mut leaf = encode_leaf(&[chunk]);
        leaf.keys.clear();
        prop_assert_eq!(decode_leaf(&leaf).is_none(), chunk.key.is_some());
    }

    #[test]
    fn garbage_never_makes_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(leaf) = manifest::Leaf::decode(bytes.as_slice()) {
            let _ = decode_leaf(&leaf);
        }
        if let Ok(node) = manifest::Partition::decode(bytes.as_slice()) {
            let _ = PartitionRecord::decode(&node);
        }
        if let Ok(topics) = manifest::Topics::decode(bytes.as_slice()) {
            let _ = super::reader::decode_topics(&topics);
        }
        if let Ok(node) = manifest::NodeRef::decode(bytes.as_slice()) {
            let _ = NodeRef::decode(Some(&node), &[]);
        }
        let _ = manifest::Root::decode(bytes.as_slice());
    }

    #[test]
    fn scrambled_nodes_never_make_a_decoder_panic(record in record(), place in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = record.encode(&mut Tables::default()).encode_to_vec();
        let at = place.index(bytes.len());
        bytes[at] = byte;
        if let Ok(node) = manifest::Partition::decode(bytes.as_slice()) {
            let _ = PartitionRecord::decode(&node);
        }
    }
}
