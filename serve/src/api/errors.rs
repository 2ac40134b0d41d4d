//! What a client is told when something is not done: the body and the headers that the public client reads.

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rate::Standing;
use crate::sprites::SpriteError;

/// The code of a client that creates too fast, or that finds the pool empty.
pub(crate) const CREATES: &str = "sprite_creation_rate_limited";
/// The code of a host that is full.
pub(crate) const CONCURRENT: &str = "concurrent_sprite_limit_exceeded";

/// Why something was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// A name for programs.
    pub error: &'static str,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// How much is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// In how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
    /// After how many seconds it may be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// How much there is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_count: Option<u64>,
}

/// How a call about one Sprite may be refused, for the API's document.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it is only described")]
pub(crate) enum NotOne {
    /// No valid token
    #[response(status = 401)]
    NoToken(ErrorBody),
    /// There is none of this name
    #[response(status = 404)]
    Unknown(ErrorBody),
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: ErrorBody,
    /// Where the caller's token stands.
    pub standing: Option<Standing>,
    /// Whether the connection ends with it.
    pub closes: bool,
}

impl ApiError {
    /// An error with a code and a message.
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody { error, message: message.into(), ..ErrorBody::default() };
        Self { status, body, standing: None, closes: false }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "send a valid token: Authorization: Bearer TOKEN")
    }

    /// 503, with when to come again.
    pub fn unavailable(message: impl Into<String>, after_s: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).after(after_s)
    }

    /// When to come again.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.body.retry_after_seconds = Some(seconds);
        self
    }

    /// The connection ends with this answer.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

impl From<SpriteError> for ApiError {
    fn from(error: SpriteError) -> Self {
        let message = error.to_string();
        match error {
            SpriteError::Unknown => Self::not_found(message),
            SpriteError::Exists => Self::new(StatusCode::BAD_REQUEST, "sprite_already_exists", message),
            SpriteError::Names(limit) => {
                let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, CONCURRENT, message).after(60);
                error.body.limit = Some(u64::from(limit));
                error
            }
            SpriteError::Rejected => Self::new(StatusCode::TOO_MANY_REQUESTS, CREATES, message).after(1),
            SpriteError::Failed | SpriteError::Store(_) | SpriteError::Busy(_) => {
                Self::unavailable(message, 1)
            }
            SpriteError::InUse => Self::new(StatusCode::CONFLICT, "in_use", message),
            SpriteError::Guest(_) => Self::new(StatusCode::BAD_GATEWAY, "no_answer", message),
        }
    }
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The headers that say where a token stands.
pub(crate) fn standing_headers(standing: &Standing) -> [(HeaderName, HeaderValue); 3] {
    [
        (LIMIT, HeaderValue::from(standing.limit)),
        (REMAINING, HeaderValue::from(standing.remaining)),
        (RESET, HeaderValue::from(standing.reset_s)),
    ]
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry_after = self.body.retry_after_seconds;
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(standing) = &self.standing {
            headers.extend(standing_headers(standing));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
