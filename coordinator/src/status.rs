//! Errors as gRPC statuses. The stable code goes along as metadata, `maxbrod-code`, and what helps as `maxbrod-remedy`.

use maxbrod_repository::Error;
use tonic::Status;
use tonic::metadata::MetadataValue;

/// The status of a repository's error.
pub(crate) fn of_error(error: &Error) -> Status {
    let message = error.to_string();
    let status = match error {
        Error::Missing { .. } => Status::not_found(message),
        Error::Fenced { .. } | Error::Forbidden { .. } => Status::failed_precondition(message),
        Error::NeedsIdentity { .. } | Error::WrongIdentity { .. } => Status::failed_precondition(message),
        Error::Taken { .. } => Status::already_exists(message),
        Error::UploadRefused { .. } | Error::Name { .. } => Status::invalid_argument(message),
        Error::Store { .. } | Error::Uncertain { .. } => Status::unavailable(message),
        _ => Status::internal(message),
    };
    with_remedy(with_code(status, error.code()), error.remedy())
}

/// Adds what helps, unless it is not known. Metadata is ASCII: what is not is left out.
pub(crate) fn with_remedy(mut status: Status, remedy: &str) -> Status {
    if let Some(remedy) = MetadataValue::try_from(remedy).ok().filter(|remedy| !remedy.is_empty()) {
        status.metadata_mut().insert("maxbrod-remedy", remedy);
    }
    status
}

/// Adds a stable code.
pub(crate) fn with_code(mut status: Status, code: &'static str) -> Status {
    status
        .metadata_mut()
        .insert("maxbrod-code", MetadataValue::from_static(code));
    status
}
