//! The small HTTP server: health, metrics, and the uploads of repositories on a file system.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use maxbrod_repository::Accepted;
use tracing::warn;

use crate::house::House;

/// Where uploads go, below the server's root.
pub(crate) const UPLOADS: &str = "/upload";

/// The routes.
pub(crate) fn router(house: Arc<House>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(&format!("{UPLOADS}/{{token}}"), put(upload))
        .with_state(house)
}

/// Ready once it has taken an epoch and its conductor works.
async fn ready(State(house): State<Arc<House>>) -> Response {
    match house.term() {
        Some(term) if !term.inputs.is_closed() => "ready\n".into_response(),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the first agent\n").into_response(),
    }
}

async fn metrics(State(house): State<Arc<House>>) -> Response {
    let now = house.repository.environment().clock.now().as_second();
    (
        [("content-type", "text/plain; version=0.0.4")],
        house.metrics.render(now),
    )
        .into_response()
}

async fn upload(State(house): State<Arc<House>>, Path(token): Path<String>, body: Body) -> Response {
    let Some(uploads) = &house.uploads else {
        return (StatusCode::NOT_FOUND, "this repository takes uploads itself\n").into_response();
    };
    match uploads.accept(&token, body.into_data_stream()).await {
        Ok(Accepted::Stored) => StatusCode::OK.into_response(),
        Ok(Accepted::AlreadyThere) => StatusCode::PRECONDITION_FAILED.into_response(),
        Err(rejection) => {
            warn!(%rejection, code = rejection.code(), "an upload is not taken");
            let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!("{rejection}\n")).into_response()
        }
    }
}
