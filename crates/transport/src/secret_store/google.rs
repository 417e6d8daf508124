//! Google Secret Manager.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::header;
use protocol::FunctionError;

use super::{SecretAddress, SecretReader, refused};
use crate::google::{Account, key_file_of_environment};

/// The variable is the one by which Google's own command line is led elsewhere.
const ENDPOINT_VARIABLE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
const ENDPOINT: &str = "https://secretmanager.googleapis.com/";

impl SecretReader {
    pub(super) async fn google_secret(
        &self,
        address: &SecretAddress,
    ) -> Result<String, FunctionError> {
        let token = self.google_token.get_or_try_init(async || {
            let account = Account::read(key_file_of_environment().as_deref()).await?;
            account.access_token(&self.proxies).await
        });
        let token = token.await?;
        let endpoint = std::env::var(ENDPOINT_VARIABLE).ok().filter(|text| !text.is_empty());
        let endpoint = endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        let latest = if address.name.contains("/versions/") { "" } else { "/versions/latest" };
        let url = format!("{}/v1/{}{latest}:access", endpoint.trim_end_matches('/'), address.name);
        let request = hyper::Request::get(url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())
            .map_err(|_| refused(address, "invalid_url", "its endpoint is no URL"))?;
        let why = |json: &serde_json::Value| Some(json["error"]["message"].as_str()?.to_owned());
        let answer = self.ask(address, request, why).await?;
        let text = answer["payload"]["data"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let text = text.and_then(|text| String::from_utf8(text).ok());
        text.ok_or_else(|| refused(address, "secret_not_found", "it is no text"))
    }
}
