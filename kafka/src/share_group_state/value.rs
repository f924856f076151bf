//! The values.

use crate::ids::{LeaderEpoch, Offset};

message! {
    /// A stretch of offsets that are in one state.
    pub struct ShareStateBatch {
        /// Its first offset.
        first_offset: Offset;
        /// Its last offset.
        last_offset: Offset;
        /// 0 available, 2 acknowledged, 4 archived.
        delivery_state: i8;
        /// How often the records were delivered.
        delivery_count: i16;
    }

    /// The whole state of a share group in a partition, the value of a record.
    pub struct ShareSnapshotValue: versions 0..=0, flexible 0 {
        /// Grows with each snapshot.
        snapshot_epoch: i32;
        /// Grows when the group's state is set anew.
        state_epoch: i32;
        /// The epoch of the partition's leader that wrote it, -1 unknown.
        leader_epoch: LeaderEpoch;
        /// All before it is done with, -1 not known yet.
        start_offset: Offset;
        /// Milliseconds since the epoch.
        create_timestamp: i64;
        /// Milliseconds since the epoch.
        write_timestamp: i64;
        /// How many offsets from the start offset on are done with, -1 unknown (Kafka 4.2).
        delivery_complete_count: i32 [tag 0] = -1;
        /// What is at or after it and not simply available.
        state_batches: Vec<ShareStateBatch>;
    }

    /// What changed of it, the value of a record.
    pub struct ShareUpdateValue: versions 0..=0, flexible 0 {
        /// The snapshot that it changes.
        snapshot_epoch: i32;
        /// The epoch of the partition's leader that wrote it, -1 unknown.
        leader_epoch: LeaderEpoch;
        /// The new start offset, -1 as before.
        start_offset: Offset;
        /// How many offsets from the start offset on are done with, -1 unknown (Kafka 4.2).
        delivery_complete_count: i32 [tag 0] = -1;
        /// What is in another state now.
        state_batches: Vec<ShareStateBatch>;
    }
}
