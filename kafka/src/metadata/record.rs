//! Metadata records: one struct per record of Kafka 4.0 to 4.3, named and laid out as Kafka's message definitions say.

mod broker;
mod config;
mod frame;
mod security;
mod topic;
mod transaction;

pub use broker::{
    BrokerRegistrationChangeRecord, Endpoint, FenceBrokerRecord, RegisterBrokerRecord, RegisterControllerRecord,
    SupportedFeature, UnfenceBrokerRecord, UnregisterBrokerRecord, UnregisterControllerRecord,
};
pub use config::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, QuotaEntity, ZkMigrationStateRecord,
};
pub use frame::{MetadataRecord, RecordError};
pub use security::{
    AccessControlEntryRecord, DelegationTokenRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
pub use topic::{ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord};
pub use transaction::{AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, NoOpRecord};

#[cfg(test)]
pub(crate) mod tests;
