//! The HTTP API of a host: its routes, what every answer carries, and who may ask.
//!
//! | path | what | token |
//! | --- | --- | --- |
//! | `/v1/sprites...` | the public Sprites API | needed |
//! | `/s/{name}/...`, or the host `{name}.{domain}` | HTTP to a Sprite | needed, unless it is public |
//! | `/warmpool/v1/status`, `/metrics` | what an operator asks | needed |
//! | `/warmpool/v1/sprites/{name}/...` | put to sleep, keep awake, restart | needed |
//! | `/healthz`, `/readyz`, `/openapi.json` | what programs ask first | not needed |

mod app;
mod body;
mod errors;
mod gateway;
mod life;
mod model;
mod own;
mod sprites;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use app::{App, BACKEND_HEADER};
pub use errors::{ApiError, ErrorBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Warmpool",
        description = "A host of Sprites: microVMs that stand ready. The Sprites API, and more."
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", bearer);
        let needs = utoipa::openapi::security::SecurityRequirement::new("token", Vec::<String>::new());
        document.security.get_or_insert_default().push(needs);
    }
}

fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sprites::create, sprites::list))
        .routes(routes!(sprites::get, sprites::update, sprites::delete))
        .routes(routes!(own::status))
        .routes(routes!(life::sleep))
        .routes(routes!(life::keep_awake))
        .routes(routes!(life::restart))
        .routes(routes!(own::metrics))
}

/// The OpenAPI document, generated from the code.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

/// All routes.
pub fn router(app: &Arc<App>) -> Router {
    let (with_token, document) = documented().split_for_parts();
    let with_token = with_token
        .route("/v1/sprites/{name}/{*rest}", any(sprites::beyond_this_guest))
        .route_layer(from_fn_with_state(Arc::clone(app), with_token_only))
        .route_layer(from_fn_with_state(Arc::clone(app), not_when_leaving));
    let to_sprites = Router::new()
        .route("/s/{name}", any(gateway::to_its_root))
        .route("/s/{name}/", any(gateway::by_name))
        .route("/s/{name}/{*rest}", any(gateway::by_path))
        .route_layer(from_fn_with_state(Arc::clone(app), not_when_leaving));
    let document = Json(document);
    Router::new()
        .merge(with_token)
        .merge(to_sprites)
        .route("/healthz", axum::routing::get(own::healthz))
        .route("/readyz", axum::routing::get(own::readyz))
        .route("/openapi.json", axum::routing::get(async move || document.clone()))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(app), gateway::by_host))
        .layer(from_fn_with_state(Arc::clone(app), every_answer))
        .with_state(Arc::clone(app))
}

async fn unknown(request: Request) -> ApiError {
    ApiError::not_found(format!("there is no {} {}", request.method(), request.uri().path()))
}

async fn wrong_method(request: Request) -> ApiError {
    let message = format!("{} is not for {}", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Which backend it is, in every answer; and the answer is counted.
async fn every_answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let call = call_of(request.method(), request.uri().path());
    let mut response = next.run(request).await;
    response.headers_mut().insert(BACKEND_HEADER, HeaderValue::from_static(app.host.backend().name()));
    app.metrics.answered(call, response.status().as_u16());
    response
}

/// A few names, whatever is asked for.
fn call_of(method: &Method, path: &str) -> &'static str {
    let mut segments = path.trim_start_matches('/').splitn(4, '/');
    match (segments.next(), segments.next(), segments.next(), segments.next()) {
        (Some("v1"), Some("sprites"), None, None) if method == Method::POST => "create",
        (Some("v1"), Some("sprites"), None, None) => "list",
        (Some("v1"), Some("sprites"), Some(_), None) => match *method {
            Method::PUT => "update",
            Method::DELETE => "delete",
            _ => "get",
        },
        (Some("s"), ..) => "visit",
        _ => "other",
    }
}

async fn with_token_only(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let authorization = request.headers().get(axum::http::header::AUTHORIZATION);
    match app.tokens.check(authorization.map(HeaderValue::as_bytes)) {
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None => ApiError::unauthorized().into_response(),
    }
}

async fn not_when_leaving(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.leaving.load(Ordering::Acquire) {
        let after_s = app.loaded.config.server.drain.as_nanos().div_ceil(1_000_000_000);
        return ApiError::unavailable("this host is leaving", after_s).closing().into_response();
    }
    next.run(request).await
}
