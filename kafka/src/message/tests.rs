#![allow(unreachable_pub, reason = "the declared messages of this test are public nowhere")]

use bytes::Bytes;
use proptest::prelude::*;

use super::sample::{Dice, sample_message};
use super::*;

message! {
    /// A struct inside.
    pub struct Inner {
        /// A name.
        name: String;
        /// A port.
        port: u16;
    }

    /// A message with every kind of field.
    pub struct Example: versions 0..=3, flexible 2 {
        /// All versions.
        id: i32 = -1;
        /// Later versions.
        epoch: i64 [since 1] = -1;
        /// One version.
        expiry: i64 [only 1];
        /// Nested.
        inners: Vec<Inner>;
        /// Nullable.
        note: Option<String>;
        /// Nullable bytes.
        blob: Option<Bytes> [since 2];
        /// Tagged, with a default that is not its type's.
        leader: i32 [since 2, tag 1] = -2;
        /// Tagged and nullable.
        isr: Option<Vec<i32>> [since 3, tag 4];
        /// A float.
        quota: f64;
    }
}

/// What Kafka 4.3.1's own classes wrote (tests/fixtures/README.md): message, version, `defaults` or `filled`, bytes.
pub(crate) fn kafkas_messages() -> impl Iterator<Item = (&'static str, i16, &'static str, Bytes)> {
    include_str!("../../tests/fixtures/messages-4.3.1.txt")
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            let (name, version, how, hex) = (word(), word().parse().unwrap(), word(), word());
            let bytes = (0..hex.len())
                .step_by(2)
                .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
                .collect();
            (name, version, how, bytes)
        })
}

fn sample() -> impl Strategy<Value = Example> {
    any::<u64>().prop_map(|seed| sample_message(&mut Dice(seed)))
}

proptest! {
    #[test]
    fn every_message_comes_back_as_it_was_with_unknown_tags(message in sample()) {
        let bytes = message.encode().unwrap();
        prop_assert_eq!(Example::decode(message.version, &bytes).unwrap(), message);
    }

    #[test]
    fn any_prefix_of_a_message_is_refused(message in sample(), cut in any::<prop::sample::Index>()) {
        let bytes = message.encode().unwrap();
        prop_assert!(Example::decode(message.version, &bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in -1i16..5) {
        let _ = Example::decode(version, &bytes);
    }

    #[test]
    fn numbers_come_back(a: i32, b: i64, c: u32) {
        let mut writer = Writer::new();
        writer.varint(a);
        writer.varlong(b);
        writer.uvarint(c);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!((reader.varint().unwrap(), reader.varlong().unwrap(), reader.uvarint().unwrap()), (a, b, c));
        prop_assert_eq!(reader.left(), 0);
    }
}

#[test]
fn varints_have_kafkas_bytes() {
    let mut writer = Writer::new();
    writer.varint(-1);
    writer.varint(300);
    writer.uvarint(300);
    writer.varlong(i64::MIN);
    assert_eq!(
        writer.finish().as_ref(),
        [
            0x01, 0xd8, 0x04, 0xac, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
        ]
    );
}

#[test]
fn a_varint_wider_than_its_type_is_refused() {
    for bytes in [
        &[0xff, 0xff, 0xff, 0xff, 0x1f][..],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ] {
        assert_eq!(Reader::new(bytes).uvarint().unwrap_err().code(), "message-varint");
    }
}

#[test]
fn a_huge_count_in_few_bytes_is_refused_at_once() {
    let mut writer = Writer::new();
    writer.i32(i32::MAX);
    let bytes = writer.finish();
    let layout = Layout {
        version: 0,
        flexible: false,
    };
    assert_eq!(
        Vec::<i64>::read(&mut Reader::new(&bytes), layout).unwrap_err().code(),
        "message-length"
    );
}

#[test]
fn a_value_the_version_cannot_hold_is_refused() {
    let message = Example {
        version: 0,
        epoch: 5,
        ..Example::default()
    };
    assert_eq!(
        message.encode().unwrap_err(),
        MessageError::NotInVersion {
            message: "Example",
            field: "epoch",
            version: 0
        }
    );
}

#[test]
fn a_nullable_struct_is_marked_by_its_first_byte() {
    let mut writer = Writer::new();
    writer
        .nullable_struct(Some(&7), |writer, value| {
            writer.i32(*value);
            Ok(())
        })
        .unwrap();
    writer.nullable_struct(None::<&i32>, |_, _| Ok(())).unwrap();
    let bytes = writer.finish();
    assert_eq!(bytes.as_ref(), [1, 0, 0, 0, 7, 0xff]);
    let mut reader = Reader::new(&bytes);
    assert_eq!(reader.nullable_struct(Reader::i32).unwrap(), Some(7));
    assert_eq!(reader.nullable_struct(Reader::i32).unwrap(), None);
}
