//! Reading primitives, bounds-checked.

use super::MessageError;

type Result<T> = std::result::Result<T, MessageError>;

/// Reads Kafka's primitive types from the front of a byte slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes` on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that are left, without taking them.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Fails if bytes are left; `what` names the thing that should have ended.
    pub fn finish(self, what: &'static str) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(MessageError::TrailingBytes { what, left }),
        }
    }

    /// Takes the next `n` bytes.
    pub fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8]> {
        let left = self.left();
        let (taken, rest) = self
            .bytes
            .split_at_checked(n)
            .ok_or(MessageError::Truncated { what, needed: n, left })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let left = self.left();
        let (taken, rest) =
            self.bytes
                .split_first_chunk::<N>()
                .ok_or(MessageError::Truncated { what, needed: N, left })?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// An int8.
    pub fn i8(&mut self) -> Result<i8> {
        Ok(i8::from_be_bytes(self.array("an int8")?))
    }

    /// An int16.
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array("an int16")?))
    }

    /// A uint16.
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array("a uint16")?))
    }

    /// An int32.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array("an int32")?))
    }

    /// An int64.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array("an int64")?))
    }

    /// A float64.
    pub fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_be_bytes(self.array("a float64")?))
    }

    /// A bool; like Kafka, anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    /// The 16 bytes of a uuid.
    pub fn uuid(&mut self) -> Result<[u8; 16]> {
        self.array("a uuid")
    }

    fn leb128(&mut self, bits: u32, what: &'static str) -> Result<u64> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let byte = u64::from(u8::from_be_bytes(self.array(what)?));
            let part = byte & 0x7f;
            // The last byte may only carry the bits that the type still has.
            if shift >= bits || (shift + 7 > bits && part >> (bits - shift) != 0) {
                return Err(MessageError::Varint { what });
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// An unsigned varint of 32 bits.
    pub fn uvarint(&mut self) -> Result<u32> {
        // Within 32 bits by construction, so nothing is cut off.
        Ok(self.leb128(32, "an unsigned varint")? as u32)
    }

    /// A zig-zag varint of 32 bits.
    pub fn varint(&mut self) -> Result<i32> {
        let raw = self.leb128(32, "a varint")? as u32;
        Ok(((raw >> 1) as i32) ^ -((raw & 1) as i32))
    }

    /// A zig-zag varint of 64 bits.
    pub fn varlong(&mut self) -> Result<i64> {
        let raw = self.leb128(64, "a varlong")?;
        Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    /// A length that the bytes left can still hold: of bytes, or of elements of at least a byte each. `None` is null.
    ///
    /// `flexible` lengths are a uvarint of length + 1; the others an int32, or an int16 if `short`.
    fn length(&mut self, flexible: bool, short: bool, what: &'static str) -> Result<Option<usize>> {
        let length = match (flexible, short) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i16()?),
            (false, false) => i64::from(self.i32()?),
        };
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(n) if n <= self.left() => Ok(Some(n)),
            _ => Err(MessageError::Length { what, length }),
        }
    }

    /// A string or null.
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<&'a str>> {
        match self.length(flexible, true, "a string")? {
            None => Ok(None),
            Some(n) => {
                let bytes = self.take(n, "a string")?;
                std::str::from_utf8(bytes).map(Some).map_err(|_| MessageError::NotUtf8)
            }
        }
    }

    /// A string.
    pub fn string(&mut self, flexible: bool) -> Result<&'a str> {
        self.nullable_string(flexible)?
            .ok_or(MessageError::Null { what: "a string" })
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>> {
        match self.length(flexible, false, "bytes")? {
            None => Ok(None),
            Some(n) => self.take(n, "bytes").map(Some),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self, flexible: bool) -> Result<&'a [u8]> {
        self.nullable_bytes(flexible)?
            .ok_or(MessageError::Null { what: "bytes" })
    }

    /// An array or null, each element read by `element`.
    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(count) = self.length(flexible, false, "an array")? else {
            return Ok(None);
        };
        // Room for no more than the bytes left: the count alone justifies nothing.
        let mut elements = Vec::with_capacity(count.min(self.left() / size_of::<T>().max(1)));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// An array, each element read by `element`.
    pub fn array_of<T>(&mut self, flexible: bool, element: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.nullable_array(flexible, element)?
            .ok_or(MessageError::Null { what: "an array" })
    }

    /// A nullable struct: a byte that is negative for null, then the struct.
    pub fn nullable_struct<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.i8()? < 0 { Ok(None) } else { read(self).map(Some) }
    }

    /// The tagged fields that end a flexible struct, each handed to `field` with its tag and payload, in ascending order of tags.
    pub fn tagged_fields(&mut self, mut field: impl FnMut(u32, &'a [u8]) -> Result<()>) -> Result<()> {
        let mut previous = None;
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            if let Some(previous) = previous.filter(|&previous| previous >= tag) {
                return Err(MessageError::TagOrder { tag, previous });
            }
            previous = Some(tag);
            let size = self.uvarint()?;
            let size = usize::try_from(size).map_err(|_| MessageError::Length {
                what: "a tagged field",
                length: size.into(),
            })?;
            field(tag, self.take(size, "a tagged field")?)?;
        }
        Ok(())
    }
}
