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
