use maxbrod_repository::{
    Consistency, ContentId, Environment, Identities, InitOptions, Location, Repository, RootName, RootRef, SnapshotId,
    SnapshotTotals, Store,
};

use super::*;

async fn cluster(folder: &std::path::Path) -> Cluster {
    let location = Location::files(folder);
    let repository = match Store::open(&location).await {
        Ok(store) => Repository::open(store, Identities::none(), Environment::system("test"))
            .await
            .unwrap(),
        Err(_) => {
            let store = Store::prepare(&location).await.unwrap();
            Repository::init(store, InitOptions::NotEncrypted, Environment::system("test"))
                .await
                .unwrap()
        }
    };
    repository.cluster(&ClusterId("cluster".to_owned())).unwrap()
}

fn committed(run: u64, epoch: u64) -> Committed {
    let time = "2026-11-24T10:00:00Z".parse().unwrap();
    Committed {
        run,
        snapshot: SnapshotId::new(time, run),
        label: String::new(),
        root: RootRef {
            name: RootName {
                run,
                epoch,
                sequence: 0,
            },
            id: ContentId([1; 32]),
            length: 1,
            key: None,
        },
        consistency: Consistency::CrashConsistent,
        started: time,
        cut: time,
        committed: time,
        freeze_ms: 1,
        totals: SnapshotTotals::default(),
        highest_leader_epoch: 0,
        format: maxbrod_repository::FORMAT_VERSION,
    }
}

#[tokio::test]
async fn the_first_coordinator_opens_a_run_and_the_next_adopts_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Lease::take(cluster(folder.path()).await, "first").await.unwrap();
    let run = first.open_run().await.unwrap();
    assert_eq!((first.epoch(), run.base), (1, None));
    let second = Lease::take(cluster(folder.path()).await, "second").await.unwrap();
    assert_eq!(second.epoch(), 2);
    assert_eq!(second.open_run().await, Some(run));
}

#[tokio::test]
async fn the_older_of_two_coordinators_can_neither_commit_nor_grant() {
    let folder = tempfile::tempdir().unwrap();
    let old = Lease::take(cluster(folder.path()).await, "old").await.unwrap();
    let run = old.open_run().await.unwrap().run;
    old.check(run).await.unwrap();
    let new = Lease::take(cluster(folder.path()).await, "new").await.unwrap();
    assert!(matches!(
        old.check(run).await,
        Err(Error::Fenced { held: 1, newest: 2, .. })
    ));
    assert!(matches!(old.commit(committed(run, 1)).await, Err(Error::Fenced { .. })));
    assert!(matches!(old.close_run("why not").await, Err(Error::Fenced { .. })));
    new.check(run).await.unwrap();
    new.commit(committed(run, 2)).await.unwrap();
    let next = new.open_next().await.unwrap();
    assert_eq!(next.base, Some(run));
    assert!(
        new.check(run).await.is_err(),
        "the run that was committed takes nothing more"
    );
    assert_eq!(new.base().await.map(|base| base.committed.run), Some(run));
}

#[tokio::test]
async fn two_coordinators_that_start_at_once_get_different_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let place = cluster(folder.path()).await;
    let (left, right) = tokio::join!(Lease::take(place.clone(), "left"), Lease::take(place.clone(), "right"));
    // The slower one may be fenced off before it has looked at the run, or hold the newer epoch.
    let epochs: Vec<u64> = [left, right].into_iter().flatten().map(|lease| lease.epoch()).collect();
    assert!(!epochs.is_empty());
    assert!(epochs.windows(2).all(|pair| pair[0] != pair[1]));
    let mut journal = Journal::load(&place).await.unwrap();
    journal.refresh().await.unwrap();
    assert_eq!(journal.state().epoch, 2);
}

#[tokio::test]
async fn an_operators_entry_in_between_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let lease = Lease::take(cluster(folder.path()).await, "it").await.unwrap();
    let run = lease.open_run().await.unwrap().run;
    let mut operator = Journal::load(&cluster(folder.path()).await).await.unwrap();
    operator.append(Event::Configured(Default::default())).await.unwrap();
    lease.commit(committed(run, 1)).await.unwrap();
    let next = lease.open_next().await.unwrap();
    assert_eq!(next.base, Some(run));
}

#[tokio::test]
async fn a_run_whose_base_was_deleted_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let lease = Lease::take(cluster(folder.path()).await, "it").await.unwrap();
    let run = lease.open_run().await.unwrap().run;
    lease.commit(committed(run, 1)).await.unwrap();
    let next = lease.open_next().await.unwrap();
    assert!(!lease.has_lost_base().await.unwrap());
    let mut operator = Journal::load(&cluster(folder.path()).await).await.unwrap();
    let snapshot = operator.snapshot("latest").unwrap().committed.snapshot.clone();
    operator
        .append(Event::Deleted {
            snapshot,
            reason: "test".to_owned(),
        })
        .await
        .unwrap();
    assert!(lease.has_lost_base().await.unwrap());
    lease.close_run("its base is gone").await.unwrap();
    let fresh = lease.open_next().await.unwrap();
    assert!(fresh.run > next.run && fresh.base.is_none());
    // One that starts now sees the same.
    let other = Lease::take(cluster(folder.path()).await, "other").await.unwrap();
    assert_eq!(other.open_run().await, Some(fresh));
}
