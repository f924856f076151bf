//! Where a repository is: what `--repository` says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// A repository's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `file:///…`: a folder.
    Files(PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket.
        bucket: String,
        /// What every object's name begins with; no slash at either end, may be empty.
        prefix: String,
    },
}

impl Location {
    /// The place of a folder.
    pub fn files(path: impl AsRef<Path>) -> Self {
        Self::Files(path.as_ref().to_owned())
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = |reason: &str| Error::Location {
            location: text.to_owned(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text)
            .map_err(|source| error(&format!("{source}; expected file:///path or s3://bucket/prefix")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(error("'?' and '#' can't be part of it"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("credentials belong in the cloud's environment variables"));
        }
        match url.scheme() {
            "file" => match url.to_file_path() {
                Ok(path) if path.parent().is_some() => Ok(Self::Files(path)),
                Ok(_) => Err(error("the file system's root can't be a repository")),
                Err(()) => Err(error("expected an absolute path: file:///path")),
            },
            "s3" => {
                let bucket = url
                    .host_str()
                    .filter(|host| !host.is_empty())
                    .ok_or_else(|| error("it names no bucket"))?;
                if url.port().is_some() {
                    return Err(error("a server is named by AWS_ENDPOINT_URL, not by a port"));
                }
                let prefix = url.path().trim_matches('/');
                let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=+@".contains(&byte);
                if !prefix.bytes().all(fit) || prefix.split('/').any(|part| matches!(part, "." | "..")) {
                    return Err(error("the prefix may hold letters, digits and -_.=+@ only"));
                }
                if prefix.contains("//") {
                    return Err(error("the prefix has an empty part"));
                }
                Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                })
            }
            "gs" | "az" => Err(error("this build of maxbrod reads and writes file:// and s3:// only")),
            _ => Err(error("expected file:///path or s3://bucket/prefix")),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(path) => match Url::from_file_path(path) {
                Ok(url) => write!(f, "{url}"),
                Err(()) => write!(f, "file://{}", path.display()),
            },
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}
