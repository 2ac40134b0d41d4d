//! What is remembered of one Sprite.

use serde::{Deserialize, Serialize};

/// A label of a Sprite.
pub type Label = String;

/// Who may reach a Sprite by HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Whoever has the token.
    #[default]
    Sprite,
    /// Everybody.
    Public,
}

/// What a Sprite has, as far as a host that comes back can rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It has a VM, awake or asleep: a host that comes back finds that it has none any more.
    Running,
    /// It has no VM; the next use begins anew.
    Cold,
    /// It sleeps, and its memory is on disk; the next use goes on with it.
    Saved,
}

/// One Sprite. Times are milliseconds since 1970 and never go back, whatever the clock does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its identity: a name that is used again has another.
    pub id: String,
    /// The number of the name: its key for the actors. Never given twice.
    pub key: u32,
    /// Counted up with every change.
    pub revision: u64,
    /// Who may reach it.
    pub access: Access,
    /// Its labels.
    pub labels: Vec<Label>,
    /// What it has.
    pub life: Life,
    /// Of a saved one: what proves that its memory is what was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
    /// How often it has begun with empty memory.
    pub beginnings: u64,
    /// When its memory was lost last, if it ever was.
    pub memory_lost_ms: Option<i64>,
    /// When it was created.
    pub created_ms: i64,
    /// When a setting changed last.
    pub updated_ms: i64,
    /// When it ran last.
    pub last_running_ms: Option<i64>,
    /// When it fell asleep last.
    #[serde(default)]
    pub last_warming_ms: Option<i64>,
}

/// What it takes to read a saved memory, and to know that it is what was saved. Secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal(pub String);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}
