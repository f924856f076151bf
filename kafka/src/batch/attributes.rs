//! The attribute bits of a batch.

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in Xerial's framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
    /// A codec that this build does not know (its number).
    Unknown(u8),
}

/// What the timestamps of a batch mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// Set by the producer.
    CreateTime,
    /// Set by the leader at the append; the batch's maximum holds for all its records.
    LogAppendTime,
}

/// The 16 attribute bits. Bits that are not understood are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub i16);

impl Attributes {
    const TIMESTAMP_TYPE: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// No compression, CreateTime, data.
    pub const PLAIN: Self = Self(0);
    /// A control batch outside transactions: leader changes, snapshot headers.
    pub const CONTROL_BATCH: Self = Self(Self::CONTROL);
    /// A transaction marker.
    pub const MARKER: Self = Self(Self::CONTROL | Self::TRANSACTIONAL);

    /// The codec (bits 0–2).
    pub fn compression(self) -> Compression {
        match self.0 & 7 {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            other => Compression::Unknown(other as u8),
        }
    }

    /// The same bits with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        let number = match compression {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
            Compression::Unknown(number) => i16::from(number & 7),
        };
        Self(self.0 & !7 | number)
    }

    /// The timestamps' meaning (bit 3).
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::TIMESTAMP_TYPE == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction (bit 4).
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// The same bits, of a transaction.
    #[must_use]
    pub fn transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// Whether the records are control records (bit 5).
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp holds the delete horizon instead (bit 6, KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}
