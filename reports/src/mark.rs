//! Moments that plots point out.

/// A moment or a while that plots point out.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// When it begins, in seconds since the opening.
    pub from_s: f64,
    /// When it ends; nothing for a moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
    /// What it is, in few words: `slow-boots worker 2`.
    pub label: String,
}
