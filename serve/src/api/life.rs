//! What users of Sprites ask for and the public API does not have: put one to sleep, keep it awake, restart
//! it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::app::App;
use super::body::{Given, NotGiven};
use super::errors::{ApiError, ErrorBody, NotOne};
use super::model::SpriteBody;
use super::sprites::finish;
use crate::sprites::{SpriteError, Status};

/// The longest that a Sprite is kept awake by one call.
const AWAKE_MAX_S: u32 = 86_400;

/// How deep to sleep.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SleepBody {
    /// How deep.
    #[serde(default)]
    pub(crate) to: Depth,
}

/// See [`SleepBody`].
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Depth {
    /// It keeps its memory and gives its slot back.
    #[default]
    Warm,
    /// Its memory is on disk.
    Cold,
}

/// How long to keep a Sprite awake.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwakeBody {
    /// For so many seconds from now on, whether it is used or not; 0 ends that.
    #[schema(maximum = 86400)]
    pub(crate) seconds: u32,
}

/// Does something to a Sprite and gives what it is then.
async fn after(
    app: &Arc<App>,
    name: String,
    act: impl Future<Output = Result<(), SpriteError>> + Send + 'static,
) -> Result<Json<SpriteBody>, ApiError> {
    finish("it", act).await??;
    Ok(Json(app.body_of(app.sprites.get(&name)?)))
}

/// Put a Sprite to sleep now.
#[utoipa::path(
    post, path = "/warmpool/v1/sprites/{name}/sleep", tag = "operating", request_body = SleepBody,
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "It sleeps", body = SpriteBody),
        (status = 400, description = "The body is invalid", body = ErrorBody),
        (status = 409, description = "It is in use", body = ErrorBody),
        (status = 503, description = "It cannot be saved, or the host is leaving", body = ErrorBody),
        NotOne,
        NotGiven,
    )
)]
pub(crate) async fn sleep(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Given(body): Given<SleepBody>,
) -> Result<Json<SpriteBody>, ApiError> {
    let (sprites, asked) = (Arc::clone(&app.sprites), name.clone());
    let to = match body.to {
        Depth::Warm => Status::Warm,
        Depth::Cold => Status::Cold,
    };
    after(&app, name, async move { sprites.sleep(&asked, to).await }).await
}

/// Keep a Sprite awake for a while; it is woken first where it sleeps.
#[utoipa::path(
    put, path = "/warmpool/v1/sprites/{name}/awake", tag = "operating", request_body = AwakeBody,
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "It is awake", body = SpriteBody),
        (status = 400, description = "The body is invalid", body = ErrorBody),
        (status = 429, description = "The host is full", body = ErrorBody),
        (status = 503, description = "It cannot be woken, or the host is leaving", body = ErrorBody),
        NotOne,
        NotGiven,
    )
)]
pub(crate) async fn keep_awake(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    Given(AwakeBody { seconds }): Given<AwakeBody>,
) -> Result<Json<SpriteBody>, ApiError> {
    if seconds > AWAKE_MAX_S {
        return Err(ApiError::invalid(format!("`seconds` is {seconds}: give at most {AWAKE_MAX_S}")));
    }
    let (sprites, asked) = (Arc::clone(&app.sprites), name.clone());
    let length = Duration::from_secs(seconds.into());
    after(&app, name, async move { sprites.keep_awake(&asked, length).await }).await
}

/// Restart a Sprite: its VM ends and it begins anew; name, key and settings stay.
#[utoipa::path(
    post, path = "/warmpool/v1/sprites/{name}/restart", tag = "operating",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "It runs", body = SpriteBody),
        (status = 429, description = "The host is full", body = ErrorBody),
        (status = 503, description = "It cannot be started, or the host is leaving", body = ErrorBody),
        NotOne,
    )
)]
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Json<SpriteBody>, ApiError> {
    let (sprites, asked) = (Arc::clone(&app.sprites), name.clone());
    after(&app, name, async move { sprites.restart(&asked).await }).await
}
