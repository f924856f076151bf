//! Reading chunks for a restore.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};

use crate::error::{Error, Result};
use crate::key::SealingKey;
use crate::repository::Cluster;
use crate::seal::{Expected, Opener, Role};
use crate::tree::ChunkRef;

/// Neighbouring chunks are read at once up to this much, sealed…
const SPAN: u64 = 16 << 20;
/// …and that much opened.
const SPAN_OPENED: u64 = 32 << 20;

/// Reads chunks by their references: fetched, opened, found to have their id. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChunkReader {
    cluster: Cluster,
}

impl ChunkReader {
    /// Of one cluster's packs.
    pub fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
        }
    }

    /// One chunk.
    pub async fn read(&self, chunk: &ChunkRef) -> Result<Bytes> {
        let mut opened = self.read_span(vec![*chunk]).await?;
        opened.pop().map(|(_, bytes)| bytes).ok_or_else(|| Error::Missing {
            object: self.object(chunk),
        })
    }

    /// Many chunks, in order. Neighbours in one pack are one request; up to `ahead` requests are under way at once, so
    /// that memory stays below (`ahead` + 1) × 48 MiB for chunks of ordinary size.
    pub fn stream<'a>(
        &'a self,
        chunks: impl Stream<Item = Result<ChunkRef>> + Send + 'a,
        ahead: usize,
    ) -> impl Stream<Item = Result<(ChunkRef, Bytes)>> + 'a {
        spans(chunks)
            .map(move |span| async move { self.read_span(span?).await })
            .buffered(ahead.max(1))
            .map_ok(|opened| stream::iter(opened.into_iter().map(Ok)))
            .try_flatten()
    }

    /// Chunks that follow each other in one pack.
    async fn read_span(&self, span: Vec<ChunkRef>) -> Result<Vec<(ChunkRef, Bytes)>> {
        let (Some(first), Some(last)) = (span.first(), span.last()) else {
            return Ok(Vec::new());
        };
        let (start, end) = (first.position, last.position + last.length);
        let pack = self.cluster.names().pack(first.pack);
        let sealed = self.cluster.store().get_range(&pack, start..end).await?;
        let mut chunks: Vec<(ChunkRef, Option<SealingKey>, String)> = Vec::with_capacity(span.len());
        for chunk in span {
            let key = match chunk.key {
                Some(key) => Some(self.cluster.repository().keys().get(key).await?),
                None => None,
            };
            chunks.push((chunk, key, self.object(&chunk)));
        }
        let id_key = self.cluster.repository().id_key()?.clone();
        // Deciphering and hashing megabytes would hold up other tasks.
        crate::store::blocking(move || {
            let mut opener = Opener::new();
            let mut opened = Vec::with_capacity(chunks.len());
            for (chunk, key, object) in chunks {
                let from = (chunk.position - start) as usize;
                let blob = sealed.get(from..from + chunk.length as usize);
                let blob = blob.ok_or_else(|| Error::damaged(&object, "its pack ends within it"))?;
                let expected = Expected {
                    role: Role::Chunk,
                    id: chunk.id,
                    limit: chunk.logical_length,
                    object: &object,
                };
                let body = opener.open(expected, blob, &id_key, key.as_ref())?;
                if body.len() as u64 != chunk.logical_length {
                    return Err(Error::damaged(&object, "it is shorter than its reference says"));
                }
                opened.push((chunk, Bytes::copy_from_slice(body)));
            }
            Ok(opened)
        })
        .await
    }

    /// How messages call a chunk.
    fn object(&self, chunk: &ChunkRef) -> String {
        format!(
            "the chunk at byte {} of {}",
            chunk.position,
            self.cluster.names().pack(chunk.pack)
        )
    }
}

/// Groups neighbours.
fn spans<'a>(
    chunks: impl Stream<Item = Result<ChunkRef>> + Send + 'a,
) -> impl Stream<Item = Result<Vec<ChunkRef>>> + 'a {
    type Chunks<'a> = Pin<Box<dyn Stream<Item = Result<ChunkRef>> + Send + 'a>>;
    let chunks: Chunks<'a> = Box::pin(chunks);
    stream::try_unfold((chunks, None::<ChunkRef>), |(mut chunks, pending)| async move {
        let mut span: Vec<ChunkRef> = pending.into_iter().collect();
        while let Some(chunk) = chunks.try_next().await? {
            if !continues(&span, &chunk) {
                return Ok(Some((span, (chunks, Some(chunk)))));
            }
            span.push(chunk);
        }
        Ok((!span.is_empty()).then_some((span, (chunks, None))))
    })
}

fn continues(span: &[ChunkRef], chunk: &ChunkRef) -> bool {
    let (Some(first), Some(last)) = (span.first(), span.last()) else {
        return true;
    };
    let opened: u64 = span.iter().map(|chunk| chunk.logical_length).sum();
    last.pack == chunk.pack
        && last.position + last.length == chunk.position
        && chunk.position + chunk.length - first.position <= SPAN
        && opened + chunk.logical_length <= SPAN_OPENED
}
