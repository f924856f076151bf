//! The frame around a metadata record, and the record that is one of all (K§5.5, Kafka's `AbstractApiMessageSerde`).

use bytes::Bytes;
use thiserror::Error;

use super::*;
use crate::message::{Message, MessageError, Reader, Writer};

/// The only version of the frame that there is.
const FRAME_VERSION: u32 = 1;

/// Why the value of a record in the metadata log is not a metadata record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The frame around it is of a newer kind.
    #[error("read a metadata record: frame version {0} is not known")]
    Frame(u32),
    /// The frame itself is broken.
    #[error("read a metadata record's frame: {0}")]
    Header(#[source] MessageError),
    /// The record inside is broken.
    #[error("read metadata record {name} of version {version}: {source}")]
    Body {
        /// Kafka's name of the record.
        name: &'static str,
        /// Its version.
        version: u32,
        /// What is wrong.
        source: MessageError,
    },
}

impl RecordError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame(_) => "metadata-frame-version",
            Self::Header(source) | Self::Body { source, .. } => source.code(),
        }
    }
}

macro_rules! records {
    ($($key:literal $variant:ident($record:ident),)*) => {
        /// A record of the metadata log.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented by its record")]
        pub enum MetadataRecord {
            $($variant($record),)*
            /// A record, or a version of one, that this code does not know; its bytes come back as they were.
            Unknown {
                /// The record's type.
                api_key: u32,
                /// Its version.
                version: u32,
                /// Everything behind the frame.
                bytes: Bytes,
            },
        }

        impl MetadataRecord {
            /// The number of its type.
            pub fn api_key(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $key,)*
                    Self::Unknown { api_key, .. } => *api_key,
                }
            }

            /// Kafka's name of it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $record::NAME,)*
                    Self::Unknown { .. } => "an unknown record",
                }
            }

            /// Kafka's name of the records of a type, if this code knows it in any version.
            pub fn name_of(api_key: u32) -> Option<&'static str> {
                match api_key {
                    $($key => Some($record::NAME),)*
                    _ => None,
                }
            }

            /// Reads the value of a record in the metadata log.
            pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
                let mut reader = Reader::new(value);
                let frame = reader.uvarint().map_err(RecordError::Header)?;
                if frame != FRAME_VERSION {
                    return Err(RecordError::Frame(frame));
                }
                let api_key = reader.uvarint().map_err(RecordError::Header)?;
                let version = reader.uvarint().map_err(RecordError::Header)?;
                match (api_key, i16::try_from(version)) {
                    $(
                        ($key, Ok(known)) if $record::VERSIONS.contains(&known) => $record::decode(known, reader.rest())
                            .map(Self::$variant)
                            .map_err(|source| RecordError::Body { name: $record::NAME, version, source }),
                    )*
                    _ => Ok(Self::Unknown { api_key, version, bytes: Bytes::copy_from_slice(reader.rest()) }),
                }
            }

            /// The value of a record in the metadata log.
            pub fn encode(&self) -> Result<Bytes, MessageError> {
                let mut writer = Writer::new();
                writer.uvarint(FRAME_VERSION);
                match self {
                    $(
                        Self::$variant(record) => {
                            writer.uvarint($key);
                            writer.uvarint(u32::try_from(record.version).map_err(|_| MessageError::UnsupportedVersion {
                                message: $record::NAME,
                                version: record.version,
                            })?);
                            record.encode_to(&mut writer)?;
                        }
                    )*
                    Self::Unknown { api_key, version, bytes } => {
                        writer.uvarint(*api_key);
                        writer.uvarint(*version);
                        writer.raw(bytes);
                    }
                }
                Ok(writer.finish())
            }
        }

        $(
            impl From<$record> for MetadataRecord {
                fn from(record: $record) -> Self {
                    Self::$variant(record)
                }
            }
        )*
    };
}

records! {
    0 RegisterBroker(RegisterBrokerRecord),
    1 UnregisterBroker(UnregisterBrokerRecord),
    2 Topic(TopicRecord),
    3 Partition(PartitionRecord),
    4 Config(ConfigRecord),
    5 PartitionChange(PartitionChangeRecord),
    7 FenceBroker(FenceBrokerRecord),
    8 UnfenceBroker(UnfenceBrokerRecord),
    9 RemoveTopic(RemoveTopicRecord),
    10 DelegationToken(DelegationTokenRecord),
    11 UserScramCredential(UserScramCredentialRecord),
    12 FeatureLevel(FeatureLevelRecord),
    14 ClientQuota(ClientQuotaRecord),
    15 ProducerIds(ProducerIdsRecord),
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord),
    18 AccessControlEntry(AccessControlEntryRecord),
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
    20 NoOp(NoOpRecord),
    21 ZkMigrationState(ZkMigrationStateRecord),
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    23 BeginTransaction(BeginTransactionRecord),
    24 EndTransaction(EndTransactionRecord),
    25 AbortTransaction(AbortTransactionRecord),
    26 RemoveDelegationToken(RemoveDelegationTokenRecord),
    27 RegisterController(RegisterControllerRecord),
    28 ClearElr(ClearElrRecord),
    29 UnregisterController(UnregisterControllerRecord),
}
