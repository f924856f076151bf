//! Writing primitives.

use bytes::{BufMut, Bytes, BytesMut};

use super::MessageError;

type Result<T> = std::result::Result<T, MessageError>;

/// Writes Kafka's primitive types to a growing buffer.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: BytesMut,
}

impl Writer {
    /// Begins with nothing written.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes are written.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing is written yet.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// An int8.
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// An int16.
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// A uint16.
    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    /// An int32.
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// An int64.
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// A float64.
    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    /// A bool.
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(value.into());
    }

    fn leb128(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// An unsigned varint of 32 bits.
    pub fn uvarint(&mut self, value: u32) {
        self.leb128(value.into());
    }

    /// A zig-zag varint of 32 bits.
    pub fn varint(&mut self, value: i32) {
        self.uvarint(((value << 1) ^ (value >> 31)) as u32);
    }

    /// A zig-zag varint of 64 bits.
    pub fn varlong(&mut self, value: i64) {
        self.leb128(((value << 1) ^ (value >> 63)) as u64);
    }

    fn length(&mut self, length: Option<usize>, flexible: bool, short: bool, what: &'static str) -> Result<()> {
        let too_long = MessageError::TooLong {
            what,
            length: length.unwrap_or(0),
        };
        match (length, flexible, short) {
            (None, true, _) => self.uvarint(0),
            (None, false, true) => self.i16(-1),
            (None, false, false) => self.i32(-1),
            (Some(n), true, _) => {
                // Java reads it as an int32.
                let n = i32::try_from(n).ok().filter(|n| *n < i32::MAX).ok_or(too_long)?;
                self.uvarint(n as u32 + 1);
            }
            (Some(n), false, true) => self.i16(i16::try_from(n).map_err(|_| too_long)?),
            (Some(n), false, false) => self.i32(i32::try_from(n).map_err(|_| too_long)?),
        }
        Ok(())
    }

    /// A string or null.
    pub fn nullable_string(&mut self, value: Option<&str>, flexible: bool) -> Result<()> {
        self.length(value.map(str::len), flexible, true, "a string")?;
        self.raw(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    /// A string.
    pub fn string(&mut self, value: &str, flexible: bool) -> Result<()> {
        self.nullable_string(Some(value), flexible)
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>, flexible: bool) -> Result<()> {
        self.length(value.map(<[u8]>::len), flexible, false, "bytes")?;
        self.raw(value.unwrap_or_default());
        Ok(())
    }

    /// Bytes.
    pub fn bytes(&mut self, value: &[u8], flexible: bool) -> Result<()> {
        self.nullable_bytes(Some(value), flexible)
    }

    /// An array or null, each element written by `element`.
    pub fn nullable_array<T>(
        &mut self,
        elements: Option<&[T]>,
        flexible: bool,
        mut element: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.length(elements.map(<[T]>::len), flexible, false, "an array")?;
        elements.unwrap_or_default().iter().try_for_each(|e| element(self, e))
    }

    /// A nullable struct: -1 for null, or 1 and the struct.
    pub fn nullable_struct<T>(
        &mut self,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        match value {
            None => {
                self.i8(-1);
                Ok(())
            }
            Some(value) => {
                self.i8(1);
                write(self, value)
            }
        }
    }

    /// The tagged fields that end a flexible struct; `fields` must be in ascending order of tags.
    pub fn tagged_fields(&mut self, fields: &[(u32, Bytes)]) -> Result<()> {
        let width = |n: usize| {
            u32::try_from(n).map_err(|_| MessageError::TooLong {
                what: "a tagged field",
                length: n,
            })
        };
        self.uvarint(width(fields.len())?);
        for (tag, payload) in fields {
            self.uvarint(*tag);
            self.uvarint(width(payload.len())?);
            self.raw(payload);
        }
        Ok(())
    }
}
