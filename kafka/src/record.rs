//! The records of an uncompressed batch (K§5.2, `DefaultRecord`).

use crate::batch::{Batch, Compression};
use crate::message::{MessageError, Reader, Writer};

#[cfg(test)]
mod tests;

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// A record, borrowed from its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unused by Kafka so far.
    pub attributes: i8,
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offset after the batch's base offset.
    pub offset_delta: i32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Vec<RecordHeader<'a>>,
}

impl<'a> Record<'a> {
    /// Reads the next record.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, MessageError> {
        let length = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let mut body = Reader::new(reader.take(length, "record")?);
        let record = Self {
            attributes: body.i8()?,
            timestamp_delta: body.varlong()?,
            offset_delta: body.varint()?,
            key: bytes(&mut body)?,
            value: bytes(&mut body)?,
            headers: headers(&mut body)?,
        };
        body.finish("record")?;
        Ok(record)
    }

    /// Appends the record to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut body = Writer::new();
        body.i8(self.attributes);
        body.varlong(self.timestamp_delta);
        body.varint(self.offset_delta);
        write_bytes(&mut body, self.key);
        write_bytes(&mut body, self.value);
        body.varint(self.headers.len() as i32);
        for header in &self.headers {
            write_bytes(&mut body, Some(header.key.as_bytes()));
            write_bytes(&mut body, header.value);
        }
        let mut length = Writer::new();
        length.varint(body.len() as i32);
        out.extend_from_slice(&length.finish());
        out.extend_from_slice(&body.finish());
    }
}

/// The records of a batch; `None` when they are compressed, or of magic 0 or 1.
pub fn records<'a>(batch: &Batch<'a>) -> Option<Records<'a>> {
    let header = batch.header?;
    if header.attributes.compression() != Compression::None {
        return None;
    }
    let body = batch.bytes.get(crate::batch::HEADER_LENGTH..)?;
    Some(Records {
        reader: Reader::new(body),
        left: header.records_count.max(0),
        failed: false,
    })
}

/// Walks over the records of one batch. Ends after the first error.
#[derive(Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: i32,
    failed: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 || self.failed {
            return None;
        }
        self.left -= 1;
        let record = Record::read(&mut self.reader);
        self.failed = record.is_err();
        Some(record)
    }
}

fn bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, MessageError> {
    match usize::try_from(reader.varint()?) {
        Ok(length) => reader.take(length, "bytes").map(Some),
        Err(_) => Ok(None),
    }
}

fn headers<'a>(reader: &mut Reader<'a>) -> Result<Vec<RecordHeader<'a>>, MessageError> {
    let count = reader.varint()?;
    let mut headers = Vec::new();
    for _ in 0..count {
        let key = bytes(reader)?.unwrap_or_default();
        let key = std::str::from_utf8(key).map_err(|_| MessageError::NotUtf8)?;
        headers.push(RecordHeader {
            key,
            value: bytes(reader)?,
        });
    }
    Ok(headers)
}

fn write_bytes(writer: &mut Writer, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            writer.varint(bytes.len() as i32);
            writer.raw(bytes);
        }
        None => writer.varint(-1),
    }
}
