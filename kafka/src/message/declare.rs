//! The `message!` macro: a message's fields, versions and tags declared, its struct and codec generated.
//!
//! ```text
//! message! {
//!     /// What it is.
//!     pub struct Example: versions 0..=2, flexible 1 {   // without the versions: a struct inside other messages
//!         /// In every version.
//!         id: i32 = -1;
//!         /// From version 1 on (also: `only 1`); in the other versions it must have its default.
//!         dirs: Vec<DirectoryId> [since 1];
//!         /// Tagged: left out when it has its default.
//!         isr: Option<Vec<NodeId>> [since 2, tag 0];
//!     }
//! }
//! ```
//!
//! Fields lie on the wire in the order declared, tagged ones behind them in order of tags, as Kafka's message generator does.

/// Whether a field with these attributes is part of version `$v`.
macro_rules! field_in_version {
    ($v:expr;) => {
        true
    };
    ($v:expr; since $since:literal $($rest:tt)*) => {
        $v >= $since
    };
    ($v:expr; only $only:literal $($rest:tt)*) => {
        $v == $only
    };
    ($v:expr; tag $tag:literal) => {
        true
    };
}

/// The tag of a field with these attributes.
macro_rules! field_tag {
    () => {
        None::<u32>
    };
    (since $since:literal) => {
        None::<u32>
    };
    (only $only:literal) => {
        None::<u32>
    };
    (since $since:literal, tag $tag:literal) => {
        Some::<u32>($tag)
    };
    (tag $tag:literal) => {
        Some::<u32>($tag)
    };
}

/// A field's default: the one declared, or its type's.
macro_rules! field_default {
    () => {
        ::core::default::Default::default()
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident $(: versions $first:literal ..= $last:literal, flexible $flexible:literal)? {
            $( $(#[$fmeta:meta])* $field:ident : $ty:ty $([$($attr:tt)*])? $(= $default:expr)?; )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                #[doc = concat!("The version that it was read with, ", $first, " to ", $last, "; it is written with the same.")]
                pub version: i16,
            )?
            $( $(#[$fmeta])* pub $field: $ty, )*
            /// Tagged fields of a newer Kafka.
            pub unknown_tags: $crate::message::UnknownTags,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( version: $last, )?
                    $( $field: field_default!($($default)?), )*
                    unknown_tags: $crate::message::UnknownTags::default(),
                }
            }
        }

        impl $crate::message::Field for $name {
            fn read(
                reader: &mut $crate::message::Reader<'_>,
                layout: $crate::message::Layout,
            ) -> Result<Self, $crate::message::MessageError> {
                #[allow(unused_mut, reason = "a message without fields and versions changes nothing")]
                let mut message = Self::default();
                message_version!(message, layout $(, $first)?);
                $(
                    if field_tag!($($($attr)*)?).is_none() && field_in_version!(layout.version; $($($attr)*)?) {
                        message.$field = $crate::message::Field::read(reader, layout)?;
                    }
                )*
                if layout.flexible {
                    reader.tagged_fields(|tag, payload| {
                        $(
                            if field_tag!($($($attr)*)?) == Some(tag) && field_in_version!(layout.version; $($($attr)*)?) {
                                let mut payload = $crate::message::Reader::new(payload);
                                message.$field = $crate::message::Field::read(&mut payload, layout)?;
                                return payload.finish(stringify!($field));
                            }
                        )*
                        message.unknown_tags.push(tag, ::bytes::Bytes::copy_from_slice(payload));
                        Ok(())
                    })?;
                }
                Ok(message)
            }

            fn write(
                &self,
                writer: &mut $crate::message::Writer,
                layout: $crate::message::Layout,
            ) -> Result<(), $crate::message::MessageError> {
                let not_in_version = |field| {
                    Err($crate::message::MessageError::NotInVersion {
                        message: stringify!($name),
                        field,
                        version: layout.version,
                    })
                };
                #[allow(unused_variables, reason = "a message without optional fields asks for no defaults")]
                let default = Self::default();
                #[allow(unused_mut, reason = "a message without tagged fields adds none")]
                let mut tagged = Vec::new();
                $({
                    let tag = field_tag!($($($attr)*)?);
                    let present =
                        field_in_version!(layout.version; $($($attr)*)?) && (tag.is_none() || layout.flexible);
                    match tag {
                        None if present => $crate::message::Field::write(&self.$field, writer, layout)?,
                        _ if self.$field == default.$field => {}
                        Some(tag) if present => {
                            let mut payload = $crate::message::Writer::new();
                            $crate::message::Field::write(&self.$field, &mut payload, layout)?;
                            tagged.push((tag, payload.finish()));
                        }
                        _ => return not_in_version(stringify!($field)),
                    }
                })*
                if layout.flexible {
                    writer.tagged_fields(&self.unknown_tags.merged_with(tagged))
                } else if self.unknown_tags.is_empty() {
                    Ok(())
                } else {
                    not_in_version("tagged fields")
                }
            }
        }

        #[cfg(test)]
        impl $crate::message::sample::Sample for $name {
            fn sample(dice: &mut $crate::message::sample::Dice, layout: $crate::message::Layout) -> Self {
                let mut message = Self::default();
                message_version!(message, layout $(, $first)?);
                $(
                    let tagged = field_tag!($($($attr)*)?).is_some();
                    if field_in_version!(layout.version; $($($attr)*)?) && (!tagged || layout.flexible) {
                        message.$field = $crate::message::sample::Sample::sample(dice, layout);
                    }
                )*
                message.unknown_tags = $crate::message::sample::sample_tags(dice, layout);
                message
            }
        }

        $(
            impl $crate::message::Message for $name {
                const NAME: &'static str = stringify!($name);
                const VERSIONS: ::core::ops::RangeInclusive<i16> = $first..=$last;
                const FLEXIBLE_SINCE: i16 = $flexible;

                fn version(&self) -> i16 {
                    self.version
                }
            }
        )?
    )*};
}

/// Notes the version in a message that keeps one.
macro_rules! message_version {
    ($message:ident, $layout:ident) => {};
    ($message:ident, $layout:ident, $first:literal) => {
        $message.version = $layout.version;
    };
}
