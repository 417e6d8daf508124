use schemars::JsonSchema;
use serde::Deserialize;

use super::Target;

/// How requests are let in. Values are templates, as a rule of `{{ secrets.NAME }}`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Nothing is needed.
    #[default]
    None,
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `Authorization: Basic …`
    Basic(Basic),
    /// A key in a header or in the query.
    ApiKey(ApiKey),
}

/// A user name and a password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    pub username: String,
    #[serde(default)]
    pub password: String,
}

/// A key and where it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// `header.NAME` or `query.NAME`.
    pub to: Target,
    pub value: String,
}
