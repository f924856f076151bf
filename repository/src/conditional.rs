//! Finding out whether a store can be trusted with a repository.
//!
//! Everything rests on "create if absent": two writers who race for one name must see exactly one winner, and a name
//! that is taken must stay taken. Some servers answer 200 and overwrite (docs/decisions).

mod grants;

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::future::join_all;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::Nonce;
use crate::store::{FileRoot, Published, Store, blocking};
use crate::upload::SigningGranter;

/// Writers in a race.
const WRITERS: usize = 16;
/// Races.
const ROUNDS: usize = 24;

/// What was tried on a store that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreCheck {
    /// Races for a fresh name.
    pub races: usize,
    /// Writers in each.
    pub writers: usize,
    /// Objects that were left behind because the credentials can't delete, as it should be.
    pub left_behind: usize,
}

/// One answer to one create, not interpreted.
enum Answer {
    Won,
    Lost,
    Unclear(String),
}

/// Races for fresh names, tries to take a taken one, and to abuse granted uploads. Refuses a store that tells two writers
/// that they won, that overwrites, that does not list what it stored, or that takes another upload than the granted one.
pub async fn check_store(store: &Store, environment: &Environment) -> Result<StoreCheck> {
    let folder = format!("check/{}", Nonce::random(environment.random.as_ref()));
    let dishonest = |reason: String| Error::Dishonest {
        location: store.location().to_owned(),
        reason,
    };
    let mut names = BTreeSet::new();
    for round in 0..ROUNDS {
        let name = format!("{folder}/{round}");
        let writers = (0..WRITERS).map(|writer| {
            let (name, body) = (name.clone(), Bytes::from(format!("round {round}, writer {writer}")));
            async move { (put(store, &name, body.clone()).await, body) }
        });
        let answers = join_all(writers).await;
        let winners: Vec<_> = answers
            .iter()
            .filter(|(answer, _)| matches!(answer, Answer::Won))
            .map(|(_, body)| body.clone())
            .collect();
        let unclear = answers.iter().find_map(|(answer, _)| match answer {
            Answer::Unclear(reason) => Some(reason.clone()),
            _ => None,
        });
        let stored = store.find(&name).await?;
        match (winners.as_slice(), stored) {
            ([], None) => {
                return Err(Error::Uncertain {
                    object: name,
                    reason: unclear.unwrap_or_default(),
                });
            }
            ([_, second, ..], _) => {
                let second = String::from_utf8_lossy(second);
                return Err(dishonest(format!(
                    "{} writers of one name were told that they created it ({second} among them)",
                    winners.len()
                )));
            }
            ([winner], Some(stored)) if stored != *winner => {
                return Err(dishonest(
                    "the object is not the one of the writer who was told that it won".to_owned(),
                ));
            }
            ([_], None) => return Err(dishonest("an object that was created is not there".to_owned())),
            // A winner whose answer was lost is no lie.
            ([], Some(_)) | ([_], Some(_)) => {}
        }
        names.insert(name);
    }
    for name in names.iter().take(3) {
        let before = store.get(name).await?;
        match put(store, name, Bytes::from_static(b"an overwrite")).await {
            Answer::Won => return Err(dishonest("a name that is taken could be created again".to_owned())),
            Answer::Unclear(reason) => {
                return Err(Error::Uncertain {
                    object: name.clone(),
                    reason,
                });
            }
            Answer::Lost => {}
        }
        if store.get(name).await? != before {
            return Err(dishonest(
                "an object was overwritten by a create that was refused".to_owned(),
            ));
        }
    }
    let listed: BTreeSet<_> = store.list(&folder).await?.into_iter().map(|info| info.name).collect();
    if listed != names {
        return Err(dishonest(format!(
            "it lists {} of {} objects",
            listed.intersection(&names).count(),
            names.len()
        )));
    }
    if let Some(granter) = SigningGranter::new(store) {
        names.extend(grants::check(store, &granter, &folder).await?);
    }
    let mut left_behind = 0;
    for name in &names {
        left_behind += usize::from(store.objects().delete(&store.path(name)).await.is_err());
    }
    if let Some(root) = store.files().filter(|_| left_behind == 0).cloned() {
        blocking(move || {
            root.remove_empty(&folder);
            Ok(())
        })
        .await?;
    }
    Ok(StoreCheck {
        races: ROUNDS,
        writers: WRITERS,
        left_behind,
    })
}

/// One create, without the second looks that [`Store::create`] takes.
async fn put(store: &Store, name: &str, body: Bytes) -> Answer {
    if let Some(root) = store.files().cloned() {
        return put_file(root, name.to_owned(), body).await;
    }
    let options = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    match store
        .objects()
        .put_opts(&store.path(name), PutPayload::from_bytes(body), options)
        .await
    {
        Ok(_) => Answer::Won,
        Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Answer::Lost,
        Err(source) => Answer::Unclear(source.to_string()),
    }
}

async fn put_file(root: FileRoot, name: String, body: Bytes) -> Answer {
    let published = blocking(move || {
        let mut staged = root.stage()?;
        staged.write(&body)?;
        root.publish(staged, &name)
    });
    match published.await {
        Ok(Published::New) => Answer::Won,
        Ok(Published::Taken) => Answer::Lost,
        Err(source) => Answer::Unclear(source.to_string()),
    }
}
