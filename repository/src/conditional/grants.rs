//! Whether a store holds uploads to what was granted.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::store::Store;
use crate::upload::{Grant, Granter as _, SigningGranter, UploadOutcome, Uploader};

const CONTENT: &[u8] = b"what was granted";
const OTHER: &[u8] = b"something else!!";

/// Returns the names of the objects that it made.
pub(super) async fn check(store: &Store, granter: &SigningGranter, folder: &str) -> Result<Vec<String>> {
    let dishonest = |reason: &str| Error::Dishonest {
        location: store.location().to_owned(),
        reason: reason.to_owned(),
    };
    let uploader = Uploader::new()?;
    let sha256 = Sha256::digest(CONTENT).into();
    let granted = async |name: &str| granter.grant(name, CONTENT.len() as u64, &sha256).await;
    let stored = async |grant: &Grant, body: &'static [u8]| {
        let sent = uploader
            .send(grant, body.into(), body.len() as u64, "the check's object")
            .await;
        sent.map(|(outcome, _)| outcome == UploadOutcome::Stored)
    };

    let taken = format!("{folder}/granted");
    let grant = granted(&taken).await?;
    stored(&grant, CONTENT).await?;
    if store.find(&taken).await? != Some(Bytes::from_static(CONTENT)) {
        return Err(dishonest("an upload by a pre-signed URL does not arrive"));
    }
    if stored(&grant, CONTENT).await? {
        return Err(dishonest(
            "a pre-signed upload overwrites, though If-None-Match is signed",
        ));
    }

    let name = format!("{folder}/refused");
    let grant = granted(&name).await?;
    if stored(&grant, OTHER).await? || store.find(&name).await?.is_some() {
        return Err(dishonest(
            "a pre-signed upload takes another content than the signed checksum's",
        ));
    }
    for header in grant.headers.keys() {
        let mut stripped = grant.clone();
        stripped.headers.remove(header);
        if stored(&stripped, CONTENT).await? || store.find(&name).await?.is_some() {
            return Err(dishonest("a pre-signed upload is taken without its signed headers"));
        }
    }
    Ok(vec![taken])
}
