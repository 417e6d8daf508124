use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BodyTemplate, Target};
use crate::selector::Path;

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
    /// OAuth 2: an access token is fetched once, used by all requests, and fetched anew when it expires or
    /// is refused.
    Oauth2(Oauth2),
    /// A login that answers with a token, fetched once and anew when it is refused.
    Session(Session),
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

/// OAuth 2 (RFC 6749): client credentials, or a refresh token where one is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// Where tokens are given out.
    pub token_url: String,
    pub client_id: String,
    pub client_secret: String,
    /// Makes the grant `refresh_token`. The token must be one that stays the same: a new one that the server
    /// gives out is an error, since it would be lost.
    pub refresh_token: Option<String>,
    /// What the token may do.
    pub scope: Option<String>,
    /// More fields of the token request, such as `audience`.
    #[serde(default)]
    #[schemars(schema_with = "super::values::texts")]
    pub fields: IndexMap<String, String>,
    /// Sends the client's id and secret as HTTP Basic instead of as fields.
    #[serde(default)]
    pub basic: bool,
}

/// A login that answers with a token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// What follows `base_url`, or a whole address.
    pub path: String,
    /// A JSON body; its texts are templates.
    pub body: Option<BodyTemplate>,
    /// Form fields.
    #[serde(default)]
    #[schemars(schema_with = "super::values::texts")]
    pub form: IndexMap<String, String>,
    /// Where the token is in the answer.
    pub token: Path,
    /// Where it is written. Default: `Authorization: Bearer …`.
    pub to: Option<Target>,
}
