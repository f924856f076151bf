use super::*;

fn begin() -> MetadataRecord {
    BeginTransactionRecord::default().into()
}

#[test]
fn a_transaction_takes_effect_with_its_end() {
    let mut image = orders();
    let before = image.clone();
    more(
        &mut image,
        [
            begin(),
            PartitionChangeRecord {
                leader: NodeId(2),
                ..change()
            }
            .into(),
        ],
    );
    assert!(image.in_transaction());
    assert_eq!(first(&image).leader, NodeId(1));
    assert_eq!(image.position(), before.position());
    more(&mut image, [EndTransactionRecord::default().into()]);
    assert_eq!(first(&image).leader, NodeId(2));
    assert_eq!(
        image.position(),
        Position {
            end_offset: Offset(6),
            epoch: LeaderEpoch(3)
        }
    );
}

#[test]
fn an_aborted_transaction_leaves_nothing_but_its_offsets() {
    let mut image = orders();
    more(
        &mut image,
        [
            begin(),
            PartitionChangeRecord {
                leader: NodeId(2),
                ..change()
            }
            .into(),
        ],
    );
    more(&mut image, [AbortTransactionRecord::default().into()]);
    assert_eq!(
        (first(&image).leader, image.position().end_offset),
        (NodeId(1), Offset(6))
    );
}

#[test]
fn a_transaction_without_an_end_is_dropped_and_can_be_read_again() {
    let mut image = orders();
    let before = image.clone();
    more(
        &mut image,
        [
            begin(),
            PartitionChangeRecord {
                leader: NodeId(2),
                ..change()
            }
            .into(),
        ],
    );
    image.advance(Offset(6), LeaderEpoch(4));
    image.drop_open_transaction();
    assert_eq!(image, before);
    more(&mut image, [begin()]);
    assert!(image.in_transaction());
}

#[test]
fn transactions_neither_nest_nor_end_unbegun() {
    let mut image = replay([begin()]);
    assert_eq!(
        refuse(&mut image, BeginTransactionRecord::default()).code(),
        "metadata-transaction-open"
    );
    let mut image = MetadataImage::new();
    assert_eq!(
        refuse(&mut image, EndTransactionRecord::default()).code(),
        "metadata-no-transaction"
    );
    assert_eq!(
        refuse(&mut image, AbortTransactionRecord::default()).code(),
        "metadata-no-transaction"
    );
}

#[test]
fn a_log_may_overlap_its_checkpoint_but_not_leave_a_gap() {
    let end = Position {
        end_offset: Offset(100),
        epoch: LeaderEpoch(4),
    };
    let mut image = MetadataImage::from_snapshot(end, orders().to_records()).unwrap();
    assert_eq!(image.position(), end);
    image
        .apply(Offset(99), LeaderEpoch(4), RemoveTopicRecord::default().into())
        .unwrap();
    assert_eq!(image.topics().count(), 1);
    image.advance(Offset(101), LeaderEpoch(5));
    let error = image
        .apply(Offset(102), LeaderEpoch(5), NoOpRecord::default().into())
        .unwrap_err();
    assert_eq!(
        (error.code(), error.reason),
        ("metadata-gap", ReplayReason::Gap { expected: Offset(101) })
    );
}

#[test]
fn a_newer_version_of_a_known_record_is_refused_rather_than_guessed() {
    let mut image = orders();
    let error = refuse(
        &mut image,
        MetadataRecord::Unknown {
            api_key: 5,
            version: 9,
            bytes: Bytes::new(),
        },
    );
    assert_eq!(
        (error.code(), error.record),
        ("metadata-newer-version", "PartitionChangeRecord")
    );
}

#[test]
fn what_is_new_to_this_code_is_kept_and_told() {
    let mut image = orders();
    let unknown = |n| MetadataRecord::Unknown {
        api_key: 77,
        version: 0,
        bytes: Bytes::from(vec![n]),
    };
    let unknown_tags = UnknownTags::from_iter([(40, Bytes::from_static(b"x"))]);
    more(
        &mut image,
        [
            unknown(2),
            unknown(1),
            PartitionChangeRecord {
                unknown_tags,
                ..change()
            }
            .into(),
        ],
    );
    assert_eq!(image.to_records().skip(3).collect::<Vec<_>>(), [unknown(2), unknown(1)]);
    let told: Vec<_> = image.not_understood().collect();
    assert_eq!(
        told,
        ["metadata record type 77", "tagged field 40 of PartitionChangeRecord"]
    );
}
