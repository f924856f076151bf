//! The crate's ids as fields of messages.

use super::{Field, Layout, MessageError, Reader, Writer};
use crate::ids::{
    BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, Uuid,
};

impl Field for Uuid {
    fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, MessageError> {
        reader.uuid().map(Self)
    }
    fn write(&self, writer: &mut Writer, _: Layout) -> Result<(), MessageError> {
        writer.raw(&self.0);
        Ok(())
    }
}

macro_rules! newtypes {
    ($($name:ident),*) => {$(
        impl Field for $name {
            fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, MessageError> {
                Field::read(reader, layout).map(Self)
            }
            fn write(&self, writer: &mut Writer, layout: Layout) -> Result<(), MessageError> {
                self.0.write(writer, layout)
            }
        }
    )*};
}

newtypes!(
    BrokerEpoch,
    DirectoryId,
    LeaderEpoch,
    NodeId,
    Offset,
    PartitionId,
    ProducerEpoch,
    ProducerId,
    TopicId
);
