//! The objects, and S3's operations on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt as _;
use s3s::dto::{
    CommonPrefix, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use sha2::{Digest as _, Sha256};

use super::fault::{Fault, Lie, Operation, Rule};

/// S3 answers a listing in pages of at most this many keys.
const PAGE: usize = 1000;

/// Everything that the server knows, behind one mutex.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Stored>,
    pub(super) rules: Vec<Rule>,
    pub(super) lie: Option<Lie>,
    pub(super) requests: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) bytes: Bytes,
    modified: SystemTime,
}

impl Stored {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            modified: SystemTime::now(),
        }
    }

    fn etag(&self) -> ETag {
        ETag::Strong(hex::encode(Sha256::digest(&self.bytes)))
    }
}

impl State {
    /// The first fault that is due, if any.
    pub(super) fn fault(&mut self, operation: Operation, key: &str, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.matches(operation, key) && wanted(rule.fault))?;
        rule.remaining -= 1;
        Some(rule.fault)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Bucket(Arc<Mutex<State>>);

impl Bucket {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn truncation(&self, operation: Operation, key: &str) -> Option<usize> {
        match self
            .lock()
            .fault(operation, key, |fault| matches!(fault, Fault::Truncate(_)))
        {
            Some(Fault::Truncate(length)) => Some(length),
            _ => None,
        }
    }
}

#[async_trait::async_trait]
impl S3 for Bucket {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let mut bytes = match input.body {
            None => Bytes::new(),
            Some(body) => {
                let parts: Vec<Bytes> = body
                    .try_collect()
                    .await
                    .map_err(|_| s3_error!(IncompleteBody, "the body broke off"))?;
                parts.concat().into()
            }
        };
        if input.content_length.is_some_and(|length| length != bytes.len() as i64) {
            return Err(s3_error!(IncompleteBody, "the body is shorter than it should be"));
        }
        let checksum = STANDARD.encode(Sha256::digest(&bytes));
        let honest = self.lock().lie != Some(Lie::AnyContent);
        if honest && input.checksum_sha256.is_some_and(|expected| expected != checksum) {
            return Err(s3_error!(BadDigest, "the body does not have its checksum"));
        }
        if let Some(length) = self.truncation(Operation::Put, &input.key) {
            bytes.truncate(length);
        }
        let stored = Stored::new(bytes);
        let output = PutObjectOutput {
            e_tag: Some(stored.etag()),
            ..PutObjectOutput::default()
        };
        let mut state = self.lock();
        if matches!(input.if_none_match, Some(ETagCondition::Any)) && state.objects.contains_key(&input.key) {
            match state.lie {
                None | Some(Lie::AnyContent) => return Err(s3_error!(PreconditionFailed, "the object exists")),
                Some(Lie::TwoWinners) => return Ok(S3Response::new(output)),
                Some(Lie::Overwrite) => {}
            }
        }
        state.objects.insert(input.key, stored);
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self
            .lock()
            .objects
            .get(&input.key)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchKey))?;
        let full = object.bytes.len() as u64;
        let mut output = GetObjectOutput::default();
        let mut bytes = object.bytes.clone();
        if let Some(range) = input.range {
            let range = range.check(full)?;
            output.content_range = Some(format!("bytes {}-{}/{full}", range.start, range.end.saturating_sub(1)));
            bytes = bytes.slice(range.start as usize..range.end as usize);
        }
        if let Some(length) = self.truncation(Operation::Get, &input.key) {
            bytes.truncate(length);
        }
        output.content_length = Some(bytes.len() as i64);
        output.e_tag = Some(object.etag());
        output.last_modified = Some(Timestamp::from(object.modified));
        output.body = Some(StreamingBlob::wrap(futures::stream::iter([Ok::<_, std::io::Error>(
            bytes,
        )])));
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self
            .lock()
            .objects
            .get(&request.input.key)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchKey))?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(object.bytes.len() as i64),
            e_tag: Some(object.etag()),
            last_modified: Some(Timestamp::from(object.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.or(input.start_after).unwrap_or_default();
        let page = input
            .max_keys
            .and_then(|keys| usize::try_from(keys).ok())
            .unwrap_or(PAGE)
            .min(PAGE);
        let state = self.lock();
        let (mut contents, mut folders) = (Vec::new(), BTreeSet::new());
        let mut next = None;
        for (key, object) in state
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
        {
            if contents.len() + folders.len() >= page {
                break;
            }
            let rest = key.get(prefix.len()..).unwrap_or_default();
            let folder = input
                .delimiter
                .as_ref()
                .and_then(|delimiter| Some((rest.find(delimiter.as_str())?, delimiter)));
            next = Some(key.clone());
            if let Some((place, delimiter)) = folder {
                folders.insert(format!("{prefix}{}{delimiter}", rest.get(..place).unwrap_or_default()));
                continue;
            }
            contents.push(Object {
                key: Some(key.clone()),
                size: Some(object.bytes.len() as i64),
                e_tag: Some(object.etag()),
                last_modified: Some(Timestamp::from(object.modified)),
                ..Object::default()
            });
        }
        let more = next
            .as_ref()
            .is_some_and(|next| state.objects.keys().any(|key| key.starts_with(&prefix) && key > next));
        let folder = |prefix| CommonPrefix { prefix: Some(prefix) };
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: Some((contents.len() + folders.len()) as i32),
            max_keys: Some(page as i32),
            contents: Some(contents),
            common_prefixes: Some(folders.into_iter().map(folder).collect()),
            is_truncated: Some(more),
            next_continuation_token: next.filter(|_| more),
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.lock().objects.remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let mut state = self.lock();
        let mut deleted = Vec::new();
        for object in request.input.delete.objects {
            state.objects.remove(&object.key);
            deleted.push(DeletedObject {
                key: Some(object.key),
                ..DeletedObject::default()
            });
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            ..DeleteObjectsOutput::default()
        }))
    }
}
