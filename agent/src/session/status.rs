//! How the agent is doing.

use std::time::Duration;

use maxbrod_proto::agent as wire;

use super::Context;
use crate::link::Link;
use crate::log_dir::LogDir;
use crate::pin::PinMethod;

/// How often the coordinator is told.
pub(super) const INTERVAL: Duration = Duration::from_secs(3);

/// The message.
pub(super) fn status(context: &Context, link: &Link) -> wire::from_agent::Message {
    let pinned = context.pins.total();
    wire::from_agent::Message::Status(wire::Status {
        run: link.open_run(),
        backlog_bytes: context.shipper.backlog(),
        shipped_bytes: context.shipper.progress().shipped_bytes(),
        stored_bytes: context.packer.stored_bytes(),
        pinned_files: pinned.files,
        pinned_bytes: pinned.bytes,
        log_dirs: log_dirs(context),
    })
}

/// The log dirs, the metadata's among them.
pub(super) fn log_dirs(context: &Context) -> Vec<wire::LogDir> {
    let node = &context.node;
    let mut all: Vec<_> = node.log_dirs.iter().collect();
    if !all.iter().any(|log_dir| log_dir.id == node.metadata_log_dir.id) {
        all.push(&node.metadata_log_dir);
    }
    all.into_iter().map(|log_dir| describe(context, log_dir)).collect()
}

fn describe(context: &Context, log_dir: &LogDir) -> wire::LogDir {
    let space = log_dir.space().ok();
    let method = match context
        .pins
        .directory(&log_dir.id)
        .map(crate::pin::PinDirectory::method)
    {
        Some(PinMethod::Link) => wire::PinMethod::Link,
        Some(PinMethod::Descriptor) => wire::PinMethod::Descriptor,
        None => wire::PinMethod::Unspecified,
    };
    wire::LogDir {
        path: log_dir.path.display().to_string(),
        directory_id: log_dir.id.0.0.to_vec().into(),
        total_bytes: space.map_or(0, |space| space.total),
        free_bytes: space.map_or(0, |space| space.free),
        pin_method: method.into(),
    }
}
