//! The calls of the public API about Sprites.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::app::App;
use super::body::{Given, NotGiven};
use super::errors::{ApiError, CONCURRENT, CREATES, ErrorBody, NotOne, standing_headers};
use super::model::{
    CreateBody, ListBody, ListQuery, PAGE_MAX, SpriteBody, UpdateBody, check_labels, check_name, sprite_body,
};
use crate::auth::Caller;
use crate::sprites::{Edit, New, SpriteError, Status};
use crate::store::Record;

/// Create a Sprite: one that stands ready is taken and started. Its record is on disk before the answer.
#[utoipa::path(
    post, path = "/v1/sprites", tag = "sprites", request_body = CreateBody,
    responses(
        (status = 201, description = "It runs", body = SpriteBody),
        (status = 400, description = "The body is invalid, or the name is taken", body = ErrorBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 429, description = "The pool is empty, the host full, or too many", body = ErrorBody),
        (status = 503, description = "It cannot be started or recorded now", body = ErrorBody),
        NotGiven,
    )
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Given(body): Given<CreateBody>,
) -> Result<Response, ApiError> {
    let begun = Instant::now();
    check_name(&body.name)?;
    check_labels(body.labels.as_deref().unwrap_or_default())?;
    let standing = app.rates.count(caller, begun);
    if !standing.allowed {
        let message = format!("this token may create {} sprites in {} s", standing.limit, standing.window_s);
        let mut error =
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, CREATES, message).after(standing.reset_s);
        error.body.limit = Some(u64::from(standing.limit));
        error.body.window_seconds = Some(standing.window_s);
        error.body.current_count = Some(u64::from(standing.limit - standing.remaining));
        error.standing = Some(standing);
        return Err(error);
    }
    let patience = Duration::from_nanos(app.loaded.config.server.capacity_wait.as_nanos());
    let new = New {
        name: body.name,
        access: body.url_settings.and_then(|settings| settings.auth).map(Into::into).unwrap_or_default(),
        labels: body.labels.unwrap_or_default(),
        patience: body.wait_for_capacity.then_some(patience),
    };
    let theirs = Arc::clone(&app);
    let created = finish("the create", async move { theirs.sprites.create(&new).await }).await?;
    let (record, status, stages) = created.map_err(|error| app.explain(error))?;
    let body = app.body_of((record, status));
    app.metrics.created(begun.elapsed(), stages);
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    response.headers_mut().extend(standing_headers(&standing));
    Ok(response)
}

/// A client that leaves must not leave a VM without a record behind: what has begun is finished without it.
pub(super) async fn finish<T: Send + 'static>(
    what: &str,
    act: impl Future<Output = Result<T, SpriteError>> + Send + 'static,
) -> Result<Result<T, SpriteError>, ApiError> {
    let done = tokio::spawn(act).await;
    done.map_err(|error| ApiError::unavailable(format!("{what} ended early: {error}"), 1))
}

impl App {
    pub(super) fn body_of(&self, (record, status): (Record, Status)) -> SpriteBody {
        let awake_for = self.sprites.awake_for(&record.name);
        sprite_body(&self.loaded.config, &self.base_url, record, status, awake_for)
    }

    /// An error as the client is told it; what turned a request away depends on how full the host is.
    fn explain(&self, error: SpriteError) -> ApiError {
        if error != SpriteError::Rejected {
            return error.into();
        }
        let (level, after_s) = (self.host.level(), self.loaded.retry_after_s());
        let mut answer = if level.slots_held() >= u64::from(level.slots) {
            let message =
                format!("all {} slots of this host are in use; delete a sprite or come again", level.slots);
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, CONCURRENT, message)
        } else {
            let message = "the pool is empty and its policy turns requests away; \
                 come again, or ask with wait_for_capacity";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, CREATES, message)
        };
        answer.body.limit = Some(u64::from(level.slots));
        answer.body.current_count = Some(level.slots_held());
        answer.after(after_s)
    }
}

