mod account;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Uri;
use protocol::{FunctionError, Secrets};
use tokio::sync::Mutex;

pub(crate) use account::Account;
use account::now;

use crate::route::Proxies;

/// Who calls a function of Google's: each call bears an ID token for the function (F-011).
#[derive(Clone, Debug, Default)]
pub struct GoogleOptions {
    /// Whom the token is for; else the function's URL without its query.
    pub audience: Option<String>,
    /// The JSON file of a service account's key, or of an identity of another cloud; else
    /// `GOOGLE_APPLICATION_CREDENTIALS`, else the machine's own account.
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

/// A token is not used for a call that may outlast it, and Google's clocks are not ours.
const ENDS_BEFORE: Duration = Duration::from_secs(300);

impl IdTokens {
    /// Reads and asks nothing before the first call.
    pub(crate) fn new(options: &GoogleOptions, url: &Uri, proxies: &Proxies) -> IdTokens {
        let place = format!(
            "{}://{}{}",
            url.scheme_str().unwrap_or_default(),
            url.authority().map_or("", |authority| authority.as_str()),
            url.path().trim_end_matches('/')
        );
        IdTokens {
            audience: options.audience.clone().unwrap_or(place),
            key_file: options.key_file.clone().or_else(key_file_of_environment),
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
        let account = Account::read(self.key_file.as_deref()).await?;
        let text = account.id_token(&self.audience, &self.proxies).await?;
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
}

pub(crate) fn key_file_of_environment() -> Option<PathBuf> {
    let file = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS");
    file.filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// What the token itself says; it is the function that checks its signature.
fn end_of(token: &str) -> Option<Duration> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims["exp"].as_u64().map(Duration::from_secs)
}

fn refused(why: &str) -> FunctionError {
    FunctionError::Refused {
        code: "google_no_token",
        message: format!("no token of Google's: {why}"),
        hint: "name a service account's key with `google: {key_file: …}` or GOOGLE_APPLICATION_CREDENTIALS, or run where the machine has an account".into(),
    }
}
