//! The values that are decoded in full.

use bytes::Bytes;

use crate::ids::{LeaderEpoch, Offset, TopicId};

message! {
    /// A committed offset, the value of a record.
    pub struct OffsetCommitValue: versions 0..=4, flexible 4 {
        /// The offset of the next record to be read.
        offset: Offset;
        /// The leader epoch of the last record read, -1 unknown.
        leader_epoch: LeaderEpoch [since 3] = LeaderEpoch(-1);
        /// What the client wanted to keep.
        metadata: String;
        /// Milliseconds since the epoch.
        commit_timestamp: i64;
        /// Milliseconds since the epoch, -1 none.
        expire_timestamp: i64 [only 1] = -1;
        /// The topic's id (Kafka 4.1).
        topic_id: TopicId [since 4, tag 0];
    }

    /// A member of a classic group.
    pub struct GroupMember {
        /// Its id.
        member_id: String;
        /// The id of a static member.
        group_instance_id: Option<String> [since 3];
        /// What the client calls itself.
        client_id: String;
        /// Whence the client came.
        client_host: String;
        /// Milliseconds.
        rebalance_timeout: i32 [since 1] = -1;
        /// Milliseconds.
        session_timeout: i32;
        /// What it subscribed to, in the words of the client's protocol.
        subscription: Bytes;
        /// What it was assigned, likewise.
        assignment: Bytes;
    }

    /// A classic group, the value of a record.
    pub struct GroupMetadataValue: versions 0..=4, flexible 4 {
        /// `consumer`, `connect`, or empty.
        protocol_type: String;
        /// Grows with each rebalance.
        generation: i32;
        /// The assignor chosen.
        protocol: Option<String>;
        /// The member that assigns.
        leader: Option<String>;
        /// Milliseconds since the epoch, -1 unknown.
        current_state_timestamp: i64 [since 2] = -1;
        /// The members.
        members: Vec<GroupMember>;
    }
}
