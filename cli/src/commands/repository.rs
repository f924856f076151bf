//! `maxbrod repository`: looking after the store.

use std::process::ExitCode;

use maxbrod_repository::gc::{PackUse, gather, plan};
use maxbrod_repository::{Journal, check_store};
use serde::Serialize;

use crate::args::{Global, Repository};
use crate::exit::{Kind, Result};
use crate::output::{Output, bytes, table};
use crate::repository;

#[derive(Serialize)]
struct GcDocument {
    unreferenced: Vec<PackDocument>,
    sparse: Vec<PackDocument>,
    marked: Vec<PackDocument>,
    missing: Vec<String>,
    kept_packs: u64,
    open_packs: u64,
    stored_bytes: u64,
    live_bytes: u64,
    reclaimable_bytes: u64,
}

#[derive(Serialize)]
struct PackDocument {
    pack: String,
    length: u64,
    live: u64,
}

pub async fn run(command: Repository, global: &Global, output: Output) -> Result<ExitCode> {
    match command {
        Repository::Check => check(global, output).await,
        Repository::Gc => gc(global, output).await,
    }
}

async fn check(global: &Global, output: Output) -> Result<ExitCode> {
    let repository = repository::open(global).await?;
    let checked = check_store(repository.store(), repository.environment()).await?;
    let document = serde_json::json!({
        "repository_id": repository.id().to_string(),
        "location": repository.store().location(),
        "encrypted": repository.config().is_encrypted(),
        "races": checked.races,
        "writers": checked.writers,
        "left_behind": checked.left_behind,
    });
    output.print(&document, || {
        let mut text = format!(
            "repository {} at {}\nthe store keeps its word: {} races of {} writers, one winner each, nothing overwritten\n",
            repository.id(),
            repository.store().location(),
            checked.races,
            checked.writers
        );
        if checked.left_behind > 0 {
            text.push_str(&format!(
                "{} test objects under check/ could not be deleted with these credentials, which is as it should be\n",
                checked.left_behind
            ));
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn gc(global: &Global, output: Output) -> Result<ExitCode> {
    let journal: Journal = repository::open_journal(global).await?;
    let inventory = gather(journal.cluster(), journal.state()).await?;
    let plan = plan(&inventory);
    let packs = |list: &[PackUse]| -> Vec<PackDocument> {
        list.iter()
            .map(|pack| PackDocument {
                pack: pack.name.to_string(),
                length: pack.length,
                live: pack.live,
            })
            .collect()
    };
    let document = GcDocument {
        unreferenced: packs(&plan.unreferenced),
        sparse: packs(&plan.sparse),
        marked: packs(&plan.marked),
        missing: plan.missing.iter().map(ToString::to_string).collect(),
        kept_packs: plan.kept,
        open_packs: plan.open,
        stored_bytes: plan.stored_bytes,
        live_bytes: plan.live_bytes,
        reclaimable_bytes: plan.reclaimable_bytes,
    };
    output.print(&document, || document.text())?;
    Ok(if document.missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        Kind::Incomplete.code()
    })
}

impl GcDocument {
    fn text(&self) -> String {
        let rows: Vec<Vec<String>> = [
            ("unreferenced", &self.unreferenced),
            ("mostly dead", &self.sparse),
            ("marked", &self.marked),
        ]
        .iter()
        .flat_map(|(why, packs)| {
            packs.iter().map(|pack| {
                vec![
                    pack.pack.clone(),
                    (*why).to_owned(),
                    bytes(pack.length),
                    bytes(pack.live),
                ]
            })
        })
        .collect();
        let mut text = if rows.is_empty() {
            String::new()
        } else {
            table(&["PACK", "WHY", "LENGTH", "LIVE"], &rows)
        };
        text.push_str(&format!(
            "{} stored, {} live, {} could be reclaimed; {} packs are kept, {} belong to the open run\n\
             This is a plan: this version of maxbrod removes nothing.\n",
            bytes(self.stored_bytes),
            bytes(self.live_bytes),
            bytes(self.reclaimable_bytes),
            self.kept_packs,
            self.open_packs
        ));
        for pack in &self.missing {
            text.push_str(&format!(
                "MISSING  {pack}: a snapshot needs it; `maxbrod snapshot verify` tells which\n"
            ));
        }
        text
    }
}
