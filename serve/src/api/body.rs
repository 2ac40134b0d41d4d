//! A request's JSON body, within its limits of size and time, with errors in the usual form.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::app::App;
use super::errors::{ApiError, ErrorBody};

/// How a body may be refused whatever is in it, for the API's document.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "it is only described")]
pub(crate) enum NotGiven {
    /// The body came too slowly
    #[response(status = 408)]
    TooSlow(ErrorBody),
    /// The body is too large
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is not JSON
    #[response(status = 415)]
    NotJson(ErrorBody),
}

/// See the [module](self).
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let limits = &app.loaded.config.limits;
        let most = limits.body_bytes as usize;
        check_headers(request.headers(), most)?;
        let within = std::time::Duration::from_nanos(limits.body_time.as_nanos());
        let Ok(read) = tokio::time::timeout(within, to_bytes(request.into_body(), most + 1)).await else {
            let message = format!("the body did not come within {}", limits.body_time);
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).closing());
        };
        match read {
            Ok(bytes) if bytes.len() > most => Err(too_large(most)),
            // A list would be taken for the fields in their order.
            Ok(bytes) if bytes.trim_ascii_start().first() != Some(&b'{') => {
                Err(ApiError::invalid("the body is invalid: send a JSON object"))
            }
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(value) => Ok(Self(value)),
                Err(error) => Err(ApiError::invalid(format!("the body is invalid: {error}"))),
            },
            Err(error) if error.to_string().contains("length limit") => Err(too_large(most)),
            Err(error) => Err(ApiError::invalid(format!("the body cannot be read: {error}")).closing()),
        }
    }
}

/// What the headers say of the body, before any of it is read.
fn check_headers(headers: &HeaderMap, most: usize) -> Result<(), ApiError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(kind) = header(CONTENT_TYPE)
        && !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    {
        let message = format!("the body is {kind:?}; send application/json");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > most) { Err(too_large(most)) } else { Ok(()) }
}

fn too_large(most: usize) -> ApiError {
    let message = format!("the body is larger than {most} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).closing()
}
