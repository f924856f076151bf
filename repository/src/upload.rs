//! Uploads by agents, who hold no credentials of the store.
//!
//! The coordinator grants one PUT of exactly one content (its SHA-256 is part of what is signed) under a name that
//! nobody else has. After a refusal or a lost reply the agent asks, and the coordinator looks.

mod client;
mod confirm;
mod grant;
mod local;

pub use client::{UploadOutcome, Uploader};
pub use confirm::{Confirmation, confirm};
pub use grant::{Grant, Granter, SigningGranter};
pub use local::{Accepted, LocalUploads, Rejection};

use std::time::Duration;

/// How long a grant is valid.
pub const GRANT_VALIDITY: Duration = Duration::from_secs(15 * 60);