/// List Sprites in the order of names, a page at a time.
#[utoipa::path(
    get, path = "/v1/sprites", tag = "sprites", params(ListQuery),
    responses(
        (status = 200, description = "A page", body = ListBody),
        (status = 400, description = "The query is invalid", body = ErrorBody),
        (status = 401, description = "No valid token", body = ErrorBody),
        (status = 503, description = "The host is leaving", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ListBody>, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::invalid(format!("the query is invalid: {error}")))?;
    let count = query.max_results.unwrap_or(PAGE_MAX);
    if count == 0 {
        return Err(ApiError::invalid("`max_results` is 0: give from 1 to 50"));
    }
    let invalid = || ApiError::invalid("`continuation_token` is not one that this host gave");
    let after = match query.continuation_token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
            Some(String::from_utf8(bytes).map_err(|_| invalid())?)
        }
        None => None,
    };
    let prefix = query.prefix.unwrap_or_default();
    let page = app.sprites.list(&prefix, after.as_deref(), count.min(PAGE_MAX) as usize);
    let last = page.records.last().filter(|_| page.more);
    let next_continuation_token = last.map(|(record, _)| URL_SAFE_NO_PAD.encode(&record.name));
    let totals = app.sprites.totals();
    Ok(Json(ListBody {
        sprites: page.records.into_iter().map(|record| app.body_of(record)).collect(),
        has_more: page.more,
        next_continuation_token,
        running: totals.running,
        warm: totals.warm,
        cold: totals.cold,
    }))
}

/// One Sprite.
#[utoipa::path(
    get, path = "/v1/sprites/{name}", tag = "sprites",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The Sprite", body = SpriteBody),
        (status = 503, description = "The host is leaving", body = ErrorBody),
        NotOne,
    )
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<SpriteBody>, ApiError> {
    Ok(Json(app.body_of(app.sprites.get(&name)?)))
}

/// Change settings of a Sprite. What is left out stays as it is.
#[utoipa::path(
    put, path = "/v1/sprites/{name}", tag = "sprites", request_body = UpdateBody,
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The Sprite", body = SpriteBody),
        (status = 400, description = "The body is invalid", body = ErrorBody),
        (status = 503, description = "It cannot be recorded, or the host is leaving", body = ErrorBody),
        NotOne,
        NotGiven,
    )
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Given(body): Given<UpdateBody>,
) -> Result<Json<SpriteBody>, ApiError> {
    check_labels(body.labels.as_deref().unwrap_or_default())?;
    let access = body.url_settings.and_then(|settings| settings.auth).map(Into::into);
    let edit = Edit { access, labels: body.labels };
    let theirs = Arc::clone(&app);
    let updated = finish("the update", async move { theirs.sprites.update(&name, &edit).await }).await?;
    Ok(Json(app.body_of(updated?)))
}

/// Delete a Sprite: its name is free, and its VM ends.
#[utoipa::path(
    delete, path = "/v1/sprites/{name}", tag = "sprites",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 503, description = "It cannot be recorded, or the host is leaving", body = ErrorBody),
        NotOne,
    )
)]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let theirs = Arc::clone(&app);
    finish("the delete", async move { theirs.sprites.delete(&name).await }).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The parts of the public API that need a guest with an operating system.
const NEEDS_LINUX: [&str; 9] =
    ["exec", "checkpoint", "checkpoints", "policy", "services", "fs", "control", "proxy", "upgrade"];

/// What this host's guest cannot do: it has no operating system, so it runs no commands and has no files.
pub(crate) async fn beyond_this_guest(
    State(app): State<Arc<App>>,
    method: Method,
    Path((name, rest)): Path<(String, String)>,
) -> ApiError {
    if let Err(error) = app.sprites.get(&name) {
        return error.into();
    }
    let what = rest.split('/').next().unwrap_or_default();
    if !NEEDS_LINUX.contains(&what) {
        return ApiError::not_found(format!("there is no call {method} /v1/sprites/NAME/{rest}"));
    }
    let message = format!(
        "`{what}` needs a guest with an operating system, and the sprites of this host have \
         the embedded guest, which answers HTTP only"
    );
    ApiError::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
}
