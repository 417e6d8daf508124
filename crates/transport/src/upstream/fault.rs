//! What can go wrong at an API.

use serde_json::Value;

use super::exchange::{Exchange, is_about_more, is_about_next};

/// One way in which an API fails its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 429 to this and every later request.
    Throttled,
    /// 500 to this and every later request.
    ServerError,
    /// Silence, then a lost connection; now and later.
    NoAnswer,
    /// The connection breaks in the middle of the answer; now and later.
    Truncated,
    /// One page without rows that still names the next one.
    EmptyPage,
    /// One page that names itself as the next one.
    RepeatedToken,
    /// Every list is empty, and there is no next page: an API that holds nothing.
    Nothing,
}

impl Fault {
    /// The answer as the fault changes it; one that it cannot change stays.
    pub fn changes(self, mut answered: Exchange) -> Exchange {
        let Some(json) = answered.json().filter(|_| answered.status == 200) else {
            return answered;
        };
        let mut changed = json.clone();
        match self {
            Fault::EmptyPage => empty(&mut changed, false),
            Fault::Nothing => {
                empty(&mut changed, true);
                answered.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("link"));
            }
            Fault::RepeatedToken => {
                let asked = answered.url.clone();
                repeat(&mut changed, &asked);
            }
            Fault::Throttled | Fault::ServerError | Fault::NoAnswer | Fault::Truncated => {}
        }
        if changed != json {
            answered.body = changed.to_string().into();
        }
        answered
    }
}

fn empty(json: &mut Value, is_end: bool) {
    match json {
        Value::Array(elements) => elements.clear(),
        Value::Object(members) => {
            for (name, value) in members {
                if is_about_next(name) && !value.is_object() {
                    if is_end {
                        *value = Value::Null;
                    }
                } else if is_about_more(name) {
                    if is_end {
                        *value = Value::Bool(false);
                    }
                } else {
                    empty(value, is_end);
                }
            }
        }
        _ => {}
    }
}

/// The next page becomes the one that was asked for, as far as its address tells which that was.
fn repeat(json: &mut Value, asked: &str) {
    let Value::Object(members) = json else { return };
    for (name, value) in members {
        if is_about_next(name) && value.is_string() {
            let is_address = value.as_str().is_some_and(|text| text.starts_with("http"));
            let asked = if is_address { Some(asked) } else { token_of(asked) };
            if let Some(asked) = asked {
                *value = Value::String(asked.to_owned());
            }
        } else {
            repeat(value, asked);
        }
    }
}

/// What the query says about the page.
fn token_of(url: &str) -> Option<&str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = name.to_ascii_lowercase();
        ["token", "cursor", "after", "page"].iter().any(|part| name.contains(part)).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_change_answers() {
        let page = r#"{"data":[{"id":1}],"has_more":true,"next":"p2"}"#;
        for (fault, url, expected) in [
            (Fault::EmptyPage, "http://a/", r#"{"data":[],"has_more":true,"next":"p2"}"#),
            (Fault::Nothing, "http://a/", r#"{"data":[],"has_more":false,"next":null}"#),
            (
                Fault::RepeatedToken,
                "http://a/?limit=2&cursor=p1",
                r#"{"data":[{"id":1}],"has_more":true,"next":"p1"}"#,
            ),
            (Fault::RepeatedToken, "http://a/", page),
        ] {
            let answered =
                Exchange { url: url.into(), status: 200, body: page.into(), ..Exchange::default() };
            let changed = fault.changes(answered);
            assert_eq!(String::from_utf8_lossy(&changed.body), expected, "{fault:?}");
        }
    }
}
