//! Permission for one upload.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object_store::signer::{HeaderName, HeaderValue, Method, SignedUrlOptions};

use super::GRANT_VALIDITY;
use crate::error::{Error, Result};
use crate::store::Store;

/// Permission to PUT one object, once, with one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where to send it.
    pub url: String,
    /// `PUT`.
    pub method: String,
    /// To be sent exactly like this, besides Content-Length.
    pub headers: BTreeMap<String, String>,
    /// From now on.
    pub expires_in: Duration,
}

/// Grants uploads.
#[async_trait]
pub trait Granter: Send + Sync {
    /// Grants the creation of an object (its name relative to the repository) with this length and SHA-256.
    async fn grant(&self, object: &str, length: u64, sha256: &[u8; 32]) -> Result<Grant>;
}

/// Grants by pre-signed URLs, for stores that check signed headers: S3.
#[derive(Clone, Debug)]
pub struct SigningGranter {
    store: Store,
}

impl SigningGranter {
    /// `None`: the store has no signer.
    pub fn new(store: &Store) -> Option<Self> {
        store.signer().is_some().then(|| Self { store: store.clone() })
    }
}

#[async_trait]
impl Granter for SigningGranter {
    async fn grant(&self, object: &str, _length: u64, sha256: &[u8; 32]) -> Result<Grant> {
        // The length can't be signed (it follows from the hash).
        let checksum = STANDARD.encode(sha256);
        let value = HeaderValue::from_str(&checksum).map_err(|source| Error::store("granting", object, source))?;
        let options = SignedUrlOptions::new()
            .with_signed_header(HeaderName::from_static("if-none-match"), HeaderValue::from_static("*"))
            .with_signed_header(HeaderName::from_static("x-amz-checksum-sha256"), value);
        let signer = self
            .store
            .signer()
            .ok_or_else(|| Error::store("granting", object, "the store can't sign uploads".to_owned()))?;
        let url = signer
            .signed_url_opts(Method::PUT, &self.store.path(object), GRANT_VALIDITY, &options)
            .await
            .map_err(|source| Error::store("granting", object, source))?;
        let headers = [("if-none-match", "*"), ("x-amz-checksum-sha256", checksum.as_str())];
        Ok(Grant {
            url: url.into(),
            method: "PUT".to_owned(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            expires_in: GRANT_VALIDITY,
        })
    }
}
