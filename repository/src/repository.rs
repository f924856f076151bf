//! A repository, made or opened.

use maxbrod_kafka::ClusterId;

use crate::config::{Config, Encryption, PlainKey};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::id::{KeyId, RepositoryId};
use crate::identity::{Identities, Recipient, Unwrapped, listed, wrap};
use crate::key::{IdKey, KeyObject, KeyPurpose, KeyStore};
use crate::name::{CONFIG, ClusterNames, key_folder};
use crate::store::{Created, Store};

/// How to make a repository.
#[derive(Clone, Debug)]
pub enum InitOptions {
    /// Readable by everyone who can read the store.
    NotEncrypted,
    /// Readable by those who hold a matching identity.
    Encrypted {
        /// The operators: they can read everything. At least one.
        recipients: Vec<Recipient>,
        /// The coordinator: it can read manifests, never data.
        coordinator_recipients: Vec<Recipient>,
    },
}

/// An open repository. Cheap to clone.
///
/// Journals can be read without any identity; whatever is sealed needs one that matches.
#[derive(Clone, Debug)]
pub struct Repository {
    store: Store,
    config: Config,
    environment: Environment,
    id_key: Option<IdKey>,
    keys: KeyStore,
}

impl Repository {
    /// Makes a repository where none is. The coordinator's recipients get the id key and manifest keys, never data keys.
    pub async fn init(store: Store, options: InitOptions, environment: Environment) -> Result<Self> {
        if let Some(bytes) = store.find(CONFIG).await? {
            return Err(already(&store, &bytes));
        }
        let random = environment.random.as_ref();
        let id_key = IdKey::random(random);
        let encryption = match options {
            InitOptions::NotEncrypted => Encryption::None {
                id_key: PlainKey::new(*id_key.as_bytes()),
            },
            InitOptions::Encrypted {
                recipients,
                coordinator_recipients,
            } => {
                if recipients.is_empty() {
                    let reason = "an encrypted repository needs at least one recipient of an operator".to_owned();
                    return Err(Error::Recipient {
                        recipient: String::new(),
                        reason,
                    });
                }
                let everyone: Vec<_> = recipients.iter().chain(&coordinator_recipients).cloned().collect();
                let wrapped = wrap(id_key.as_bytes(), &everyone)?;
                let id_key = KeyObject::new(KeyId::random(random), KeyPurpose::Id, everyone, wrapped);
                Encryption::Age {
                    recipients,
                    coordinator_recipients,
                    id_key,
                }
            }
        };
        let config = Config::new(RepositoryId::random(random), environment.clock.now(), encryption);
        if let Created::Taken(bytes) = store.create(CONFIG, config.encode()?).await? {
            return Err(already(&store, &bytes));
        }
        let keys = KeyStore::new(store.clone(), Identities::none());
        Ok(Self {
            store,
            config,
            environment,
            id_key: Some(id_key),
            keys,
        })
    }

    /// Opens a repository. Identities that are given must match.
    pub async fn open(store: Store, identities: Identities, environment: Environment) -> Result<Self> {
        let Some(bytes) = store.find(CONFIG).await? else {
            return Err(Error::NoRepository {
                location: store.location().to_owned(),
            });
        };
        let config = Config::decode(&bytes)?;
        let keys = KeyStore::new(store.clone(), identities.clone());
        let id_key = match &config.encryption {
            Encryption::None { id_key } => IdKey::from_slice(id_key.bytes()),
            Encryption::Age { .. } if identities.is_empty() => None,
            Encryption::Age { id_key, .. } => Some(unlock_id_key(&keys, id_key, &identities).await?),
        };
        Ok(Self {
            store,
            config,
            environment,
            id_key,
            keys,
        })
    }

    /// What it is.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its name.
    pub fn id(&self) -> RepositoryId {
        self.config.repository_id
    }

    /// Where it lies.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Clock, randomness, who we are.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Its sealing keys.
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// The key of the content ids. An error where the repository is encrypted and was opened without an identity.
    pub fn id_key(&self) -> Result<&IdKey> {
        self.id_key.as_ref().ok_or_else(|| Error::NeedsIdentity {
            object: "the repository's id key".to_owned(),
            recipients: listed(&self.config.manifest_recipients()),
        })
    }

    /// The clusters that have been backed up here.
    pub async fn clusters(&self) -> Result<Vec<ClusterId>> {
        Ok(self
            .store
            .folders("clusters")
            .await?
            .into_iter()
            .map(ClusterId)
            .collect())
    }

    /// One cluster's part of the repository; it need not exist yet.
    pub fn cluster(&self, id: &ClusterId) -> Result<Cluster> {
        Ok(Cluster {
            names: ClusterNames::new(id)?,
            id: id.clone(),
            repository: self.clone(),
        })
    }
}

/// One cluster's part of a repository. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cluster {
    repository: Repository,
    id: ClusterId,
    names: ClusterNames,
}

impl Cluster {
    /// Kafka's `cluster.id`.
    pub fn id(&self) -> &ClusterId {
        &self.id
    }

    /// The whole.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Where it lies.
    pub fn store(&self) -> &Store {
        &self.repository.store
    }

    /// The names of its objects.
    pub fn names(&self) -> &ClusterNames {
        &self.names
    }
}

fn already(store: &Store, config: &[u8]) -> Error {
    match Config::decode(config) {
        Ok(config) => Error::AlreadyARepository {
            location: store.location().to_owned(),
            repository_id: config.repository_id.to_string(),
        },
        Err(error) => error,
    }
}

/// The id key from `config`, or from a copy that was added for new recipients.
async fn unlock_id_key(keys: &KeyStore, object: &KeyObject, identities: &Identities) -> Result<IdKey> {
    let wrong_length = || Error::damaged(CONFIG, "its id key is not 32 bytes long");
    match identities.unwrap(&object.age) {
        Unwrapped::Secret(secret) => return IdKey::from_slice(&secret).ok_or_else(wrong_length),
        Unwrapped::Damaged(reason) => return Err(Error::damaged(CONFIG, format!("its id key: {reason}"))),
        Unwrapped::NoMatch => {}
    }
    let mut recipients = object.recipients.clone();
    for (name, copy) in keys.copies(object.key_id).await? {
        match identities.unwrap(&copy.age) {
            Unwrapped::Secret(secret) => return IdKey::from_slice(&secret).ok_or_else(wrong_length),
            Unwrapped::Damaged(reason) => return Err(Error::damaged(name, reason)),
            Unwrapped::NoMatch => recipients.extend(copy.recipients),
        }
    }
    let object = format!("the repository's id key {}", key_folder(object.key_id));
    Err(Error::WrongIdentity {
        object,
        recipients: listed(&recipients),
    })
}
