//! Who we are to Google: a service account's key, an identity of another cloud, or the machine's account.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{StatusCode, header};
use protocol::FunctionError;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::refused;
use crate::ask::{ask, form, is_busy, percent_encoded};
use crate::route::Proxies;

pub(crate) enum Account {
    Key(Key),
    External(External),
    /// What the metadata server of the machine says.
    Machine,
}

/// A service account's key, as the file has it.
pub(crate) struct Key {
    email: String,
    id: String,
    token_uri: String,
    pair: RsaKeyPair,
}

/// Workload identity federation: a token of another cloud, changed for one of Google's.
pub(crate) struct External {
    audience: String,
    subject_token_type: String,
    token_url: String,
    /// `…:generateAccessToken` of the service account that is taken on.
    impersonation_url: Option<String>,
    source: Source,
    /// The member that holds the token, where the source gives JSON.
    member: Option<String>,
}

enum Source {
    File(String),
    Url(String, Vec<(String, String)>),
}

/// As long as Google lets an assertion live.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
const METADATA_HOST: &str = "metadata.google.internal";
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";

impl Account {
    /// Reads the file that is named, if one is.
    pub(crate) async fn read(file: Option<&Path>) -> Result<Account, FunctionError> {
        let Some(file) = file else { return Ok(Account::Machine) };
        let shown = file.display().to_string();
        let text = tokio::fs::read(file).await;
        let text = text.map_err(|error| refused(&format!("{shown} cannot be read: {error}")))?;
        // What the parser says may quote the key, so it is not told.
        let json: Value = serde_json::from_slice(&text).unwrap_or_default();
        match json["type"].as_str() {
            Some("external_account") => External::read(&json, &shown).map(Account::External),
            _ => Key::read(&json, &shown).map(Account::Key),
        }
    }

    /// A token that lets in to a function, for `audience`.
    pub(crate) async fn id_token(
        &self,
        audience: &str,
        proxies: &Proxies,
    ) -> Result<String, FunctionError> {
        match self {
            Account::Key(key) => {
                let assertion = key.assertion(("target_audience", audience), now())?;
                key.exchange(&assertion, "id_token", proxies).await
            }
            Account::External(external) => external.id_token(audience, proxies).await,
            Account::Machine => {
                let audience = percent_encoded(audience);
                let answer =
                    metadata(&format!("identity?audience={audience}&format=full"), proxies).await?;
                Ok(String::from_utf8_lossy(&answer).trim().to_owned())
            }
        }
    }

    /// A token for Google's own services.
    pub(crate) async fn access_token(&self, proxies: &Proxies) -> Result<String, FunctionError> {
        match self {
            Account::Key(key) => {
                let assertion = key.assertion(("scope", CLOUD), now())?;
                key.exchange(&assertion, "access_token", proxies).await
            }
            Account::External(external) => external.access_token(proxies).await,
            Account::Machine => member(&metadata("token", proxies).await?, "access_token"),
        }
    }
}

impl Key {
    fn read(json: &Value, shown: &str) -> Result<Key, FunctionError> {
        let member = |name: &str| {
            let text = json[name].as_str().map(str::to_owned);
            text.ok_or_else(|| refused(&format!("{shown} is no service account's key: no {name}")))
        };
        let pem = member("private_key")?;
        let unreadable = || refused(&format!("{shown}: the private key cannot be read"));
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| unreadable())?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| unreadable())?;
        Ok(Key {
            email: member("client_email")?,
            id: member("private_key_id")?,
            token_uri: member("token_uri")?,
            pair,
        })
    }

    /// What Google wants to see signed before it gives a token for what `wanted` says.
    fn assertion(&self, wanted: (&str, &str), now: Duration) -> Result<String, FunctionError> {
        let head = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let claims = json!({
            "iss": self.email,
            "aud": self.token_uri,
            wanted.0: wanted.1,
            "iat": now.as_secs(),
            "exp": (now + ASSERTION_LIFE).as_secs(),
        });
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .map_err(|_| refused("the service account's key does not sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Changes what the key has signed for a token.
    async fn exchange(
        &self,
        assertion: &str,
        token: &str,
        proxies: &Proxies,
    ) -> Result<String, FunctionError> {
        let body = form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion),
        ]);
        let request = hyper::Request::post(&self.token_uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| refused("`token_uri` of the service account's key is no URL"))?;
        member(&send(request, proxies).await?, token)
    }
}

impl External {
    fn read(json: &Value, shown: &str) -> Result<External, FunctionError> {
        let member = |name: &str| {
            let text = json[name].as_str().map(str::to_owned);
            text.ok_or_else(|| refused(&format!("{shown} names no {name}")))
        };
        let source = &json["credential_source"];
        let headers = source["headers"].as_object().into_iter().flatten();
        let headers =
            headers.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
        let source_of = match (source["file"].as_str(), source["url"].as_str()) {
            (Some(file), _) => Source::File(file.to_owned()),
            (None, Some(url)) => Source::Url(url.to_owned(), headers.collect()),
            (None, None) => {
                return Err(refused(&format!(
                    "{shown} takes its token from neither a `file` nor a `url`; other sources are not read"
                )));
            }
        };
        let format = &source["format"];
        let member_of = format["subject_token_field_name"].as_str().map(str::to_owned);
        Ok(External {
            audience: member("audience")?,
            subject_token_type: member("subject_token_type")?,
            token_url: member("token_url")?,
            impersonation_url: json["service_account_impersonation_url"]
                .as_str()
                .map(str::to_owned),
            source: source_of,
            member: member_of.filter(|_| format["type"] == "json"),
        })
    }

