//! The bodies of the public API, as the official client reads and writes them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors::ApiError;
use crate::config::Config;
use crate::sprites::Status as Life;
use crate::store::{Access, Record};

/// The most Sprites of a page.
pub(crate) const PAGE_MAX: u32 = 50;
/// The longest name.
const NAME_MAX: usize = 63;
const LABELS_MAX: usize = 32;
const LABEL_MAX: usize = 128;

/// What a create asks for. `config` and `runtime`, which the client may send, change nothing: the Sprites of
/// a host are alike.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct CreateBody {
    /// A new name: 1 to 63 small letters, digits and hyphens, with a letter or digit at both ends.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    pub(crate) name: String,
    /// Wait until there is capacity, instead of being turned away.
    #[serde(default)]
    pub(crate) wait_for_capacity: bool,
    /// How it is reached.
    #[serde(default)]
    pub(crate) url_settings: Option<UrlSettings>,
    /// Its labels.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub(crate) labels: Option<Vec<String>>,
}

/// What of a Sprite can be changed; what is left out stays as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub(crate) struct UpdateBody {
    /// How it is reached.
    #[serde(default)]
    pub(crate) url_settings: Option<UrlSettings>,
    /// Its labels.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub(crate) labels: Option<Vec<String>>,
}

/// How a Sprite's URL is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct UrlSettings {
    /// `sprite`: with the token. `public`: by everybody.
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
}

/// Who may reach a Sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    /// Whoever has the token.
    Sprite,
    /// Everybody.
    Public,
}

impl From<Auth> for Access {
    fn from(auth: Auth) -> Self {
        match auth {
            Auth::Sprite => Self::Sprite,
            Auth::Public => Self::Public,
        }
    }
}

/// How far a Sprite is from its next answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It is awake.
    Running,
    /// It sleeps and keeps its memory; the next request wakes it.
    Warm,
    /// It holds nothing: its memory is on disk, or lost, and then the next request begins anew.
    Cold,
}

/// A Sprite.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SpriteBody {
    /// Its identity.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Whom it belongs to.
    pub(crate) organization: String,
    /// How far it is from its next answer.
    pub(crate) status: Status,
    /// Where it is reached by HTTP.
    pub(crate) url: String,
    /// How it is reached.
    pub(crate) url_settings: UrlSettings,
    /// When it was created.
    #[schema(format = DateTime)]
    pub(crate) created_at: String,
    /// When a setting changed last.
    #[schema(format = DateTime)]
    pub(crate) updated_at: String,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// When it ran last.
    #[schema(format = DateTime)]
    pub(crate) last_running_at: Option<String>,
    /// When it fell asleep last.
    #[schema(format = DateTime)]
    pub(crate) last_warming_at: Option<String>,
    /// Where it is.
    pub(crate) primary_region: String,
    /// The version of this host.
    pub(crate) version: String,
    /// What the public API does not say.
    pub(crate) warmpool: Beyond,
}

/// What this host says of a Sprite beyond the public API.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Beyond {
    /// The number of its name: its key for the pool.
    pub(crate) key: u32,
    /// How often it has begun with empty memory.
    pub(crate) beginnings: u64,
    /// When its memory was lost last, because its VM or its host ended.
    #[schema(format = DateTime)]
    pub(crate) memory_lost_at: Option<String>,
    /// Whether it has a memory that the next request finds, here or on disk.
    pub(crate) has_memory: bool,
    /// For so long it is kept awake, whether it is used or not.
    pub(crate) awake_for_ms: Option<u64>,
}

/// A page of Sprites.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ListBody {
    /// The Sprites, in the order of names.
    pub(crate) sprites: Vec<SpriteBody>,
    /// Whether there are more.
    pub(crate) has_more: bool,
    /// What the next call names to go on.
    pub(crate) next_continuation_token: Option<String>,
    /// Sprites that are awake, on this host.
    pub(crate) running: usize,
    /// Sprites that sleep and keep their memory.
    pub(crate) warm: usize,
    /// Sprites that hold nothing.
    pub(crate) cold: usize,
}

