use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BodyTemplate, Target};
use crate::selector::Path;
use crate::yaml::Span;

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
    /// A JSON Web Token that is signed here (RFC 7519), as `Authorization: Bearer …`; made anew before it
    /// expires.
    Jwt(Jwt),
    /// Requests signed as AWS wants them: Signature Version 4.
    Aws(Aws),
    /// Requests signed by a keyed hash of what is in them.
    Hmac(HmacSignature),
}

/// A JSON Web Token that is signed here.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// `RS256` (the default), `RS384`, `RS512`, `PS256`, `ES256`, `ES384`, `EdDSA`, `HS256`, `HS384` or
    /// `HS512`.
    pub algorithm: Option<String>,
    /// The private key in PEM, or the shared secret where the algorithm begins with `HS`.
    pub key: String,
    /// Which key it is, written into the token's header as `kid`.
    pub key_id: Option<String>,
    /// What it says, such as `iss`, `sub`, `aud` and `scope`; texts are templates. `iat` and `exp` are added.
    pub claims: BodyTemplate,
    /// How long it is good. Default: 1h.
    pub life: Option<Span>,
}

/// AWS Signature Version 4.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// The third part of credentials that expire.
    pub session_token: Option<String>,
    pub region: String,
    /// The service as it is named in signatures: `execute-api`, `s3`, `es`, …
    pub service: String,
}

/// A request signed by a keyed hash. What is signed is a template that sees `method`, `host`, `path`,
/// `query`, `url`, `body`, `body_sha256`, `timestamp` (seconds), `timestamp_ms` and `time` (RFC 3339).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacSignature {
    /// The key of the hash.
    pub key: String,
    /// What is signed, as `{{ method }}\n{{ path }}\n{{ timestamp }}\n{{ body }}`.
    pub sign: String,
    /// `sha256` (the default) or `sha512`.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// `hex` (the default) or `base64`.
    #[serde(default)]
    pub encoding: HmacEncoding,
    /// Headers that are added; templates that also see `signature`.
    #[schemars(schema_with = "super::values::texts")]
    pub headers: IndexMap<String, String>,
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HmacAlgorithm {
    #[default]
    Sha256,
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum HmacEncoding {
    #[default]
    Hex,
    Base64,
}

/// Who is on either end of a connection by TLS; templates whose values are PEM.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The client's certificate, and those that lead to its authority.
    pub certificate: Option<String>,
    /// Its private key.
    pub key: Option<String>,
    /// An authority that is trusted beside the known ones.
    pub authority: Option<String>,
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

/// OAuth 2 (RFC 6749): client credentials, a refresh token where one is given, or a JWT bearer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// Where tokens are given out.
    pub token_url: String,
    /// Left out only with an `assertion`.
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    /// Makes the grant `refresh_token`. A new one that the server gives out is kept where `keep_with` is
    /// given, and is an error where it is not, since it would be lost.
    pub refresh_token: Option<String>,
    /// The key that encrypts a new refresh token in the state, as a rule `{{ secrets.state_key }}`: any text
    /// of 16 characters or more that stays the same.
    pub keep_with: Option<String>,
    /// Makes the grant a JWT bearer (RFC 7523): a token that is signed here is exchanged for the one that is
    /// sent.
    pub assertion: Option<Jwt>,
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
