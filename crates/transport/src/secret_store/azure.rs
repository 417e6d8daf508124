//! Azure Key Vault.

use http_body_util::Full;
use hyper::{Uri, header};
use protocol::FunctionError;

use super::{SecretAddress, SecretReader, refused};
use crate::entra::{EntraOptions, EntraTokens};
use crate::route::is_loopback;

const RESOURCE: &str = "https://vault.azure.net";
const API_VERSION: &str = "7.4";

/// The identifier of a secret, which Azure shows as an address. What is sent there is a token, so it is
/// encrypted, unless it stays on this machine.
pub(super) fn url(name: &str) -> Option<Uri> {
    let url: Uri = name.parse().ok()?;
    let is_safe = url.scheme_str() == Some("https") || is_loopback(&url);
    let parts: Vec<&str> = url.path().trim_start_matches('/').split('/').collect();
    let is_secret =
        matches!(parts[..], ["secrets", name] | ["secrets", name, _] if !name.is_empty());
    Some(url).filter(|url| is_safe && is_secret && url.host().is_some())
}

impl SecretReader {
    pub(super) async fn azure_secret(
        &self,
        address: &SecretAddress,
    ) -> Result<String, FunctionError> {
        let token = self.azure_token.get_or_try_init(async || {
            let options = EntraOptions { resource: RESOURCE.into(), ..EntraOptions::default() };
            EntraTokens::new(&options, &self.proxies).token().await
        });
        let token = token.await?;
        let request = hyper::Request::get(format!("{}?api-version={API_VERSION}", address.name))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())
            .map_err(|_| refused(address, "invalid_url", "its identifier is no URL"))?;
        let why = |json: &serde_json::Value| {
            let error = &json["error"];
            Some(format!("{} {}", error["code"].as_str()?, error["message"].as_str()?))
        };
        let answer = self.ask(address, request, why).await?;
        let text = answer["value"].as_str().map(str::to_owned);
        text.ok_or_else(|| refused(address, "secret_not_found", "it has no value"))
    }
}
