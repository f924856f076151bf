//! What can go wrong with a repository, and who has to act.

use std::fmt;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error; decides the exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request was wrong: exit code 2.
    Usage,
    /// Something that should be in the repository is not: exit code 3.
    Missing,
    /// Bytes are not what they should be: exit code 4.
    Integrity,
    /// Everything else: exit code 1.
    Failed,
}

/// The source of an [`Error::Store`].
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Something about a repository went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `--repository` URL that can't be used.
    #[error("using the repository {location:?}: {reason}")]
    Location {
        /// As given.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no repository at the location.
    #[error("opening the repository {location}: there is none")]
    NoRepository {
        /// Where.
        location: String,
    },
    /// The folder of a file-system repository lacks its marker.
    #[error(
        "using the folder {path}: the marker file {marker} is not in it; either nothing is mounted there or it was never \
         made a repository"
    )]
    NotMounted {
        /// The folder.
        path: String,
        /// The marker's name.
        marker: &'static str,
    },
    /// `init` found a repository.
    #[error("making the repository {location}: there is one already, {repository_id}")]
    AlreadyARepository {
        /// Where.
        location: String,
        /// The id of what is there.
        repository_id: String,
    },
    /// Written by a newer maxbrod.
    #[error("reading {object}: it has format version {found}, this maxbrod reads up to {supported}")]
    NewerFormat {
        /// The object.
        object: String,
        /// Its version.
        found: u64,
        /// The newest version known.
        supported: u64,
    },
    /// Needs features that this build does not have.
    #[error("reading {object}: it requires the features {features:?}, unknown to this maxbrod")]
    UnknownFeatures {
        /// The object.
        object: String,
        /// The unknown ones.
        features: Vec<String>,
    },
    /// The journal holds an event that this build does not know.
    #[error("reading {object}: it holds an event {event:?} written by {software}, unknown to this maxbrod")]
    UnknownEvent {
        /// The entry.
        object: String,
        /// The event's kind.
        event: String,
        /// Who wrote it.
        software: String,
    },
    /// The repository is encrypted and no identity was given.
    #[error("unlocking {object}: the repository is encrypted for {recipients}")]
    NeedsIdentity {
        /// What was to be unlocked.
        object: String,
        /// Who could.
        recipients: RecipientList,
    },
    /// None of the identities given unlocks the key.
    #[error("unlocking {object}: none of the identities given matches; it is encrypted for {recipients}")]
    WrongIdentity {
        /// What was to be unlocked.
        object: String,
        /// Who could.
        recipients: RecipientList,
    },
    /// An identity file that can't be used.
    #[error("reading the identity file {path}: {reason}")]
    IdentityFile {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Not an age recipient.
    #[error("reading the recipient {recipient:?}: {reason}")]
    Recipient {
        /// As given.
        recipient: String,
        /// What is wrong.
        reason: String,
    },
    /// A malformed name or id.
    #[error("reading the {what} {text:?}: {reason}")]
    Name {
        /// What it should be.
        what: &'static str,
        /// As given.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// No such snapshot.
    #[error("looking up the snapshot {snapshot}: {reason}")]
    NoSuchSnapshot {
        /// As given.
        snapshot: String,
        /// Why not.
        reason: String,
    },
    /// An object that must be there is not.
    #[error("reading {object}: it is missing from the repository")]
    Missing {
        /// The object.
        object: String,
    },
    /// An object's bytes are wrong.
    #[error("reading {object}: {reason}")]
    Damaged {
        /// The object.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// What was just sealed does not open again: memory or CPU can't be trusted.
    #[error("checking what was sealed of {object} before its upload: {reason}")]
    Unfaithful {
        /// What was sealed.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// An object's name is taken by other bytes.
    #[error("creating {object}: another object has that name")]
    Taken {
        /// The object.
        object: String,
    },
    /// It is not known whether the object was stored.
    #[error("creating {object}: the store did not say whether it did, and it is not there yet: {reason}")]
    Uncertain {
        /// The object.
        object: String,
        /// The last answer.
        reason: String,
    },
    /// An event that the journal's rules forbid.
    #[error("writing {event:?} to the journal: {reason}")]
    Forbidden {
        /// The event's kind.
        event: &'static str,
        /// The rule.
        reason: String,
    },
    /// Another coordinator took over.
    #[error("writing to the journal as epoch {held}: epoch {newest} ({holder}) took over")]
    Fenced {
        /// The epoch held.
        held: u64,
        /// The newest.
        newest: u64,
        /// Who holds it.
        holder: String,
    },
    /// The store does not do what it must.
    #[error("checking the store {location}: {reason}; snapshots in it would not be safe")]
    Dishonest {
        /// Where.
        location: String,
        /// What it did.
        reason: String,
    },
    /// An upload was refused.
    #[error("uploading {object}: {reason}")]
    UploadRefused {
        /// The object.
        object: String,
        /// Why.
        reason: String,
    },
    /// Something that the format has no place for.
    #[error("writing {object}: {reason}")]
    Unwritable {
        /// What was written.
        object: String,
        /// Why not.
        reason: String,
    },
    /// The store failed.
    #[error("{action} {object}: {source}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The object.
        object: String,
        /// What the store said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Stable, kebab-case, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Location { .. } => "repository-location",
            Self::NoRepository { .. } => "no-repository",
            Self::NotMounted { .. } => "repository-not-mounted",
            Self::AlreadyARepository { .. } => "repository-exists",
            Self::NewerFormat { .. } => "newer-format",
            Self::UnknownFeatures { .. } => "unknown-features",
            Self::UnknownEvent { .. } => "unknown-event",
            Self::NeedsIdentity { .. } => "identity-needed",
            Self::WrongIdentity { .. } => "wrong-identity",
            Self::IdentityFile { .. } => "identity-file",
            Self::Recipient { .. } => "recipient",
            Self::Name { .. } => "malformed-name",
            Self::NoSuchSnapshot { .. } => "no-such-snapshot",
            Self::Missing { .. } => "object-missing",
            Self::Damaged { .. } => "object-damaged",
            Self::Unfaithful { .. } => "sealing-unfaithful",
            Self::Taken { .. } => "name-taken",
            Self::Uncertain { .. } => "store-uncertain",
            Self::Forbidden { .. } => "journal-rule",
            Self::Fenced { .. } => "fenced",
            Self::Dishonest { .. } => "dishonest-store",
            Self::UploadRefused { .. } => "upload-refused",
            Self::Unwritable { .. } => "unwritable",
            Self::Store { .. } => "store-failed",
        }
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Location { .. }
            | Self::NoRepository { .. }
            | Self::AlreadyARepository { .. }
            | Self::NeedsIdentity { .. }
            | Self::IdentityFile { .. }
            | Self::Recipient { .. }
            | Self::Name { .. }
            | Self::NoSuchSnapshot { .. } => ErrorKind::Usage,
            Self::Missing { .. } => ErrorKind::Missing,
            Self::Damaged { .. } | Self::Unfaithful { .. } => ErrorKind::Integrity,
            Self::NotMounted { .. }
            | Self::NewerFormat { .. }
            | Self::UnknownFeatures { .. }
            | Self::UnknownEvent { .. }
            | Self::WrongIdentity { .. }
            | Self::Taken { .. }
            | Self::Uncertain { .. }
            | Self::Forbidden { .. }
            | Self::Fenced { .. }
            | Self::Dishonest { .. }
            | Self::UploadRefused { .. }
            | Self::Unwritable { .. }
            | Self::Store { .. } => ErrorKind::Failed,
        }
    }

    /// What helps, as a sentence for operators; empty where that is not known.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Location { .. } => "give --repository file:///path or s3://bucket/prefix",
            Self::NoRepository { .. } => "check --repository; `maxbrod init` makes a new repository",
            Self::NotMounted { .. } => "check --repository and the mount; `maxbrod init` makes a new repository",
            Self::AlreadyARepository { .. } => "use it as it is, or choose another --repository",
            Self::NewerFormat { .. } | Self::UnknownFeatures { .. } => "use a newer maxbrod",
            Self::UnknownEvent { .. } => "use the version of maxbrod that wrote it, or a newer one",
            Self::NeedsIdentity { .. } => "give --identity the age key file of one of these recipients",
            Self::WrongIdentity { .. } => "give --identity the key file of one of these recipients",
            Self::IdentityFile { .. } => "give --identity a file that age-keygen made",
            Self::Recipient { .. } => "give it as age-keygen prints it: age1…",
            Self::Name { .. } => "copy it from where maxbrod printed it",
            Self::NoSuchSnapshot { .. } => "`maxbrod snapshot list` shows what there is",
            Self::Missing { .. } | Self::Damaged { .. } => {
                "`maxbrod snapshot verify` tells which snapshots are affected; restore from another one, or bring the object \
                 back from a copy of the repository"
            }
            Self::Unfaithful { .. } => "this machine's memory or CPU may be faulty: test it before it is trusted again",
            Self::Taken { .. } => "another writer may be at work in this repository: stop it, and try again",
            Self::Store { .. } | Self::Uncertain { .. } => {
                "check the address, the credentials, the free space and the network, and try again"
            }
            Self::Forbidden { .. } => "`maxbrod audit show` tells what happened in the meantime; try again",
            Self::Fenced { .. } => "stop this coordinator: one cluster has one coordinator",
            Self::Dishonest { .. } => "use another store",
            Self::UploadRefused { .. } | Self::Unwritable { .. } => "",
        }
    }

    pub(crate) fn damaged(object: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Damaged {
            object: object.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn store(action: &'static str, object: impl fmt::Display, source: impl Into<Source>) -> Self {
        Self::Store {
            action,
            object: object.to_string(),
            source: source.into(),
        }
    }
}

/// An error and all its causes, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Recipients as an error names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientList(pub Vec<String>);

impl fmt::Display for RecipientList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("recipients that are not recorded");
        }
        f.write_str(&self.0.join(", "))
    }
}
