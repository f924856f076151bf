//! Which partition of a coordinator's topic an id belongs to.

use crate::ids::PartitionId;

/// Java's `String.hashCode`: over UTF-16 code units, wrapping.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The partition of `__consumer_offsets` for a group id, or of `__transaction_state` for a transactional id, when that topic has
/// `partitions` partitions; `None` if it has none. The number of partitions must never change, or ids move.
pub fn coordinator_partition(id: &str, partitions: i32) -> Option<PartitionId> {
    // Kafka's `Utils.abs` makes 0 of the one value that has no absolute.
    let hash = java_hash(id).checked_abs().unwrap_or(0);
    hash.checked_rem(partitions).filter(|_| partitions > 0).map(PartitionId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        // From `"…".hashCode()` of a JVM; the last is the one whose hash is Integer.MIN_VALUE.
        for (text, hash) in [
            ("", 0),
            ("bank-3", -1396347678),
            ("grüße-猫", 426820469),
            ("🐈", 1772395),
            ("polygenelubricants", i32::MIN),
        ] {
            assert_eq!(java_hash(text), hash, "{text}");
        }
    }

    #[test]
    fn an_id_without_an_absolute_hash_goes_to_partition_0() {
        assert_eq!(coordinator_partition("polygenelubricants", 50), Some(PartitionId(0)));
    }

    #[test]
    fn a_topic_without_partitions_holds_nothing() {
        assert_eq!(coordinator_partition("bank-3", 0), None);
        assert_eq!(coordinator_partition("bank-3", -1), None);
    }
}
