use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{StatusCode, Uri, header};
use protocol::{FunctionError, Secrets};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Mutex;

use crate::body;
use crate::client::connect_lazily;
use crate::route::{Proxies, Route};

/// Who calls a function of Google's: each call bears an ID token for the function (F-011).
#[derive(Clone, Debug, Default)]
pub struct GoogleOptions {
    /// Whom the token is for; else the function's URL without its query.
    pub audience: Option<String>,
    /// The JSON file of a service account's key; else `GOOGLE_APPLICATION_CREDENTIALS`, else the machine's
    /// own account.
    pub key_file: Option<PathBuf>,
}

/// ID tokens for one audience, each used until shortly before its end.
pub(crate) struct IdTokens {
    audience: String,
    key_file: Option<PathBuf>,
    proxies: Proxies,
    kept: Mutex<Option<IdToken>>,
}

#[derive(Clone)]
struct IdToken {
    text: String,
    /// Since 1970.
    ends: Duration,
}

/// A service account's key, as the file has it.
struct Key {
    email: String,
    id: String,
    token_uri: String,
    pair: RsaKeyPair,
}

/// A token is not used for a call that may outlast it, and Google's clocks are not ours.
const ENDS_BEFORE: Duration = Duration::from_secs(300);
/// As long as Google lets an assertion live.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const METADATA_HOST: &str = "metadata.google.internal";

impl IdTokens {
    /// Reads and asks nothing before the first call.
    pub(crate) fn new(options: &GoogleOptions, url: &Uri, proxies: &Proxies) -> IdTokens {
        let named = || std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
        let place = format!(
            "{}://{}{}",
            url.scheme_str().unwrap_or_default(),
            url.authority().map_or("", |authority| authority.as_str()),
            url.path().trim_end_matches('/')
        );
        IdTokens {
            audience: options.audience.clone().unwrap_or(place),
            key_file: options.key_file.clone().or_else(named),
            proxies: proxies.clone(),
            kept: Mutex::new(None),
        }
    }

    /// A token that is good for a while.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when nobody gives one.
    pub(crate) async fn token(&self) -> Result<String, FunctionError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.ends > now() + ENDS_BEFORE) {
            return Ok(token.text.clone());
        }
        let text = match &self.key_file {
            Some(file) => self.by_key(&Key::read(file).await?).await?,
            None => self.by_machine().await?,
        };
        let ends = end_of(&text).ok_or_else(|| refused("what was given is no ID token"))?;
        *kept = Some(IdToken { text: text.clone(), ends });
        Ok(text)
    }

    /// The token in use, so that a function which echoes it shows it to nobody (F-018).
    pub(crate) async fn conceal(&self, concealed: &mut Secrets) {
        if let Some(token) = self.kept.lock().await.as_ref() {
            concealed.insert("ID token", &token.text);
        }
    }

    /// The key signs a statement, which Google changes for a token.
    async fn by_key(&self, key: &Key) -> Result<String, FunctionError> {
        let assertion = key.assertion(&self.audience, now())?;
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        let request = hyper::Request::post(&key.token_uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(|_| refused("`token_uri` of the service account's key is no URL"))?;
        let (status, answer) = self.ask(request).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        match answer["id_token"].as_str() {
            Some(token) if status.is_success() => Ok(token.to_owned()),
            _ => {
                let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                let why = format!("{} {}", text("error"), text("error_description"));
                Err(refused(&format!("Google answered HTTP {status} {:.300}", why.trim())))
            }
        }
    }

    /// The metadata server of the machine, on Compute Engine, Cloud Run and GKE (workload identity).
    async fn by_machine(&self) -> Result<String, FunctionError> {
        let host = std::env::var("GCE_METADATA_HOST").ok().filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| METADATA_HOST.to_owned());
        let path = "computeMetadata/v1/instance/service-accounts/default/identity";
        let audience = percent_encoded(&self.audience);
        let request =
            hyper::Request::get(format!("http://{host}/{path}?audience={audience}&format=full"))
                .header("Metadata-Flavor", "Google")
                .body(Full::default())
                .map_err(|_| refused("GCE_METADATA_HOST is no host"))?;
        let (status, answer) = self.ask(request).await?;
        if !status.is_success() {
            return Err(refused(&format!("the metadata server answered HTTP {status}")));
        }
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }

    async fn ask(
        &self,
        mut request: hyper::Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), FunctionError> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default().to_owned();
        // The metadata server is the machine's own.
        let is_own = request.headers().contains_key("metadata-flavor");
        let route = if is_own { Route::Straight } else { Route::to(&uri, &self.proxies)? };
        if let Some(authorization) = route.authorization() {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let answer = connect_lazily(&uri, &route).request(request).await;
            let answer = answer.map_err(|error| body::innermost(&error))?;
            let (head, body) = answer.into_parts();
            let body = body::read_body(&head.headers, body, ANSWER_BYTES_MAX).await;
            Ok((head.status, body.map_err(|error| format!("{error:?}"))?))
        };
        let answer: Result<_, String> = tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err("no answer".into()));
        let answer = answer.map_err(|why| {
            if is_own {
                refused(&format!(
                    "there is no key, and the metadata server {host} is not there: {why}"
                ))
            } else {
                FunctionError::transport(format!("no ID token from {host}: {why}"))
            }
        })?;
        // Busy, not refused.
        if matches!(answer.0.as_u16(), 429 | 500 | 502 | 503 | 504) {
            return Err(FunctionError::transport(format!("no ID token from {host}: {}", answer.0)));
        }
        Ok(answer)
    }
}

impl Key {
    async fn read(file: &PathBuf) -> Result<Key, FunctionError> {
        let shown = file.display();
        let text = tokio::fs::read(file).await;
        let text = text.map_err(|error| refused(&format!("{shown} cannot be read: {error}")))?;
        // What the parser says may quote the key, so it is not told.
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
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

    /// What Google wants to see signed before it gives a token for `audience`.
    fn assertion(&self, audience: &str, now: Duration) -> Result<String, FunctionError> {
        let head = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let claims = serde_json::json!({
            "iss": self.email,
            "aud": self.token_uri,
            "target_audience": audience,
            "iat": now.as_secs(),
            "exp": (now + ASSERTION_LIFE).as_secs(),
        });
        let encode = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .map_err(|_| refused("the service account's key does not sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// What the token itself says; it is the function that checks its signature.
fn end_of(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims["exp"].as_u64().map(Duration::from_secs)
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |out, byte| {
        if plain(byte) {
            out + &char::from(byte).to_string()
        } else {
            out + &format!("%{byte:02X}")
        }
    })
}

fn refused(why: &str) -> FunctionError {
    FunctionError::Refused {
        code: "google_no_token",
        message: format!("no ID token for the function: {why}"),
        hint: "name a service account's key with `google: {key_file: …}` or GOOGLE_APPLICATION_CREDENTIALS, or run where the machine has an account".into(),
    }
}
