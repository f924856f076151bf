use proptest::prelude::*;

use super::{Pressure, pressure};
use crate::config::{ByteSize, MinFree};
use crate::directory::Space;

const GIB: u64 = 1 << 30;

fn judged(total: u64, free: u64, min_free: MinFree) -> Pressure {
    pressure(Space { total, free }, min_free)
}

#[test]
fn a_small_disk_gives_way_at_its_share() {
    let percent = MinFree::Percent(15);
    assert_eq!(judged(100 * GIB, 16 * GIB, percent), Pressure::None);
    assert_eq!(judged(100 * GIB, 14 * GIB, percent), Pressure::Soft);
    assert_eq!(judged(100 * GIB, 7 * GIB, percent), Pressure::Hard);
}

#[test]
fn a_large_disk_gives_way_at_twenty_gibibytes() {
    let percent = MinFree::Percent(15);
    assert_eq!(judged(10_000 * GIB, 21 * GIB, percent), Pressure::None);
    assert_eq!(judged(10_000 * GIB, 19 * GIB, percent), Pressure::Soft);
    assert_eq!(judged(10_000 * GIB, 9 * GIB, percent), Pressure::Hard);
}

#[test]
fn a_floor_in_bytes_is_taken_as_it_is() {
    let bytes = MinFree::Bytes(ByteSize(50 * GIB));
    assert_eq!(judged(100 * GIB, 49 * GIB, bytes), Pressure::Soft);
    assert_eq!(judged(100 * GIB, 24 * GIB, bytes), Pressure::Hard);
}

proptest! {
    #[test]
    fn less_space_never_means_less_pressure(total: u64, a: u64, b: u64, percent in 0u8..100) {
        let (less, more) = (a.min(b), a.max(b));
        let min_free = MinFree::Percent(percent);
        prop_assert!(judged(total, less, min_free) >= judged(total, more, min_free));
    }
}
