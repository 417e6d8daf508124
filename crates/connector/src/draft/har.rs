//! A manifest drafted from a HAR file (HTTP Archive 1.2): what a browser asked an API for, and was answered.
//! <http://www.softwareishard.com/blog/har-12-spec/>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use indexmap::IndexMap;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::find::Found;
use super::{Draft, Origin, Sample, secret, tables, write};

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    post_data: Option<Content>,
}

#[derive(Deserialize)]
struct Response {
    status: i64,
    #[serde(default)]
    headers: Vec<Pair>,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

/// Drafts a manifest of the host that answered with the most rows.
///
/// # Errors
/// Says why there is none.
pub(super) fn draft(document: Value, only: Option<&str>) -> Result<Draft, String> {
    let har: Har =
        serde_json::from_value(document).map_err(|error| format!("it is no HAR file: {error}"))?;
    let asked = har.log.entries.len();
    let wanted = |entry: &Entry| only.is_none_or(|only| entry.request.url.contains(only));
    let entries = har.log.entries.into_iter().filter(wanted);
    let samples: Vec<Sample> = entries.filter_map(sample).collect();
    let mut hosts: IndexMap<String, Vec<(&Sample, Found)>> = IndexMap::new();
    for sample in &samples {
        let Ok(found) = Found::of(sample) else { continue };
        if found.rows > 0 && found.is_list {
            hosts
                .entry(sample.url.origin().ascii_serialization())
                .or_default()
                .push((sample, found));
        }
    }
    let rows = |answers: &[(&Sample, Found)]| -> usize {
        answers.iter().map(|(_, found)| found.rows).sum()
    };
    hosts.sort_by(|_, one, _, other| rows(other).cmp(&rows(one)));
    let mut hosts = hosts.into_iter();
    let Some((host, answers)) = hosts.next() else {
        return Err(format!("none of the {asked} requests of the HAR file was answered by rows"));
    };
    let count = answers.len();
    let tables = tables::arrange(answers);
    let mut opening = format!(
        "Drafted from {count} recorded answers of {host}. The comments say why; what is guessed says so."
    );
    let others: Vec<String> = hosts.map(|(host, _)| host).collect();
    if !others.is_empty() {
        opening += &format!(" Rows came from other hosts too: {}.", others.join(", "));
    }
    Ok(write::write(&opening, &tables))
}

/// An answer that may hold rows.
fn sample(entry: Entry) -> Option<Sample> {
    let Entry { request, response } = entry;
    let method = match request.method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        _ => return None,
    };
    let kind = response.content.mime_type.as_str();
    let is_data = ["json", "csv"].iter().any(|word| kind.contains(word));
    if !(200..300).contains(&response.status) || !is_data {
        return None;
    }
    let text = response.content.text.filter(|text| !text.is_empty())?;
    let body = match response.content.encoding.as_deref() {
        Some("base64") => Bytes::from(STANDARD.decode(text).ok()?),
        _ => Bytes::from(text),
    };
    let mut url: Url = request.url.parse().ok()?;
    let basic = secret::basic_of(&url);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut sample = Sample::new(Origin::Recording, url, method, body);
    sample.request_headers = request
        .headers
        .into_iter()
        .map(|pair| (pair.name.to_ascii_lowercase(), pair.value))
        .collect();
    sample.request_headers.extend(basic.map(|basic| ("authorization".to_owned(), basic)));
    sample.request_body = request.post_data.and_then(|data| data.text).filter(|_| method != "GET");
    for Pair { name, value } in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            sample.headers.append(name, value);
        }
    }
    if let Ok(kind) = HeaderValue::try_from(response.content.mime_type) {
        sample.headers.entry("content-type").or_insert(kind);
    }
    Some(sample)
}
