use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header;
use protocol::{FunctionError, Secrets};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::ask::{ask, form, is_busy, percent_encoded};
use crate::route::Proxies;

/// Who calls a function of Azure's that lets in by Microsoft Entra ID: each call bears a token for it.
///
/// Where nothing is said, it is the application that `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
/// `AZURE_CLIENT_SECRET` or `AZURE_FEDERATED_TOKEN_FILE` name, else the managed identity of the machine.
#[derive(Clone, Default)]
pub struct EntraOptions {
    /// Whom the token is for: the application that the function belongs to, as in `api://…`.
    pub resource: String,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
}

/// Does not print the secret.
impl std::fmt::Debug for EntraOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EntraOptions({})", self.resource)
    }
}

/// Tokens for one resource, each used until shortly before its end.
pub(crate) struct EntraTokens {
    options: EntraOptions,
    proxies: Proxies,
    kept: Mutex<Option<(String, Instant)>>,
}

/// A token is not used for a call that may outlast it: a function of Azure's has 230 seconds.
const ENDS_BEFORE: Duration = Duration::from_secs(300);
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The instance's own address; the variable is the one that Azure's own tools read.
const INSTANCE: &str = "http://169.254.169.254";
const INSTANCE_VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

impl EntraTokens {
    /// Asks nothing before the first call.
    pub(crate) fn new(options: &EntraOptions, proxies: &Proxies) -> EntraTokens {
        EntraTokens { options: options.clone(), proxies: proxies.clone(), kept: Mutex::new(None) }
    }

    /// A token that is good for a while.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when nobody gives one.
    pub(crate) async fn token(&self) -> Result<String, FunctionError> {
        let mut kept = self.kept.lock().await;
        if let Some((text, ends)) = kept.as_ref()
            && *ends > Instant::now() + ENDS_BEFORE
        {
            return Ok(text.clone());
        }
        let (text, life) = self.ask().await?;
        *kept = Some((text.clone(), Instant::now() + life));
        Ok(text)
    }

    /// The token in use, so that a function which echoes it shows it to nobody (F-018).
    pub(crate) async fn conceal(&self, concealed: &mut Secrets) {
        if let Some((text, _)) = self.kept.lock().await.as_ref() {
            concealed.insert("Entra ID token", text);
        }
        if let Some(secret) = &self.options.client_secret {
            concealed.insert("client secret", secret);
        }
    }

    async fn ask(&self) -> Result<(String, Duration), FunctionError> {
        let own = |given: &Option<String>, name| given.clone().or_else(|| variable(name));
        let client = own(&self.options.client_id, "AZURE_CLIENT_ID");
        let tenant = own(&self.options.tenant_id, "AZURE_TENANT_ID");
        let secret = own(&self.options.client_secret, "AZURE_CLIENT_SECRET");
        match (tenant, client, secret, variable("AZURE_FEDERATED_TOKEN_FILE")) {
            (Some(tenant), Some(client), Some(secret), _) => {
                self.as_application(&tenant, &client, &[("client_secret", &secret)]).await
            }
            (Some(tenant), Some(client), None, Some(file)) => {
                let assertion = tokio::fs::read_to_string(Path::new(&file)).await;
                let assertion = assertion
                    .map_err(|error| refused(&format!("{file} cannot be read: {error}")))?;
                let proof = [
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", assertion.trim()),
                ];
                self.as_application(&tenant, &client, &proof).await
            }
            (_, client, ..) => self.as_machine(client.as_deref()).await,
        }
    }

    async fn as_application(
        &self,
        tenant: &str,
        client: &str,
        proof: &[(&str, &str)],
    ) -> Result<(String, Duration), FunctionError> {
        let authority = variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
        let scope = format!("{}/.default", self.options.resource.trim_end_matches('/'));
        let mut pairs =
            vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope)];
        pairs.extend(proof);
        let tenant = percent_encoded(tenant);
        let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
        let request = hyper::Request::post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form(&pairs))))
            .map_err(|_| refused("AZURE_AUTHORITY_HOST is no URL"))?;
        self.send(request, false).await
    }

    /// The managed identity: of an App Service by its own endpoint, else of the instance.
    async fn as_machine(&self, client: Option<&str>) -> Result<(String, Duration), FunctionError> {
        let mut query = vec![("resource", self.options.resource.as_str())];
        query.extend(client.map(|client| ("client_id", client)));
        let service = variable("IDENTITY_ENDPOINT").zip(variable("IDENTITY_HEADER"));
        let request = if let Some((endpoint, header)) = service {
            query.push(("api-version", "2019-08-01"));
            hyper::Request::get(format!("{endpoint}?{}", form(&query)))
                .header("X-IDENTITY-HEADER", header)
        } else {
            let instance = variable(INSTANCE_VARIABLE).unwrap_or_else(|| INSTANCE.to_owned());
            query.push(("api-version", "2018-02-01"));
            let path = "metadata/identity/oauth2/token";
            let url = format!("{}/{path}?{}", instance.trim_end_matches('/'), form(&query));
            hyper::Request::get(url).header("Metadata", "true")
        };
        let request = request.body(Full::default());
        let request =
            request.map_err(|_| refused("the address of the managed identity is none"))?;
        self.send(request, true).await
    }

    async fn send(
        &self,
        request: hyper::Request<Full<Bytes>>,
        is_own: bool,
    ) -> Result<(String, Duration), FunctionError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let (status, answer) = ask(request, &self.proxies, is_own).await.map_err(|why| {
            if is_own {
                let who = "no application is named, and the managed identity at";
                refused(&format!("{who} {host} is not there: {why}"))
            } else {
                FunctionError::transport(format!("no token from {host}: {why}"))
            }
        })?;
        if is_busy(status) {
            return Err(FunctionError::transport(format!("no token from {host}: {status}")));
        }
        let json: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if !status.is_success() {
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            // The description goes on with ids of the request, line by line.
            let description = text("error_description");
            let first = description.lines().next().unwrap_or_default();
            let why = format!("{} {first:.300}", text("error"));
            return Err(refused(&format!("{host} answered HTTP {status} {}", why.trim())));
        }
        // A managed identity writes the number as a text.
        let seconds = &json["expires_in"];
        let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok());
        let token = json["access_token"].as_str().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| refused(&format!("{host} gave no access_token")))?;
        Ok((token.to_owned(), Duration::from_secs(seconds.unwrap_or(0))))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn refused(why: &str) -> FunctionError {
    FunctionError::Refused {
        code: "azure_no_token",
        message: format!("no token of Microsoft Entra ID: {why}"),
        hint: "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run where the machine has a managed identity; check `resource`".into(),
    }
}
