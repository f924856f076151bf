//! Snappy as Kafka's clients write it: blocks in the framing of snappy-java (`SnappyOutputStream`), or one block without any
//! framing, which is how other clients may write it and `SnappyInputStream` accepts it.

use snap::raw::{Decoder, decompress_len};

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// Magic, version, lowest compatible version.
const HEADER: usize = 16;

/// The content; `None` if it is larger than `limit` bytes.
pub(super) fn decompress(body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, String> {
    let mut content = Vec::new();
    let Some(mut rest) = after_header(body)? else {
        return Ok(unfold(body, limit, &mut content)?.then_some(content));
    };
    while !rest.is_empty() {
        // Streams that were joined: another header may stand where a block's length does.
        if let Some(next) = after_header(rest)? {
            rest = next;
            continue;
        }
        let (length, next) = rest
            .split_first_chunk()
            .ok_or_else(|| "it ends within a block's length".to_owned())?;
        let length = i32::from_be_bytes(*length);
        let (block, next) = usize::try_from(length)
            .ok()
            .and_then(|length| next.split_at_checked(length))
            .ok_or_else(|| format!("a block of {length} bytes is not whole"))?;
        if !unfold(block, limit, &mut content)? {
            return Ok(None);
        }
        rest = next;
    }
    Ok(Some(content))
}

/// What follows the framing's header, if there is one.
fn after_header(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    if !bytes.starts_with(MAGIC) {
        return Ok(None);
    }
    match bytes.get(HEADER..) {
        Some(rest) => Ok(Some(rest)),
        None => Err("it ends within its header".to_owned()),
    }
}

/// Appends a block's content; `false` if all were larger than `limit` bytes then.
fn unfold(block: &[u8], limit: usize, content: &mut Vec<u8>) -> Result<bool, String> {
    let before = content.len();
    // A claim: it is held against the limit, and an element of snappy unfolds to 64 bytes from 2 at most.
    let length = decompress_len(block).map_err(|error| error.to_string())?;
    if length > limit.saturating_sub(before) {
        return Ok(false);
    }
    if length > block.len().saturating_mul(64) {
        return Err(format!("a block of {} bytes claims to hold {length}", block.len()));
    }
    content.resize(before + length, 0);
    let room = content.get_mut(before..).unwrap_or_default();
    let written = Decoder::new()
        .decompress(block, room)
        .map_err(|error| error.to_string())?;
    content.truncate(before + written);
    Ok(true)
}
