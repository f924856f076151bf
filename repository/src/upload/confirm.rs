//! Looking whether an upload arrived.

use crate::error::Result;
use crate::store::Store;

/// What is in the store under a granted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The object, complete.
    Stored,
    /// Nothing.
    Absent,
    /// An object of another length.
    Different {
        /// Its length.
        length: u64,
    },
}

/// Looks whether an object is in the store with this length. That its content is the granted one was checked by the
/// store (signed checksum) or by [`super::LocalUploads`] when it arrived, and the name was granted for that one only.
pub async fn confirm(store: &Store, object: &str, length: u64) -> Result<Confirmation> {
    Ok(match store.head(object).await? {
        None => Confirmation::Absent,
        Some(info) if info.length == length => Confirmation::Stored,
        Some(info) => Confirmation::Different { length: info.length },
    })
}
