use proptest::prelude::*;

use super::*;

fn entry(n: i64) -> ProducerEntry {
    ProducerEntry {
        producer_id: ProducerId(n),
        epoch: ProducerEpoch(n as i16),
        last_sequence: n as i32,
        last_offset: Offset(n * 3),
        offset_delta: n as i32,
        timestamp: n << 20,
        coordinator_epoch: LeaderEpoch(-1),
        current_txn_first_offset: Offset(-1),
    }
}

#[test]
fn a_half_written_snapshot_is_found() {
    let bytes = write_producer_snapshot(&[entry(1), entry(2)]);
    for length in 0..bytes.len() {
        assert!(parse_producer_snapshot(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_snapshot_says_what_is_wrong_with_it() {
    let code = |bytes: &[u8]| parse_producer_snapshot(bytes).unwrap_err().code();
    let mut bytes = write_producer_snapshot(&[entry(1)]);
    bytes[1] = 2;
    assert_eq!(code(&bytes), "producer-snapshot-version");
    bytes[1] = 1;
    bytes[20] ^= 1;
    assert_eq!(code(&bytes), "producer-snapshot-crc");
    assert_eq!(code(&[0, 1, 0]), "producer-snapshot-torn");
    // A right CRC over an impossible count.
    let body = (-1i32).to_be_bytes();
    let mut bytes = vec![0, 1];
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    assert_eq!(code(&bytes), "producer-snapshot-torn");
}

proptest! {
    #[test]
    fn snapshots_read_back_as_written(numbers in prop::collection::vec(any::<i32>(), 0..9)) {
        let entries: Vec<ProducerEntry> = numbers.into_iter().map(|n| entry(i64::from(n))).collect();
        prop_assert_eq!(parse_producer_snapshot(&write_producer_snapshot(&entries)), Ok(entries));
    }

    #[test]
    fn every_flipped_bit_is_found(at in 0usize..98, bit in 0u8..8) {
        let mut bytes = write_producer_snapshot(&[entry(1), entry(2)]);
        bytes[at] ^= 1 << bit;
        prop_assert!(parse_producer_snapshot(&bytes).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = parse_producer_snapshot(&bytes);
    }
}
