use proptest::prelude::*;

use super::*;

#[test]
fn names_are_kafkas() {
    assert_eq!(SegmentFile::Log.name(Offset(1234)), "00000000000000001234.log");
    let id = CheckpointId {
        end_offset: Offset(2711),
        epoch: LeaderEpoch(12),
    };
    assert_eq!(id.file_name(), "00000000000000002711-0000000012.checkpoint");
}

#[test]
fn files_on_their_way_in_or_out_are_no_segments() {
    for name in [
        "00000000000000001234.log.deleted",
        "00000000000000001234.log.swap",
        "1234.log",
        "-0000000000000001234.log",
    ] {
        assert_eq!(SegmentFile::parse(name), None, "{name}");
    }
    assert_eq!(
        CheckpointId::parse("00000000000000002711-0000000012-81.checkpoint.part"),
        None
    );
    assert_eq!(CheckpointId::parse("bootstrap.checkpoint"), None);
}

#[test]
fn what_happens_to_a_file_is_told_by_its_suffix() {
    let name = Transit::Swap.name(SegmentFile::Log, Offset(1234));
    assert_eq!(name, "00000000000000001234.log.swap");
    for transit in [Transit::Deleted, Transit::Cleaned, Transit::Swap] {
        for kind in [SegmentFile::Log, SegmentFile::TxnIndex, SegmentFile::Snapshot] {
            let name = transit.name(kind, Offset(7));
            assert_eq!(SegmentFile::parse_in_transit(&name), Some((Offset(7), kind, transit)));
        }
    }
    for name in [
        "00000000000000001234.log",
        "x.deleted",
        ".swap",
        "00000000000000001234.log.swap.deleted",
    ] {
        assert_eq!(SegmentFile::parse_in_transit(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn names_read_back_as_written(offset in 0i64.., epoch in 0i32..) {
        let id = CheckpointId { end_offset: Offset(offset), epoch: LeaderEpoch(epoch) };
        prop_assert_eq!(CheckpointId::parse(&id.file_name()), Some(id));
        prop_assert_eq!(SegmentFile::parse(&SegmentFile::Snapshot.name(Offset(offset))), Some((Offset(offset), SegmentFile::Snapshot)));
    }

    #[test]
    fn garbage_never_panics(name: String) {
        let _ = (SegmentFile::parse_in_transit(&name), SegmentFile::parse(&name), CheckpointId::parse(&name));
    }
}
