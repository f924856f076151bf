//! The records of a batch (K§5.2, `DefaultRecord`).

use crate::batch::{Batch, BatchHeader, Compression, TimestampType};
use crate::ids::Offset;
use crate::message::{MessageError, Reader, Writer};

#[cfg(test)]
mod tests;

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its key: UTF-8 from Kafka's own clients, any bytes from others.
    pub key: &'a [u8],
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

    /// The record's offset, in the batch with this header.
    pub fn offset(&self, header: &BatchHeader) -> Offset {
        Offset(header.base_offset.0.saturating_add(i64::from(self.offset_delta)))
    }

    /// The record's timestamp in milliseconds, in the batch with this header.
    pub fn timestamp(&self, header: &BatchHeader) -> i64 {
        match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.saturating_add(self.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        }
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
            write_bytes(&mut body, Some(header.key));
            write_bytes(&mut body, header.value);
        }
        let mut length = Writer::new();
        length.varint(body.len() as i32);
        out.extend_from_slice(&length.finish());
        out.extend_from_slice(&body.finish());
    }
}

/// The records of a batch; `None` when they are compressed, or of magic 0 or 1. See [`decompress()`](crate::decompress()) for those.
pub fn records<'a>(batch: &Batch<'a>) -> Option<Records<'a>> {
    let header = batch.header?;
    if header.attributes.compression() != Compression::None {
        return None;
    }
    let body = batch.bytes.get(crate::batch::HEADER_LENGTH..)?;
    Some(Records::new(&header, body))
}

/// Walks over the records of one batch. Ends after the first error.
#[derive(Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
    left: i32,
    failed: bool,
}

impl<'a> Records<'a> {
    /// Walks over the records of the batch with this header; `body` is what follows the header, decompressed.
    pub fn new(header: &BatchHeader, body: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(body),
            left: header.records_count.max(0),
            failed: false,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.left == 0 {
            // Fewer records than bytes: the count is wrong, and Kafka refuses such a batch too.
            let end = self.reader.clone().finish("records");
            self.failed = end.is_err();
            return end.err().map(Err);
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
    if count < 0 {
        return Err(MessageError::Length {
            what: "record headers",
            length: i64::from(count),
        });
    }
    let mut headers = Vec::new();
    for _ in 0..count {
        let key = bytes(reader)?.ok_or(MessageError::Null {
            what: "a record header's key",
        })?;
        let value = bytes(reader)?;
        headers.push(RecordHeader { key, value });
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
