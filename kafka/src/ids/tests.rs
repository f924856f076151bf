use proptest::prelude::*;

use super::*;

#[test]
fn the_metadata_topic_id_is_written_as_kafka_writes_it() {
    assert_eq!(TopicId::METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ".parse(), Ok(TopicId::METADATA));
}

#[test]
fn texts_that_are_no_uuid_are_refused() {
    for text in [
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAR",
        "AAAAAAAAAAAAAAAAAAAA+Q",
        "ÄAAAAAAAAAAAAAAAAAAAQ",
    ] {
        assert!(text.parse::<Uuid>().is_err(), "{text}");
    }
}

#[test]
fn no_directory_gets_an_id_that_kafka_keeps_to_itself() {
    for id in [DirectoryId::MIGRATING, DirectoryId::UNASSIGNED, DirectoryId::LOST] {
        assert!(id.is_reserved(), "{id}");
    }
    assert_eq!(DirectoryId::LOST.to_string(), "AAAAAAAAAAAAAAAAAAAAAg");
    assert!(!"EoenS9XkQg6htfdiai3pXw".parse::<DirectoryId>().unwrap().is_reserved());
}

#[test]
fn numbers_are_read_and_written_as_numbers() {
    assert_eq!("-1".parse(), Ok(Offset(-1)));
    assert_eq!(BrokerEpoch(42).to_string(), "42");
    assert_eq!(format!("{:020}", Offset(7)), "00000000000000000007");
    assert!("70000".parse::<ProducerEpoch>().is_err());
}

proptest! {
    #[test]
    fn uuids_read_back_as_written(bytes: [u8; 16]) {
        let uuid = Uuid(bytes);
        prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
    }

    #[test]
    fn garbage_never_panics(text: String) {
        let _ = text.parse::<Uuid>();
    }
}
