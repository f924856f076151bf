//! `maxbrod restore apply`.

use std::process::ExitCode;
use std::sync::Arc;

use maxbrod_kafka::{ClusterId, NodeId};
use maxbrod_repository::{Event, Journal};
use maxbrod_restore::{Applied, Apply, Owner, Plan, PlanOptions, Progress};

use super::maps;
use crate::args::{Global, RestoreApply};
use crate::exit::{Failure, Result};
use crate::output::{Output, bytes};
use crate::repository;

pub async fn run(options: RestoreApply, global: &Global, output: Output) -> Result<ExitCode> {
    let node = NodeId(options.node);
    let owner = options.owner.as_deref().map(owner).transpose()?;
    let (mut journal, plan) = match &options.plan {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!("reading the plan {}: {error}", path.display()))
                    .remedy("give --plan the file that `maxbrod restore plan --out` wrote")
            })?;
            let plan = Plan::from_json(&text)?;
            let opened = repository::open(global).await?;
            let cluster = repository::cluster(&opened, &ClusterId(plan.cluster_id.clone())).await?;
            (repository::load_journal(&cluster).await?, plan)
        }
        None => {
            let journal = repository::open_journal(global).await?;
            let choices = PlanOptions {
                // Every host plans for the whole cluster: a node alone would be a cluster of one.
                nodes: Vec::new(),
                maps: maps(&options.maps)?,
                hold_retention: !options.no_hold_retention,
                accept_gaps: options.accept_gaps,
            };
            let plan =
                maxbrod_restore::plan(&journal, options.snapshot.as_deref().unwrap_or("latest"), &choices).await?;
            (journal, plan)
        }
    };
    let bar = output.bar(0, &format!("node {node}"));
    let shown = bar.clone();
    let progress = move |progress: Progress| {
        shown.set_length(progress.total_bytes);
        shown.set_position(progress.bytes);
    };
    let order = Apply {
        plan: &plan,
        node,
        owner,
        progress: Arc::new(progress),
    };
    let applied = maxbrod_restore::apply(journal.cluster(), order).await?;
    bar.finish_and_clear();
    note(&mut journal, &plan, node).await;
    let document = serde_json::json!({
        "node_id": node.0,
        "snapshot": plan.snapshot,
        "plan": applied.plan.to_string(),
        "partitions": applied.partitions,
        "kept_partitions": applied.kept,
        "written_bytes": applied.bytes,
        "state": "applied",
        "warnings": applied.warnings,
    });
    output.print(&document, || text(node, &plan, &applied))?;
    Ok(ExitCode::SUCCESS)
}

fn text(node: NodeId, plan: &Plan, applied: &Applied) -> String {
    let others: Vec<String> = plan
        .nodes
        .iter()
        .filter(|other| other.node_id != node.0)
        .map(|other| other.node_id.to_string())
        .collect();
    let mut text = format!(
        "node {node}: applied ({} partitions, {} written, {} kept from an earlier attempt)\n",
        applied.partitions,
        bytes(applied.bytes),
        applied.kept,
    );
    for warning in &applied.warnings {
        text.push_str(&format!("note: {warning}\n"));
    }
    if !others.is_empty() {
        text.push_str(&format!(
            "start no node before these say the same: {}\n",
            others.join(", ")
        ));
    }
    text
}

/// Notes the restore in the journal, so that a later one raises its leader epochs above this one's. Credentials that can only
/// read are no reason to fail: then the operator is told.
async fn note(journal: &mut Journal, plan: &Plan, node: NodeId) {
    let event = Event::Restored {
        snapshot: plan.snapshot.clone(),
        highest_leader_epoch: plan.leader_epoch,
        plan: plan.hash(),
        note: format!("node {node}"),
    };
    if let Err(error) = journal.append_until_written(event).await {
        tracing::warn!(
            "the restore could not be noted in the journal ({error}); before this snapshot is restored again, take a new one of the restored cluster"
        );
    }
}

fn owner(text: &str) -> Result<Owner> {
    let wrong =
        || Failure::usage(format!("{text:?} is no owner")).remedy("give numbers, as --owner 1000 or --owner 1000:1000");
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group.parse().map_err(|_| wrong())?)),
        None => (text, None),
    };
    Ok(Owner {
        user: user.parse().map_err(|_| wrong())?,
        group,
    })
}
