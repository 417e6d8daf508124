//! A manifest drafted from one answer of an API: what was found, and why, as comments beside it.

mod find;
mod paging;
mod secret;
mod write;

use std::time::Duration;

use bytes::Bytes;
use protocol::{FunctionError, Secrets};
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::http::{Http, HttpError, describe, place};
use crate::manifest::Requests;
use crate::request_builder::HttpRequest;

/// The request that a draft is made from. It may hold keys: they become secrets.
#[derive(Clone, Default)]
pub struct SampleRequest {
    pub url: String,
    /// GET, or POST where there is a body.
    pub method: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// An answer to it.
pub struct Sample {
    url: Url,
    method: &'static str,
    request_headers: Vec<(String, String)>,
    request_body: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

/// A manifest and what is to be known about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the API is called, after its host.
    pub name: String,
    pub table: String,
    /// The YAML. It holds no key.
    pub manifest: String,
    /// The names of the secrets that it refers to.
    pub secrets: Vec<String>,
    /// Rows in the answer.
    pub rows: usize,
}

const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends the request, once if it can be helped.
///
/// # Errors
/// [`FunctionError::Refused`] when it is none or is not answered by rows.
pub async fn sample(request: &SampleRequest) -> Result<Sample, FunctionError> {
    let refused = |message: String, hint: &str| FunctionError::Refused {
        code: "source_refused",
        message,
        hint: hint.to_owned(),
    };
    let url: Url = request
        .url
        .parse()
        .ok()
        .filter(|url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            refused(
                "the URL is no address that begins with http:// or https://".to_owned(),
                "write the whole address, as in https://api.example.com/v1/customers?limit=100",
            )
        })?;
    let method = match request.method.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None if request.body.is_some() => "POST",
        None | Some("GET") => "GET",
        Some("POST") => "POST",
        Some("PUT") => "PUT",
        Some(_) => {
            return Err(refused(
                "a manifest reads by GET, POST or PUT".to_owned(),
                "give a request that reads rows",
            ));
        }
    };
    let mut sent = url.clone();
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    if let Some(basic) = secret::basic_of(&url) {
        headers.push(("authorization".to_owned(), basic));
        let _ = sent.set_username("");
        let _ = sent.set_password(None);
    }
    let body = request.body.clone().map(Bytes::from);
    let request_headers = headers.clone();
    let http_request = HttpRequest {
        method,
        shown: crate::http::place(&sent),
        url: sent.clone(),
        headers,
        body,
        tells_body: true,
    };
    let agent = concat!("hasmore/", env!("CARGO_PKG_VERSION"));
    let http = Http::new(&Requests::default(), agent, None);
    let answer = http.send(&http_request, Some(Instant::now() + TIMEOUT)).await;
    let answer = answer.map_err(|error| match error {
        HttpError::Unavailable { message, retry_after } => {
            FunctionError::Unavailable { code: "source_unavailable", message, retry_after }
        }
        HttpError::Refused { message, .. } => refused(message, "try the address in a browser"),
    })?;
    if !answer.status.is_success() {
        let hint = match answer.status.as_u16() {
            401 | 403 => {
                "give the key as the API wants it: --header 'Authorization: Bearer ${TOKEN}'"
            }
            _ => "correct the address",
        };
        let message = concealing(&http_request).redact(&describe(&http_request, &answer));
        return Err(refused(message, hint));
    }
    Ok(Sample {
        url: sent,
        method,
        request_headers,
        request_body: request.body.clone(),
        headers: answer.headers,
        body: answer.body,
    })
}

/// What lets a request in: an API may repeat it when it refuses.
fn concealing(request: &HttpRequest) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in &request.headers {
        let key = value.split_once(' ').map_or(value.as_str(), |(_, key)| key);
        secrets.insert(name, key);
    }
    for (name, value) in request.url.query_pairs().filter(|(name, _)| secret::is_secret(name)) {
        secrets.insert(name, &value);
    }
    let body = request.body.as_deref().unwrap_or_default();
    if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) {
        for (name, value) in members {
            if let Some(text) = value.as_str().filter(|_| secret::is_secret(&name)) {
                secrets.insert(name, text);
            }
        }
    }
    for (name, value) in form_urlencoded::parse(body).filter(|(name, _)| secret::is_secret(name)) {
        secrets.insert(name, &value);
    }
    secrets
}

impl Sample {
    /// Drafts a manifest of one table. Whatever lets the request in becomes a secret.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when no rows are found in the answer.
    pub fn draft(&self) -> Result<Draft, FunctionError> {
        let found = find::Found::of(self).map_err(|message| FunctionError::Refused {
            code: "invalid_page",
            message: format!("an answer of {}: {message}", place(&self.url)),
            hint: "give the address of a list of rows, in JSON or CSV".into(),
        })?;
        Ok(write::write(self, &found))
    }

    fn query(&self) -> Vec<(String, String)> {
        self.url.query_pairs().into_owned().collect()
    }
}

#[cfg(test)]
mod tests;
