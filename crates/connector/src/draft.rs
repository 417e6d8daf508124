//! A manifest drafted from an answer of an API, from a recording of a browser or from an OpenAPI document:
//! what was found, and why, as comments beside it.

mod find;
mod har;
mod login;
mod openapi;
mod paging;
mod schema;
mod secret;
mod tables;
mod write;

use std::time::Duration;

use bytes::Bytes;
use protocol::{FunctionError, Secrets};
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::http::{Http, HttpError, Reach, describe, place};
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

/// A request and its answer, as they were or as a document tells of them.
pub struct Sample {
    origin: Origin,
    url: Url,
    method: &'static str,
    request_headers: Vec<(String, String)>,
    request_body: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    /// How requests are let in and the names of its secrets, where a document says so.
    auth: Option<(String, Vec<String>)>,
    /// Parameters that may be sent and were not.
    offered: Vec<(String, String)>,
    /// What is left for the reader to look up.
    notes: Vec<String>,
}

/// Where a sample is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// An answer that the API gave now.
    Answer,
    /// An answer that a browser was given.
    Recording,
    /// What a document says of answers: one row stands for any number.
    Document,
}

/// A manifest and what is to be known about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the API is called, after its host.
    pub name: String,
    /// The names of its tables; the first is the one to try first.
    pub tables: Vec<String>,
    /// The YAML. It holds no key.
    pub manifest: String,
    /// The names of the secrets that it refers to.
    pub secrets: Vec<String>,
    /// Rows in all answers.
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
        is_away: false,
    };
    let agent = concat!("hasmore/", env!("CARGO_PKG_VERSION"));
    let http = Http::new(&Requests::default(), agent, Reach::Anywhere);
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
        request_headers,
        request_body: request.body.clone(),
        headers: answer.headers,
        ..Sample::new(Origin::Answer, sent, method, answer.body)
    })
}

/// Drafts a manifest from the text of a file: a HAR file (a browser's recording) or an OpenAPI document
/// (3.x) in JSON or YAML. Of its paths only those that contain `only` are taken. Nothing is sent.
///
/// # Errors
/// [`FunctionError::Refused`] when it is neither, or no rows are found in it.
pub fn draft_document(text: &str, only: Option<&str>) -> Result<Draft, FunctionError> {
    let document = openapi::read(text).map_err(refused_document)?;
    if document.pointer("/log/entries").is_some() {
        return har::draft(document, only).map_err(refused_document);
    }
    openapi::draft(&document, None, only).map_err(refused_document)
}

fn refused_document(message: String) -> FunctionError {
    FunctionError::Refused {
        code: "invalid_document",
        message,
        hint: "give a HAR file that a browser saved, or an OpenAPI document (3.0 or 3.1) in JSON or YAML"
            .into(),
    }
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
    fn new(origin: Origin, url: Url, method: &'static str, body: Bytes) -> Sample {
        Sample {
            origin,
            url,
            method,
            request_headers: Vec::new(),
            request_body: None,
            headers: HeaderMap::new(),
            body,
            auth: None,
            offered: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Drafts a manifest of one table, or of those of the OpenAPI document that the answer is. Whatever lets
    /// the request in becomes a secret.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when no rows are found in the answer.
    pub fn draft(&self, only: Option<&str>) -> Result<Draft, FunctionError> {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        if openapi::is_one(text) {
            let document = openapi::read(text).map_err(refused_document)?;
            return openapi::draft(&document, Some(&self.url), only).map_err(refused_document);
        }
        let found = find::Found::of(self).map_err(|message| FunctionError::Refused {
            code: "invalid_page",
            message: format!("an answer of {}: {message}", place(&self.url)),
            hint: "give the address of a list of rows, in JSON or CSV".into(),
        })?;
        let rows = match found.rows {
            1 => "one row".to_owned(),
            rows => format!("{rows} rows"),
        };
        let opening = format!(
            "Drafted from one answer of {}, with {rows}. The comments say why; what is guessed says so.",
            place(&self.url)
        );
        Ok(write::write(&opening, &tables::arrange(vec![(self, found)])))
    }

    fn query(&self) -> Vec<(String, String)> {
        self.url.query_pairs().into_owned().collect()
    }
}

#[cfg(test)]
mod tests;
