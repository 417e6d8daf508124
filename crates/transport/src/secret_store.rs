mod aws;
mod azure;
mod google;
mod vault;

use bytes::Bytes;
use http_body_util::Full;
use hyper::StatusCode;
use protocol::FunctionError;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::ask::{ask, is_busy};
use crate::route::Proxies;

/// Where a secret lies that is kept by a store: `aws-secret:NAME#member` and its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretAddress {
    store: Store,
    name: String,
    /// Of a secret that is a JSON object.
    member: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    AwsSecret,
    AwsParameter,
    Google,
    Azure,
    Vault,
}

const STORES: [(&str, Store); 5] = [
    ("aws-secret:", Store::AwsSecret),
    ("aws-parameter:", Store::AwsParameter),
    ("google-secret:", Store::Google),
    ("azure-secret:", Store::Azure),
    ("vault:", Store::Vault),
];

impl SecretAddress {
    /// Reads a reference; `None` when it names no store.
    ///
    /// # Errors
    /// What is wrong with the rest of it.
    pub fn parse(text: &str) -> Option<Result<SecretAddress, String>> {
        let (prefix, store) = STORES.into_iter().find(|(prefix, _)| text.starts_with(prefix))?;
        let (name, member) = match text[prefix.len()..].split_once('#') {
            Some((name, member)) => (name, Some(member.to_owned())),
            None => (&text[prefix.len()..], None),
        };
        let address = SecretAddress { store, name: name.to_owned(), member };
        Some(address.checked().map_err(|wanted| format!("after {prefix} stands {wanted}")))
    }

    fn checked(self) -> Result<SecretAddress, &'static str> {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?')
        };
        if !plain(&self.name) || self.member.as_deref().is_some_and(str::is_empty) {
            return Err("the name of a secret, and after a # the member of it that is meant");
        }
        let parts: Vec<&str> = self.name.split('/').collect();
        match self.store {
            Store::Google
                if !matches!(
                    parts[..],
                    ["projects", _, "secrets", _] | ["projects", _, "secrets", _, "versions", _]
                ) =>
            {
                Err("projects/PROJECT/secrets/NAME, and /versions/VERSION if it is not the latest")
            }
            Store::Azure if azure::url(&self.name).is_none() => {
                Err("the secret's identifier, https://VAULT.vault.azure.net/secrets/NAME")
            }
            Store::Vault if self.member.is_none() => Err(
                "the path that is read and the member that is meant, as in secret/data/shop#api_key",
            ),
            _ => Ok(self),
        }
    }
}

/// As it is written.
impl std::fmt::Display for SecretAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = STORES.iter().find(|(_, store)| *store == self.store).map_or("", |it| it.0);
        write!(f, "{prefix}{}", self.name)?;
        self.member.as_ref().map_or(Ok(()), |member| write!(f, "#{member}"))
    }
}

/// Reads secrets from where they are kept, as whom the environment says we are.
pub struct SecretReader {
    proxies: Proxies,
    google_token: OnceCell<String>,
    azure_token: OnceCell<String>,
}

impl Default for SecretReader {
    fn default() -> SecretReader {
        SecretReader {
            proxies: Proxies::of_environment(),
            google_token: OnceCell::new(),
            azure_token: OnceCell::new(),
        }
    }
}

/// A store that is busy is asked again.
const TRIES_MAX: u32 = 3;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

impl SecretReader {
    /// The secret itself.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when the store has none for us; its message names the place, never a
    /// value.
    pub async fn read(&self, address: &SecretAddress) -> Result<String, FunctionError> {
        let mut tries = 1;
        let text = loop {
            let read = match address.store {
                Store::AwsSecret => self.aws_secret(address).await,
                Store::AwsParameter => self.aws_parameter(address).await,
                Store::Google => self.google_secret(address).await,
                Store::Azure => self.azure_secret(address).await,
                Store::Vault => return self.vault_secret(address).await,
            };
            match read {
                Err(FunctionError::Unavailable { .. }) if tries < TRIES_MAX => {
                    tokio::time::sleep(PAUSE * tries).await;
                    tries += 1;
                }
                read => break read?,
            }
        };
        let Some(name) = &address.member else { return Ok(text) };
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        text_of(&json[name.as_str()]).ok_or_else(|| {
            refused(
                address,
                "secret_not_found",
                &format!("it is no JSON object with a member {name}"),
            )
        })
    }

    /// The store's answer, or what its status means. `why` finds the reason in the body.
    async fn ask(
        &self,
        address: &SecretAddress,
        request: hyper::Request<Full<Bytes>>,
        why: impl Fn(&Value) -> Option<String>,
    ) -> Result<Value, FunctionError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let away = |why: String| FunctionError::Unavailable {
            code: "secret_store_unavailable",
            message: format!("{address} cannot be read from {host}: {why}"),
            retry_after: None,
        };
        let (status, answer) = ask(request, &self.proxies, false).await.map_err(away)?;
        if is_busy(status) {
            return Err(away(format!("HTTP {status}")));
        }
        let json: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(json);
        }
        let why = why(&json).unwrap_or_default();
        let told = format!("HTTP {status} {why:.300}");
        let is_missing = status == StatusCode::NOT_FOUND
            || why.contains("ResourceNotFound")
            || why.contains("ParameterNotFound");
        let code = if is_missing { "secret_not_found" } else { "secret_access_denied" };
        Err(refused(address, code, told.trim()))
    }
}

/// A text, or any other value as it is written.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn refused(address: &SecretAddress, code: &'static str, why: &str) -> FunctionError {
    FunctionError::Refused {
        code,
        message: format!("{address} cannot be read: {why}"),
        hint: match code {
            "secret_not_found" => "correct the name, its member or its region".into(),
            _ => "let the caller read the secret, or name another caller in the environment".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_store_and_a_secret() {
        let check = |text: &str, expected: Option<Result<&str, &str>>| {
            let read = SecretAddress::parse(text).map(|read| read.map(|it| it.to_string()));
            let read = read.as_ref().map(|read| read.as_deref().map_err(String::as_str));
            match (read, expected) {
                (Some(Err(message)), Some(Err(part))) => {
                    assert!(message.contains(part), "{message}");
                }
                (read, expected) => assert_eq!(read, expected, "{text}"),
            }
        };
        for whole in [
            "aws-secret:shop/api",
            "aws-secret:arn:aws:secretsmanager:eu-west-1:1:secret:shop-AbCdEf#key",
            "aws-parameter:/shop/key",
            "google-secret:projects/shop/secrets/key",
            "google-secret:projects/shop/secrets/key/versions/7#token",
            "azure-secret:https://shop.vault.azure.net/secrets/key",
            "vault:secret/data/shop#key",
        ] {
            check(whole, Some(Ok(whole)));
        }
        check("${KEY}", None);
        check("aws:key", None);
        check("aws-secret:", Some(Err("the name of a secret")));
        check("aws-secret:a#", Some(Err("the name of a secret")));
        check("google-secret:key", Some(Err("projects/PROJECT/secrets/NAME")));
        check("azure-secret:key", Some(Err("the secret's identifier")));
        check("azure-secret:http://shop.vault.azure.net/secrets/key", Some(Err("identifier")));
        check("vault:secret/data/shop", Some(Err("the member that is meant")));
    }
}