    async fn subject_token(&self, proxies: &Proxies) -> Result<String, FunctionError> {
        let text = match &self.source {
            Source::File(file) => {
                let text = tokio::fs::read(file).await;
                Bytes::from(
                    text.map_err(|error| refused(&format!("{file} cannot be read: {error}")))?,
                )
            }
            Source::Url(url, headers) => {
                let request = headers
                    .iter()
                    .fold(hyper::Request::get(url), |it, (name, value)| it.header(name, value));
                let request = request.body(Full::default());
                let request =
                    request.map_err(|_| refused("the `url` of `credential_source` is none"))?;
                send(request, proxies).await?
            }
        };
        match &self.member {
            Some(name) => member(&text, name),
            None => Ok(String::from_utf8_lossy(&text).trim().to_owned()),
        }
    }

    /// Of the identity itself.
    async fn federated_token(&self, proxies: &Proxies) -> Result<String, FunctionError> {
        let subject_token = self.subject_token(proxies).await?;
        let body = form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", &self.audience),
            ("scope", CLOUD),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", &subject_token),
        ]);
        let request = hyper::Request::post(&self.token_url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| refused("`token_url` is no URL"))?;
        member(&send(request, proxies).await?, "access_token")
    }

    async fn access_token(&self, proxies: &Proxies) -> Result<String, FunctionError> {
        let Some(url) = &self.impersonation_url else { return self.federated_token(proxies).await };
        let answer = self.impersonate(url, &json!({ "scope": [CLOUD] }), proxies).await?;
        member(&answer, "accessToken")
    }

    async fn id_token(&self, audience: &str, proxies: &Proxies) -> Result<String, FunctionError> {
        let url = self.impersonation_url.as_ref().and_then(|url| {
            url.strip_suffix(":generateAccessToken").map(|url| format!("{url}:generateIdToken"))
        });
        let url = url.ok_or_else(|| {
            refused("an identity of another cloud must take on a service account: `service_account_impersonation_url`")
        })?;
        let wanted = json!({ "audience": audience, "includeEmail": true });
        member(&self.impersonate(&url, &wanted, proxies).await?, "token")
    }

    async fn impersonate(
        &self,
        url: &str,
        wanted: &Value,
        proxies: &Proxies,
    ) -> Result<Bytes, FunctionError> {
        let token = self.federated_token(proxies).await?;
        let request = hyper::Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(Bytes::from(wanted.to_string())))
            .map_err(|_| refused("`service_account_impersonation_url` is no URL"))?;
        send(request, proxies).await
    }
}

/// Asks the metadata server of the machine, on Compute Engine, Cloud Run and GKE.
async fn metadata(path: &str, proxies: &Proxies) -> Result<Bytes, FunctionError> {
    let host = std::env::var("GCE_METADATA_HOST").ok().filter(|host| !host.is_empty());
    let host = host.unwrap_or_else(|| METADATA_HOST.to_owned());
    let account = "computeMetadata/v1/instance/service-accounts/default";
    let request = hyper::Request::get(format!("http://{host}/{account}/{path}"))
        .header("Metadata-Flavor", "Google")
        .body(Full::default())
        .map_err(|_| refused("GCE_METADATA_HOST is no host"))?;
    let (status, answer) = ask(request, proxies, true).await.map_err(|why| {
        refused(&format!("there is no key, and the metadata server {host} is not there: {why}"))
    })?;
    if is_busy(status) {
        return Err(FunctionError::transport(format!("no token from {host}: {status}")));
    }
    if !status.is_success() {
        return Err(refused(&format!("the metadata server answered HTTP {status}")));
    }
    Ok(answer)
}

/// The answer of one of Google's services, or what it says against it.
async fn send(
    request: hyper::Request<Full<Bytes>>,
    proxies: &Proxies,
) -> Result<Bytes, FunctionError> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let (status, answer) = ask(request, proxies, false)
        .await
        .map_err(|why| FunctionError::transport(format!("no token from {host}: {why}")))?;
    if status.is_success() {
        return Ok(answer);
    }
    if is_busy(status) {
        return Err(FunctionError::transport(format!("no token from {host}: {status}")));
    }
    Err(refused(&told(status, &answer)))
}

fn told(status: StatusCode, answer: &Bytes) -> String {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let why = format!(
        "{} {} {}",
        text(&answer["error"]),
        text(&answer["error_description"]),
        text(&answer["error"]["message"])
    );
    format!("Google answered HTTP {status} {:.300}", why.trim())
}

fn member(answer: &Bytes, name: &str) -> Result<String, FunctionError> {
    let json: Value = serde_json::from_slice(answer).unwrap_or_default();
    let token = json[name].as_str().map(str::to_owned);
    token.ok_or_else(|| refused(&format!("what was given has no {name}")))
}

pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
