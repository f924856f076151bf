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
    let id = match &global.cluster {
        Some(id) => ClusterId(id.clone()),
        None => only_cluster(&repository).await?,
    };
    Ok(repository.cluster(&id)?)
}

/// Opens the cluster's part and reads its journal.
pub async fn open_journal(global: &Global) -> Result<Journal> {
    Ok(Journal::load(&open_cluster(global).await?).await?)
}

async fn only_cluster(repository: &Repository) -> Result<ClusterId> {
    let mut clusters = repository.clusters().await?;
    match clusters.len() {
        1 => Ok(clusters.remove(0)),
        0 => Err(
            Failure::new(Kind::Incomplete, "no-cluster", "the repository holds no cluster yet")
                .remedy("start a coordinator and agents; they open a cluster's journal when they first meet"),
        ),
        _ => {
            let names: Vec<String> = clusters.into_iter().map(|id| id.0).collect();
            Err(
                Failure::usage(format!("the repository holds several clusters: {}", names.join(", ")))
                    .remedy("choose one with --cluster"),
            )
        }
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
        let remedy = match &error {
            Error::Missing { .. } | Error::Damaged { .. } => {
                "`maxbrod snapshot verify` tells which snapshots are affected; restore from another one, or bring the object back from a copy of the repository"
            }
            Error::Store { .. } => "check the address, the credentials and the network, and try again",
            _ => "",
        };
        Self::new(kind, error.code(), error.to_string()).remedy(remedy)
    }
}
