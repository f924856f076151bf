//! `maxbrod restore plan`.

use std::process::ExitCode;

use maxbrod_kafka::NodeId;
use maxbrod_restore::{Plan, PlanOptions};

use super::maps;
use crate::args::{Global, RestorePlan};
use crate::exit::{Failure, Kind, Result};
use crate::output::{Output, bytes, table};
use crate::repository;

pub async fn run(options: RestorePlan, global: &Global, output: Output) -> Result<ExitCode> {
    let journal = repository::open_journal(global).await?;
    let choices = PlanOptions {
        nodes: options.options.nodes.iter().copied().map(NodeId).collect(),
        maps: maps(&options.options.maps)?,
        hold_retention: !options.options.no_hold_retention,
        accept_gaps: options.options.accept_gaps,
    };
    let plan = maxbrod_restore::plan(&journal, &options.snapshot, &choices).await?;
    if let Some(path) = &options.out {
        std::fs::write(path, plan.to_json())
            .map_err(|error| Failure::new(Kind::Failed, "io", format!("writing {}: {error}", path.display())))?;
    }
    output.print(&plan, || text(&plan))?;
    Ok(ExitCode::SUCCESS)
}

/// What an operator reads before anything is written.
pub fn text(plan: &Plan) -> String {
    let mut text = format!(
        "restore of cluster {} from snapshot {}\nplan {}\nleader epochs from {}, producer ids from {}, KRaft checkpoint {}\n\n",
        plan.cluster_id,
        plan.snapshot,
        plan.hash(),
        plan.leader_epoch,
        plan.next_producer_id,
        plan.checkpoint.name,
    );
    let rows: Vec<Vec<String>> = plan
        .nodes
        .iter()
        .flat_map(|node| {
            node.log_dirs.iter().map(|dir| {
                vec![
                    node.node_id.to_string(),
                    node.roles.join("+"),
                    dir.path.display().to_string(),
                    dir.partitions.to_string(),
                    bytes(dir.log_bytes),
                ]
            })
        })
        .collect();
    text.push_str(&table(&["NODE", "ROLES", "DIRECTORY", "PARTITIONS", "BYTES"], &rows));
    let lift = plan.lift_commands();
    if !lift.is_empty() {
        text.push_str(&format!(
            "\nRetention is held back on {} topics (retention.ms=-1, retention.bytes=-1). To lift that afterwards:\n",
            lift.len()
        ));
        for command in lift {
            text.push_str(&format!("  {command}\n"));
        }
    }
    for warning in &plan.warnings {
        text.push_str(&format!("\nnote: {warning}\n"));
    }
    text
}
