use maxbrod_kafka::ClusterId;
use proptest::prelude::*;

use super::{ClusterNames, PackName, SnapshotId, entry_number};

#[test]
fn a_snapshot_is_named_by_time_and_run() {
    let id = SnapshotId::new("2025-03-09T07:05:03.999Z".parse().unwrap(), 42);
    assert_eq!(id.as_str(), "20250309T070503Z-42");
    assert_eq!(id.run(), 42);
    assert_eq!(id.as_str().parse::<SnapshotId>().unwrap(), id);
    for wrong in [
        "",
        "latest",
        "20250309T070503Z",
        "20250309T070503Z-",
        "20250309T070503Z-042",
        "20251309T070503Z-42",
    ] {
        assert!(wrong.parse::<SnapshotId>().is_err(), "{wrong}");
    }
}

#[test]
fn a_cluster_id_that_would_leave_its_folder_is_refused() {
    assert!(ClusterNames::new(&ClusterId("MkU3OEVBNTcwNTJENDM2Qg".to_owned())).is_ok());
    for wrong in ["", "..", "a/b", "a b", "ä", &"x".repeat(65)] {
        assert!(ClusterNames::new(&ClusterId(wrong.to_owned())).is_err(), "{wrong}");
    }
}

#[test]
fn entries_sort_like_their_numbers() {
    let names = ClusterNames::new(&ClusterId("c".to_owned())).unwrap();
    assert!(names.entry(9) < names.entry(10));
    assert_eq!(entry_number(&names.entry(123)), Some(123));
    assert_eq!(entry_number("clusters/c/journal/123"), None);
}

proptest! {
    #[test]
    fn a_pack_name_has_one_spelling(run: u64, epoch: u64, sequence: u64, other in "[0-9+/ -]{0,12}") {
        let name = PackName { run, epoch, sequence };
        prop_assert_eq!(name.to_string().parse::<PackName>().unwrap(), name);
        if let Ok(name) = other.parse::<PackName>() {
            prop_assert_eq!(name.to_string(), other);
        }
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,40}") {
        let _ = text.parse::<SnapshotId>();
        let _ = text.parse::<PackName>();
        let _ = text.parse::<crate::RepositoryId>();
        let _ = text.parse::<crate::ContentId>();
        let _ = entry_number(&text);
    }
}
