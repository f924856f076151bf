//! Who this agent is.

use maxbrod_kafka::Role;
use maxbrod_proto::PROTOCOL_VERSION;
use maxbrod_proto::agent as wire;

use super::Context;
use super::status::log_dirs;

/// The first message of a session.
pub(super) fn hello(context: &Context) -> wire::Hello {
    let node = &context.node;
    let role = |role: &Role| match role {
        Role::Broker => wire::Role::Broker.into(),
        Role::Controller => wire::Role::Controller.into(),
    };
    wire::Hello {
        protocol_version: PROTOCOL_VERSION,
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: node.cluster_id.0.clone(),
        node_id: node.node_id.0,
        roles: node.roles.iter().map(role).collect(),
        incarnation: context.incarnation.to_vec().into(),
        log_dirs: log_dirs(context),
        metadata_log_dir: node.metadata_log_dir.path.display().to_string(),
        controller_quorum_voters: node.quorum_voters.clone(),
        settings: node.settings.clone().into_iter().collect(),
    }
}
