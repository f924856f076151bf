//! The identifiers and numbers of Kafka, each its own type, so that an offset cannot pass for an epoch.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

#[cfg(test)]
mod tests;

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

numbers! {
    /// A position in a partition's log: the number of a record.
    Offset(i64);
    /// The term of a partition's leader. Every batch carries the epoch of the leader that appended it.
    LeaderEpoch(i32);
    /// The number of a partition within its topic.
    PartitionId(i32);
    /// A broker's or controller's `node.id`.
    NodeId(i32);
    /// An idempotent or transactional producer.
    ProducerId(i64);
    /// The term of a producer id: raised to fence its former holder (and by every transaction of version 2).
    ProducerEpoch(i16);
    /// The metadata offset of a broker's registration.
    BrokerEpoch(i64);
}

/// The id of a cluster, as `meta.properties` and every request carry it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub String);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClusterId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Kafka's UUID: 16 bytes, written as 22 characters of URL-safe base64 without padding (`org.apache.kafka.common.Uuid`).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// All zero: "no id".
    pub const ZERO: Self = Self([0; 16]);

    /// The id with this last byte, all others zero: the ids that Kafka reserves.
    const fn reserved(last: u8) -> Self {
        let mut bytes = [0; 16];
        bytes[15] = last;
        Self(bytes)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        // 22 digits of six bits are 132 bits: the last digit carries four zero bits of padding.
        for digit in 0..21 {
            let six = (number >> (122 - digit * 6)) & 63;
            fmt::Write::write_char(f, char::from(ALPHABET.get(six as usize).copied().unwrap_or(b'A')))?;
        }
        let last = ((number & 3) << 4) as usize;
        fmt::Write::write_char(f, char::from(ALPHABET.get(last).copied().unwrap_or(b'A')))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no Kafka UUID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not a Kafka UUID: 22 characters of URL-safe base64 are")]
pub struct InvalidUuid {
    text: String,
}

impl InvalidUuid {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        "uuid-invalid"
    }
}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Self, InvalidUuid> {
        let invalid = || InvalidUuid {
            text: text.chars().take(64).collect(),
        };
        if text.len() != 22 {
            return Err(invalid());
        }
        let mut number: u128 = 0;
        for (index, byte) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|letter| *letter == byte).ok_or_else(invalid)? as u128;
            number = if index < 21 {
                number << 6 | six
            } else if six & 15 == 0 {
                number << 2 | six >> 4
            } else {
                return Err(invalid());
            };
        }
        Ok(Self(number.to_be_bytes()))
    }
}

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidUuid;

            fn from_str(text: &str) -> Result<Self, InvalidUuid> {
                text.parse().map(Self)
            }
        }
    )*};
}

uuids! {
    /// The id of a topic: a topic that is deleted and created again has another one.
    TopicId;
    /// The id of a log dir, kept in its `meta.properties`.
    DirectoryId;
}

impl TopicId {
    /// The topic id of `__cluster_metadata`.
    pub const METADATA: Self = Self(Uuid::reserved(1));
}

impl DirectoryId {
    /// A replica on its way from one log dir to another (`DirectoryId.MIGRATING`).
    pub const MIGRATING: Self = Self(Uuid::reserved(0));
    /// A replica that no log dir was chosen for yet.
    pub const UNASSIGNED: Self = Self(Uuid::reserved(1));
    /// A replica whose log dir is offline.
    pub const LOST: Self = Self(Uuid::reserved(2));

    /// Whether no log dir can have this id: Kafka keeps the first hundred to itself (`DirectoryId.reserved`).
    pub fn is_reserved(self) -> bool {
        u128::from_be_bytes(self.0.0) < 100
    }
}
