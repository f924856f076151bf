//! Whom a quota is for.

use std::collections::BTreeMap;

use super::ClientQuotaRecord;

/// Whom a quota is for: names by type (`user`, `client-id`, `ip`), `None` for the default of the type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaTarget(pub BTreeMap<String, Option<String>>);

impl QuotaTarget {
    /// What a record is about.
    pub fn of(record: &ClientQuotaRecord) -> Self {
        Self(
            record
                .entity
                .iter()
                .map(|part| (part.entity_type.clone(), part.entity_name.clone()))
                .collect(),
        )
    }
}
