//! HashiCorp Vault, by the variables that its own command line reads.

use http_body_util::Full;
use protocol::FunctionError;
use serde_json::Value;

use super::{SecretAddress, SecretReader, refused, text_of};

const ADDRESS: &str = "https://127.0.0.1:8200";

impl SecretReader {
    /// Of either version of the key-value engine.
    pub(super) async fn vault_secret(
        &self,
        address: &SecretAddress,
    ) -> Result<String, FunctionError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let endpoint = variable("VAULT_ADDR").unwrap_or_else(|| ADDRESS.to_owned());
        let token = match variable("VAULT_TOKEN") {
            Some(token) => token,
            None => kept_token().await.ok_or_else(|| {
                let why = "there is no token: set VAULT_TOKEN, or run `vault login`";
                refused(address, "secret_access_denied", why)
            })?,
        };
        let url = format!("{}/v1/{}", endpoint.trim_end_matches('/'), address.name);
        let mut request = hyper::Request::get(url)
            .header("x-vault-token", token.trim())
            .header("x-vault-request", "true");
        if let Some(namespace) = variable("VAULT_NAMESPACE") {
            request = request.header("x-vault-namespace", namespace);
        }
        let request = request.body(Full::default());
        let request =
            request.map_err(|_| refused(address, "invalid_url", "VAULT_ADDR is no URL"))?;
        let why = |json: &Value| Some(json["errors"][0].as_str()?.to_owned());
        let answer = self.ask(address, request, why).await?;
        // Version 2 puts the members into a `data` of their own, beside the `metadata` of the version.
        let data = &answer["data"];
        let is_versioned = data["metadata"].is_object() && data["data"].is_object();
        let members = if is_versioned { &data["data"] } else { data };
        let name = address.member.as_deref().unwrap_or_default();
        text_of(&members[name]).ok_or_else(|| {
            refused(address, "secret_not_found", &format!("it has no member {name}"))
        })
    }
}

/// What `vault login` has left.
async fn kept_token() -> Option<String> {
    let file = std::env::home_dir()?.join(".vault-token");
    tokio::fs::read_to_string(file).await.ok().filter(|text| !text.trim().is_empty())
}
