//! The repository that the options name, opened.

use maxbrod_kafka::ClusterId;
use maxbrod_repository::{Cluster, Environment, Error, ErrorKind, Identities, Journal, Location, Repository, Store};

use crate::args::Global;
use crate::exit::{Failure, Kind, Result};

/// The location that the options name.
pub fn location(global: &Global) -> Result<Location> {
    let Some(url) = &global.repository else {
        return Err(Failure::usage("no repository given").remedy("give --repository URL or set MAXBROD_REPOSITORY"));
    };
    Ok(url.parse::<Location>()?)
}

/// Who this process is, in the audit trail.
pub fn environment() -> Environment {
    let user = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "operator".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Environment::system(format!(
        "maxbrod {user}@{} (process {})",
        host.trim(),
        std::process::id()
    ))
}

/// Opens the repository, with the identity if one is given.
pub async fn open(global: &Global) -> Result<Repository> {
    let store = Store::open(&location(global)?).await?;
    let identities = match &global.identity {
        Some(path) => Identities::from_file(path)?,
        None => Identities::none(),
    };
    Ok(Repository::open(store, identities, environment()).await?)
}

/// Opens the part of the repository that belongs to the cluster asked for, or to the only one that there is.
pub async fn open_cluster(global: &Global) -> Result<Cluster> {
    let repository = open(global).await?;
    match &global.cluster {
        Some(id) => cluster(&repository, &ClusterId(id.clone())).await,
        None => Ok(repository.cluster(&only_cluster(&repository).await?)?),
    }
}

/// Opens a cluster's part, which must be there: what was never backed up, or is misspelt, is no empty backup.
pub async fn cluster(repository: &Repository, id: &ClusterId) -> Result<Cluster> {
    let cluster = repository.cluster(id)?;
    let clusters = repository.clusters().await?;
    if clusters.contains(id) {
        return Ok(cluster);
    }
    Err(Failure::new(
        Kind::Incomplete,
        "no-such-cluster",
        format!("the repository holds nothing of the cluster {id}"),
    )
    .remedy(match clusters.as_slice() {
        [] => "it holds no cluster yet; check --repository".to_owned(),
        _ => format!("check --cluster and --repository; it holds {}", listed(clusters)),
    }))
}

/// Opens the cluster's part and reads its journal.
pub async fn open_journal(global: &Global) -> Result<Journal> {
    load_journal(&open_cluster(global).await?).await
}

/// Reads a cluster's journal. A coordinator writes it before anything else, so without entries it is lost, not young.
pub async fn load_journal(cluster: &Cluster) -> Result<Journal> {
    let journal = Journal::load(cluster).await?;
    if journal.state().next == 0 {
        return Err(Failure::new(
            Kind::Incomplete,
            "no-journal",
            format!("the repository holds the cluster {}, but not its journal", cluster.id()),
        )
        .remedy("bring clusters/<cluster id>/journal back from a copy of the repository"));
    }
    Ok(journal)
}

fn listed(clusters: Vec<ClusterId>) -> String {
    let names: Vec<String> = clusters.into_iter().map(|id| id.0).collect();
    names.join(", ")
}

async fn only_cluster(repository: &Repository) -> Result<ClusterId> {
    let mut clusters = repository.clusters().await?;
    match clusters.len() {
        1 => Ok(clusters.remove(0)),
        0 => Err(
            Failure::new(Kind::Incomplete, "no-cluster", "the repository holds no cluster yet")
                .remedy("start a coordinator and agents; they open a cluster's journal when they first meet"),
        ),
        _ => Err(
            Failure::usage(format!("the repository holds several clusters: {}", listed(clusters)))
                .remedy("choose one with --cluster"),
        ),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Usage => Kind::Usage,
            ErrorKind::Missing => Kind::Incomplete,
            ErrorKind::Integrity => Kind::Integrity,
            ErrorKind::Failed => Kind::Failed,
        };
        Self::new(kind, error.code(), error.to_string()).remedy(error.remedy())
    }
}
