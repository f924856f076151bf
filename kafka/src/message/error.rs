//! Why bytes are not a message, or a message has no bytes.

use thiserror::Error;

/// Why a message could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// The bytes end inside a field.
    #[error("read {what}: {needed} bytes are needed and {left} are left")]
    Truncated {
        /// The kind of field that was being read.
        what: &'static str,
        /// How many bytes it takes at least.
        needed: usize,
        /// How many there were.
        left: usize,
    },
    /// A varint goes on beyond the width of its type.
    #[error("read {what}: the varint does not fit")]
    Varint {
        /// The kind of varint.
        what: &'static str,
    },
    /// A length is negative where null is not allowed, or more than the bytes that are left.
    #[error("read {what}: length {length} is impossible")]
    Length {
        /// The kind of field whose length it is.
        what: &'static str,
        /// The length as read.
        length: i64,
    },
    /// A field that may not be null is null.
    #[error("read {what}: null is not allowed here")]
    Null {
        /// The kind of field.
        what: &'static str,
    },
    /// A string is not UTF-8. Kafka only writes UTF-8, whatever a client sent.
    #[error("read a string: it is not UTF-8")]
    NotUtf8,
    /// Tags don't ascend.
    #[error("read tagged fields: tag {tag} comes after tag {previous}")]
    TagOrder {
        /// The tag out of order.
        tag: u32,
        /// The tag before it.
        previous: u32,
    },
    /// Bytes follow where the message should end.
    #[error("read {what}: {left} bytes follow its end")]
    TrailingBytes {
        /// What should have ended.
        what: &'static str,
        /// How many bytes there still are.
        left: usize,
    },
    /// The version is not one that this code knows.
    #[error("read {message}: version {version} is not known")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// Its version.
        version: i16,
    },
    /// A field has a value that the version to be written cannot hold.
    #[error("write {message}: version {version} has no {field}")]
    NotInVersion {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// Something is longer than its length field can say.
    #[error("write {what}: {length} is more than its length field can hold")]
    TooLong {
        /// The kind of field.
        what: &'static str,
        /// Its length.
        length: usize,
    },
}

impl MessageError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "message-truncated",
            Self::Varint { .. } => "message-varint",
            Self::Length { .. } => "message-length",
            Self::Null { .. } => "message-null",
            Self::NotUtf8 => "message-not-utf8",
            Self::TagOrder { .. } => "message-tag-order",
            Self::TrailingBytes { .. } => "message-trailing-bytes",
            Self::UnsupportedVersion { .. } => "message-version",
            Self::NotInVersion { .. } => "message-not-in-version",
            Self::TooLong { .. } => "message-too-long",
        }
    }
}
