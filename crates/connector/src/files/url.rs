//! One file at an address.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::{FileError, Listed};
use crate::http::{Answer, Http, HttpError, describe, place};
use crate::request_builder::HttpRequest;

/// A file at an address, read by ranges; whole, where its server knows no ranges.
pub(crate) struct UrlFile {
    http: Http,
    url: Url,
    whole: Mutex<Option<(Listed, Bytes)>>,
}

impl UrlFile {
    pub(super) fn new(text: &str, http: &Http) -> Result<UrlFile, String> {
        let url = text.parse().map_err(|_| "an address of `files` is none".to_owned())?;
        Ok(UrlFile { http: http.clone(), url, whole: Mutex::default() })
    }

    /// The file, if it is there.
    pub(super) async fn list(&self) -> Result<Option<Listed>, FileError> {
        let answer = match self.get(0..1, None).await {
            Ok(answer) => answer,
            Err(FileError::Gone) => return Ok(None),
            Err(error) => return Err(error),
        };
        let file = self.listed(&answer);
        if answer.status != StatusCode::PARTIAL_CONTENT {
            *self.whole.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((file.clone(), answer.body));
        }
        Ok(Some(file))
    }

    pub(super) async fn read(&self, file: &Listed, range: Range<u64>) -> Result<Bytes, FileError> {
        let kept = self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, whole)) = kept.filter(|(kept, _)| kept == file) {
            return Ok(cut(&whole, range));
        }
        let range = range.start..file.bytes.map_or(range.end, |bytes| range.end.min(bytes));
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let answer = self.get(range.clone(), file.version.as_deref()).await?;
        if answer.status == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Bytes::new());
        }
        if self.listed(&answer).mark != file.mark {
            return Err(FileError::Changed);
        }
        if answer.status == StatusCode::PARTIAL_CONTENT {
            return Ok(answer.body);
        }
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((file.clone(), answer.body.clone()));
        Ok(cut(&answer.body, range))
    }

    async fn get(&self, range: Range<u64>, version: Option<&str>) -> Result<Answer, FileError> {
        let last = range.end.saturating_sub(1).max(range.start);
        let mut headers = vec![
            ("accept".to_owned(), "*/*".to_owned()),
            ("accept-encoding".to_owned(), "identity".to_owned()),
            ("range".to_owned(), format!("bytes={}-{last}", range.start)),
        ];
        // A weak tag never matches (RFC 9110, section 13.1.1); it is looked at in the answer.
        if let Some(version) = version.filter(|version| version.starts_with('"')) {
            headers.push(("if-match".to_owned(), version.to_owned()));
        }
        let request = HttpRequest {
            method: "GET",
            url: self.url.clone(),
            headers,
            body: None,
            shown: place(&self.url),
            tells_body: false,
            is_away: false,
        };
        let answer = self.http.send(&request, None).await.map_err(|error| match error {
            HttpError::Unavailable { message, .. } => FileError::Unavailable(message),
            HttpError::Refused { message, .. } => FileError::refused(message),
        })?;
        match answer.status.as_u16() {
            200 | 206 => Ok(answer),
            // Nothing is there: the file ends before, or is empty.
            416 => Ok(Answer { body: Bytes::new(), ..answer }),
            412 => Err(FileError::Changed),
            404 | 410 => Err(FileError::Gone),
            _ => Err(FileError::refused(describe(&request, &answer))),
        }
    }

    fn listed(&self, answer: &Answer) -> Listed {
        let header = |name: &str| text(&answer.headers, name);
        let modified = header("last-modified")
            .and_then(|text| httpdate::parse_http_date(&text).ok())
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_millis()).ok());
        let bytes = match answer.status {
            StatusCode::PARTIAL_CONTENT => header("content-range")
                .and_then(|range| range.rsplit_once('/').and_then(|(_, all)| all.parse().ok())),
            StatusCode::OK => Some(answer.body.len() as u64),
            _ => None,
        };
        Listed::new(place(&self.url), String::new(), modified, header("etag"), bytes)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn cut(whole: &Bytes, range: Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    whole.slice(place(range.start)..place(range.end))
}
