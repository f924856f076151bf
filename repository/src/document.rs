//! JSON objects that notice damage: the text, and a last line with its hash.
//!
//! ```text
//! {"n":7,…}
//! #blake3 2f1c…
//! ```
//!
//! The hash is not keyed: it is there against bit rot, in objects that nothing else vouches for (the newest journal entry,
//! `config`). Every later version keeps this frame, so that it can at least be said what is too new.

use bytes::Bytes;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::Hash;

const MARK: &str = "\n#blake3 ";
const TRAILER: usize = MARK.len() + 64 + 1;

pub(crate) fn encode(value: &impl Serialize, object: &str) -> Result<Bytes> {
    let json = serde_json::to_vec(value).map_err(|source| Error::store("encoding", object, source))?;
    Ok(frame(json))
}

/// The JSON text of an object that was not damaged.
pub(crate) fn json<'a>(bytes: &'a [u8], object: &str) -> Result<&'a [u8]> {
    let damaged = |reason| Error::damaged(object, reason);
    let split = bytes
        .len()
        .checked_sub(TRAILER)
        .and_then(|place| bytes.split_at_checked(place));
    let (json, trailer) = split.ok_or_else(|| damaged("it is cut off"))?;
    if trailer != trailer_of(json).as_bytes() {
        return Err(damaged(
            "it does not have the hash in its last line: it was changed or cut off",
        ));
    }
    Ok(json)
}

pub(crate) fn frame(mut json: Vec<u8>) -> Bytes {
    let trailer = trailer_of(&json);
    json.extend_from_slice(trailer.as_bytes());
    json.into()
}

fn trailer_of(json: &[u8]) -> String {
    format!("{MARK}{}\n", Hash::of(json))
}
