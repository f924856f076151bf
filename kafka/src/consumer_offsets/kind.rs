//! The kinds of records that group coordinators store.

/// The kind of a record, the int16 that its key begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupRecordKind(pub i16);

impl GroupRecordKind {
    /// An offset committed by an old broker.
    pub const LEGACY_OFFSET_COMMIT: Self = Self(0);
    /// A committed offset.
    pub const OFFSET_COMMIT: Self = Self(1);
    /// A group of the classic protocol.
    pub const GROUP_METADATA: Self = Self(2);

    /// Kafka's name of it, if a release that is known here has one (4, 9 and 18 are no longer written; 24 came after 4.3).
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "LegacyOffsetCommit",
            1 => "OffsetCommit",
            2 => "GroupMetadata",
            3 => "ConsumerGroupMetadata",
            4 => "ConsumerGroupPartitionMetadata",
            5 => "ConsumerGroupMemberMetadata",
            6 => "ConsumerGroupTargetAssignmentMetadata",
            7 => "ConsumerGroupTargetAssignmentMember",
            8 => "ConsumerGroupCurrentMemberAssignment",
            9 => "ShareGroupPartitionMetadata",
            10 => "ShareGroupMemberMetadata",
            11 => "ShareGroupMetadata",
            12 => "ShareGroupTargetAssignmentMetadata",
            13 => "ShareGroupTargetAssignmentMember",
            14 => "ShareGroupCurrentMemberAssignment",
            15 => "ShareGroupStatePartitionMetadata",
            16 => "ConsumerGroupRegularExpression",
            17 => "StreamsGroupMetadata",
            18 => "StreamsGroupPartitionMetadata",
            19 => "StreamsGroupMemberMetadata",
            20 => "StreamsGroupTargetAssignmentMetadata",
            21 => "StreamsGroupTargetAssignmentMember",
            22 => "StreamsGroupCurrentMemberAssignment",
            23 => "StreamsGroupTopology",
            24 => "StreamsGroupTargetAssignmentResolvedTopicIds",
            _ => return None,
        })
    }
}
