//! HTTP to a Sprite: by path (`/s/{name}/...`) or by host (`{name}.{domain}`). The embedded guest has no web
//! server: it counts the request in its own memory and says who it is. A Sprite without a VM begins anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::app::App;
use super::errors::ApiError;
use super::model::{is_name, rfc3339};
use crate::store::Access;

/// What a guest answers.
#[derive(Debug, Serialize)]
struct Answer {
    /// The name that was asked for.
    sprite: String,
    /// Whose the guest is, as it holds it in its memory.
    identity: String,
    /// The run of its VM.
    generation: u64,
    /// Requests that it has answered since its memory began, this one among them.
    requests: u64,
    /// When its memory began.
    began_at: String,
    /// For how long it has had its memory.
    uptime_ms: u64,
    /// How often this Sprite has begun with empty memory.
    beginnings: u64,
    /// Which VMs the host has.
    backend: &'static str,
}

/// `/s/{name}`: a Sprite's URL ends with a slash.
pub(crate) async fn to_its_root(Path(name): Path<String>) -> Response {
    match HeaderValue::from_str(&format!("/s/{name}/")) {
        Ok(location) if is_name(&name) => {
            (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response()
        }
        _ => ApiError::not_found("there is no sprite of this name").into_response(),
    }
}

/// `/s/{name}/`.
pub(crate) async fn by_name(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    visit(&app, name, &headers).await
}

/// `/s/{name}/...`.
pub(crate) async fn by_path(
    State(app): State<Arc<App>>,
    Path((name, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    visit(&app, name, &headers).await
}

/// A request whose `Host` is that of a Sprite goes to it, whatever its path; all others go on.
pub(crate) async fn by_host(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(name) =
        app.loaded.config.server.domain.as_deref().and_then(|domain| named(request.headers(), domain))
    else {
        return next.run(request).await;
    };
    if app.leaving.load(std::sync::atomic::Ordering::Acquire) {
        return ApiError::unavailable("this host is leaving", 1).closing().into_response();
    }
    visit(&app, name, request.headers()).await.into_response()
}

/// The Sprite that the `Host` header names, if it is in this domain.
fn named(headers: &HeaderMap, domain: &str) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?.to_ascii_lowercase();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host.as_str(), |(host, _)| host);
    let name = host.strip_suffix(&domain.to_ascii_lowercase())?.strip_suffix('.')?;
    Some(name.to_owned())
}

async fn visit(app: &Arc<App>, name: String, headers: &HeaderMap) -> Result<Response, ApiError> {
    let may = app.tokens.check(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)).is_some();
    let is_public = app.sprites.get(&name).is_ok_and(|(record, _)| record.access == Access::Public);
    if !may && !is_public {
        // Whoever has no token does not learn which names there are.
        return Err(ApiError::unauthorized());
    }
    let theirs = Arc::clone(app);
    let asked = name.clone();
    let visited = tokio::spawn(async move { theirs.sprites.visit(&asked).await }).await;
    let visited =
        visited.map_err(|error| ApiError::unavailable(format!("the visit ended early: {error}"), 1))?;
    let (visit, record) = visited.map_err(|error| match ApiError::from(error) {
        // For whoever visits a Sprite an empty pool is no limit of theirs.
        error if error.status == StatusCode::TOO_MANY_REQUESTS => {
            ApiError::unavailable(error.body.message, app.loaded.retry_after_s())
        }
        error => error,
    })?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let began = std::time::Duration::from_nanos(visit.began_unix_ns);
    let answer = Answer {
        sprite: name,
        identity: format!("{:016x}", visit.identity),
        generation: visit.generation,
        requests: visit.requests,
        began_at: rfc3339(i64::try_from(began.as_millis()).unwrap_or(i64::MAX)),
        uptime_ms: u64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(u64::MAX),
        beginnings: record.beginnings,
        backend: app.host.backend().name(),
    };
    Ok(Json(answer).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_a_host_of_the_domain_names_a_sprite() {
        let name = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            named(&headers, "s.example.org")
        };
        assert_eq!(name("box.s.example.org"), Some("box".to_owned()));
        assert_eq!(name("Box.S.example.org:7878"), Some("box".to_owned()));
        for host in [
            "s.example.org",
            "boxs.example.org",
            "box.example.org",
            "127.0.0.1:7878",
            "box.s.example.org.evil.net",
        ] {
            assert_eq!(name(host), None, "{host}");
        }
    }
}