/// Which Sprites to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only names that begin so.
    pub(crate) prefix: Option<String>,
    /// So many at most; 50 and more are 50.
    #[param(minimum = 1)]
    pub(crate) max_results: Option<u32>,
    /// Where the page before ended.
    pub(crate) continuation_token: Option<String>,
}

/// Whether it is a name: it is one label of a host's name, too.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (first, last) = (name.bytes().next(), name.bytes().next_back());
    name.len() <= NAME_MAX
        && first.is_some_and(plain)
        && last.is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
}

/// The same, with the error.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    if is_name(name) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "`name` is invalid: give 1 to 63 small letters, digits and hyphens, \
         with a letter or digit at both ends",
    ))
}

/// Labels are few, short and visible.
pub(crate) fn check_labels(labels: &[String]) -> Result<(), ApiError> {
    let is_label =
        |label: &String| (1..=LABEL_MAX).contains(&label.len()) && !label.chars().any(char::is_control);
    if labels.len() <= LABELS_MAX && labels.iter().all(is_label) {
        return Ok(());
    }
    let message = format!(
        "`labels` is invalid: give at most {LABELS_MAX}, each of 1 to {LABEL_MAX} bytes \
         without control characters"
    );
    Err(ApiError::invalid(message))
}

/// RFC 3339 with Z.
pub(crate) fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|time| time.to_string()).unwrap_or_default()
}

/// A record as the public API shows it.
pub(crate) fn sprite_body(
    config: &Config,
    base_url: &str,
    record: Record,
    status: Life,
    awake_for: Option<Duration>,
) -> SpriteBody {
    let auth = match record.access {
        Access::Sprite => Auth::Sprite,
        Access::Public => Auth::Public,
    };
    SpriteBody {
        url: url_of(config, base_url, &record.name),
        id: record.id,
        name: record.name,
        organization: config.server.organization.clone(),
        status: match status {
            Life::Running => Status::Running,
            Life::Warm => Status::Warm,
            Life::Cold => Status::Cold,
        },
        url_settings: UrlSettings { auth: Some(auth) },
        created_at: rfc3339(record.created_ms),
        updated_at: rfc3339(record.updated_ms),
        labels: record.labels,
        last_running_at: record.last_running_ms.map(rfc3339),
        last_warming_at: record.last_warming_ms.map(rfc3339),
        primary_region: config.server.region.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        warmpool: Beyond {
            key: record.key,
            beginnings: record.beginnings,
            memory_lost_at: record.memory_lost_ms.map(rfc3339),
            has_memory: record.life != crate::store::Life::Cold,
            awake_for_ms: awake_for.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        },
    }
}

fn url_of(config: &Config, base_url: &str, name: &str) -> String {
    match (&config.server.domain, base_url.split_once("://")) {
        (Some(domain), Some((scheme, rest))) => {
            let port = rest.rsplit_once(':').map(|(_, port)| port.trim_end_matches('/'));
            let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            port.map_or_else(
                || format!("{scheme}://{name}.{domain}/"),
                |port| format!("{scheme}://{name}.{domain}:{port}/"),
            )
        }
        _ => format!("{}/s/{name}/", base_url.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_label_of_a_host() {
        for name in ["a", "0", "my-sprite-2", &"x".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a.b", "a/b", "a b", "ä", "a_b", "..", "%2e", &"x".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn urls_are_paths_or_hosts() {
        let mut config = Config::default();
        assert_eq!(url_of(&config, "http://127.0.0.1:7878", "box"), "http://127.0.0.1:7878/s/box/");
        config.server.domain = Some("s.example.org".to_owned());
        assert_eq!(url_of(&config, "https://s.example.org", "box"), "https://box.s.example.org/");
        assert_eq!(url_of(&config, "http://127.0.0.1:7878", "box"), "http://box.s.example.org:7878/");
    }

    #[test]
    fn times_are_rfc_3339_with_z() {
        assert_eq!(rfc3339(1_767_571_200_123), "2026-01-05T00:00:00.123Z");
    }
}
