//! How a Rust type lies on the wire.

use bytes::Bytes;
use std::ops::RangeInclusive;

use super::{MessageError, Reader, Writer};

/// What decides how a field is laid out: the message's version, and whether that version is a flexible one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The version of the whole message.
    pub version: i16,
    /// Flexible versions have compact lengths and tagged fields.
    pub flexible: bool,
}

/// A type that a message's field can have.
pub trait Field: Sized {
    /// Reads one from the front of `reader`.
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError>;

    /// Writes it behind what `writer` holds.
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError>;
}

/// A whole message, which knows its own version.
pub trait Message: Field {
    /// Kafka's name of it.
    const NAME: &'static str;
    /// The versions that this code knows.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version.
    const FLEXIBLE_SINCE: i16;

    /// The version that it was read with, and will be written with.
    fn version(&self) -> i16;

    /// The layout of `version`, if that is a known one.
    fn layout(version: i16) -> Result<Layout, MessageError> {
        if !Self::VERSIONS.contains(&version) {
            return Err(MessageError::UnsupportedVersion {
                message: Self::NAME,
                version,
            });
        }
        Ok(Layout {
            version,
            flexible: version >= Self::FLEXIBLE_SINCE,
        })
    }

    /// Reads a message of `version` that takes up all of `bytes`.
    fn decode(version: i16, bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader, Self::layout(version)?)?;
        reader.finish(Self::NAME)?;
        Ok(message)
    }

    /// Writes it in its version.
    fn encode_to(&self, writer: &mut Writer) -> Result<(), MessageError> {
        self.write(writer, Self::layout(self.version())?)
    }

    /// Reads a message behind the int16 of its version, which is how coordinators store their values.
    fn decode_versioned(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        Self::decode(version, reader.rest())
    }

    /// Its bytes behind the int16 of its version.
    fn encode_versioned(&self) -> Result<Bytes, MessageError> {
        let mut writer = Writer::new();
        writer.i16(self.version());
        self.encode_to(&mut writer)?;
        Ok(writer.finish())
    }

    /// Its bytes in its version.
    fn encode(&self) -> Result<Bytes, MessageError> {
        let mut writer = Writer::new();
        self.encode_to(&mut writer)?;
        Ok(writer.finish())
    }
}

macro_rules! fixed {
    ($($ty:ident),*) => {$(
        impl Field for $ty {
            fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, MessageError> {
                reader.$ty()
            }
            fn write(&self, writer: &mut Writer, _: Layout) -> Result<(), MessageError> {
                writer.$ty(*self);
                Ok(())
            }
        }
    )*};
}

fixed!(bool, i8, i16, u16, i32, i64, f64);

impl Field for String {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        reader.string(layout.flexible).map(str::to_owned)
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.string(self, layout.flexible)
    }
}

impl Field for Option<String> {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        Ok(reader.nullable_string(layout.flexible)?.map(str::to_owned))
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.nullable_string(self.as_deref(), layout.flexible)
    }
}

impl Field for Bytes {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        reader.bytes(layout.flexible).map(Bytes::copy_from_slice)
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.bytes(self, layout.flexible)
    }
}

impl Field for Option<Bytes> {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        Ok(reader.nullable_bytes(layout.flexible)?.map(Bytes::copy_from_slice))
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.nullable_bytes(self.as_deref(), layout.flexible)
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        reader.array_of(layout.flexible, |reader| T::read(reader, layout))
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.nullable_array(Some(self), layout.flexible, |writer, element| {
            element.write(writer, layout)
        })
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
        reader.nullable_array(layout.flexible, |reader| T::read(reader, layout))
    }
    fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
        writer.nullable_array(self.as_deref(), layout.flexible, |writer, element| {
            element.write(writer, layout)
        })
    }
}
