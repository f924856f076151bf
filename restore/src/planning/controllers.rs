//! Whether the nodes that are restored can elect a controller.

use std::collections::BTreeSet;

use maxbrod_kafka::NodeId;
use maxbrod_kafka::metadata::Quorum;

use crate::error::{Error, Result};
use crate::plan::{NodePlan, Plan};
use crate::source::Source;

/// The quorum's voters: as the checkpoint names them, as the nodes' configuration does, or else every controller known.
pub(super) fn voters(source: &Source) -> BTreeSet<NodeId> {
    if let Quorum::Dynamic(voters) = &source.checkpoint.quorum {
        return voters.voters.iter().map(|voter| voter.voter_id).collect();
    }
    let configured: BTreeSet<NodeId> = source
        .nodes
        .iter()
        .flat_map(|node| node.controller_quorum_voters.split(','))
        .filter_map(|voter| voter.split_once('@')?.0.trim().parse().ok())
        .collect();
    if !configured.is_empty() {
        return configured;
    }
    let controllers = source
        .nodes
        .iter()
        .filter(|node| node.roles.iter().any(|role| role == "controller"));
    controllers.map(|node| NodeId(node.node_id)).collect()
}

/// Refuses fewer than a majority: the voters that are left would wait for the others, or, worse, find them empty.
pub(super) fn check(voters: &BTreeSet<NodeId>, nodes: &[NodePlan]) -> Result<()> {
    let restored = restored(voters.iter().copied(), nodes);
    if restored.len() * 2 > voters.len() {
        return Ok(());
    }
    let list = |nodes: &BTreeSet<NodeId>| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(Error::NoQuorum {
        voters: list(voters),
        restored: if restored.is_empty() {
            "none".to_owned()
        } else {
            list(&restored)
        },
    })
}

/// Says which voters must stay down.
pub(super) fn warning(plan: &Plan) -> Option<String> {
    let voters = plan.checkpoint.voters.iter().copied().map(NodeId);
    let restored = restored(voters.clone(), &plan.nodes);
    let others: Vec<String> = voters
        .filter(|node| !restored.contains(node))
        .map(|node| node.to_string())
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "the controllers {} are not restored: don't start them with an empty or an old metadata directory before the \
             restored ones have elected a leader",
            others.join(", ")
        )
    })
}

fn restored(voters: impl Iterator<Item = NodeId>, nodes: &[NodePlan]) -> BTreeSet<NodeId> {
    voters
        .filter(|voter| nodes.iter().any(|node| node.node_id == voter.0 && node.is_controller()))
        .collect()
}
