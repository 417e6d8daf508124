use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::json;
use crate::{FunctionError, State};

/// What the platform sends, the same on every cloud (section 1.1 of the protocol).
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Who calls: `<product>/<version>/<connection>/<schema>` (Dec-01). Also the HTTP `User-Agent`.
    pub agent: String,
    pub state: State,
    pub secrets: Secrets,
    pub custom_payload: CustomPayload,
    /// `true` in setup tests; the key is left out of syncs (Dec-02, Q-05).
    pub setup_test: bool,
    pub sync_id: SyncId,
    /// Where the function is to write its rows, on AWS Lambda only (F-013).
    pub object: Option<ObjectPlace>,
    /// Set by what serves a function; never on the wire.
    pub room: Room,
}

/// What the place where a function runs allows one answer to take (F-091, F-092).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The time left until nobody waits for the answer any more.
    pub time: Option<Duration>,
    /// The largest answer, as JSON.
    pub bytes: Option<u64>,
}

/// An object of object storage: `bucket` and `file` on the wire (section 1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPlace {
    pub bucket: String,
    pub file: String,
}

impl fmt::Display for ObjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.file)
    }
}

/// One value for all pages of a sync: a UUID (F-007).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncId(pub String);

/// What the function needs to log in. `Debug` prints names, never values.
///
/// Values are strings as a rule; old connections hold any JSON, so any JSON is kept as text.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Box<RawValue>>);

/// What the user wants the function to know: names and strings (F-006).
pub type CustomPayload = BTreeMap<String, String>;

impl Request {
    /// The body: `state`, `secrets`, `customPayload` and `sync_id` are always there (F-004, Q-24).
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(256 + self.state.as_json().len());
        out.push_str("{\"agent\":");
        json::quote(&self.agent, &mut out);
        out.push_str(",\"state\":");
        out.push_str(self.state.as_json());
        out.push_str(",\"secrets\":");
        let secrets = self.secrets.0.iter().map(|(name, value)| (name, value.get().to_owned()));
        write_object(secrets, &mut out);
        out.push_str(",\"customPayload\":");
        let quoted = |text: &String| {
            let mut out = String::new();
            json::quote(text, &mut out);
            out
        };
        write_object(
            self.custom_payload.iter().map(|(name, value)| (name, quoted(value))),
            &mut out,
        );
        if self.setup_test {
            out.push_str(",\"setup_test\":true");
        }
        out.push_str(",\"sync_id\":");
        json::quote(&self.sync_id.0, &mut out);
        if let Some(object) = &self.object {
            out.push_str(",\"bucket\":");
            json::quote(&object.bucket, &mut out);
            out.push_str(",\"file\":");
            json::quote(&object.file, &mut out);
        }
        out.push('}');
        out
    }

    /// Reads a request as a function receives it, tolerantly (Dec-03): a missing or null `state` or
    /// `secrets` is `{}`, `customPayloads` is an alias, unknown members are ignored.
    ///
    /// # Errors
    /// [`FunctionError::Malformed`] when the text is not a JSON object.
    pub fn from_json(text: &str) -> Result<Request, FunctionError> {
        #[derive(serde::Deserialize)]
        struct Wire<'a> {
            agent: Option<String>,
            #[serde(borrow)]
            state: Option<&'a RawValue>,
            secrets: Option<BTreeMap<String, Box<RawValue>>>,
            #[serde(rename = "customPayload", alias = "customPayloads")]
            custom_payload: Option<CustomPayload>,
            setup_test: Option<bool>,
            sync_id: Option<String>,
            bucket: Option<String>,
            file: Option<String>,
        }
        // serde would also read a list, member by member.
        if !text.trim_start().starts_with('{') {
            return Err(FunctionError::invalid_response("the request is not a JSON object"));
        }
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|error| {
            FunctionError::invalid_response(format!("the request is not one: {error}"))
        })?;
        let state = wire.state.map(RawValue::get).filter(|text| *text != "null");
        let object = wire.bucket.zip(wire.file).filter(|(bucket, file)| {
            // A platform that returns rows directly may send both empty.
            !bucket.is_empty() && !file.is_empty()
        });
        Ok(Request {
            agent: wire.agent.unwrap_or_default(),
            state: state.map(State::from_valid).unwrap_or_default(),
            secrets: Secrets(wire.secrets.unwrap_or_default()),
            custom_payload: wire.custom_payload.unwrap_or_default(),
            setup_test: wire.setup_test.unwrap_or_default(),
            sync_id: SyncId(wire.sync_id.unwrap_or_default()),
            object: object.map(|(bucket, file)| ObjectPlace { bucket, file }),
            room: Room::default(),
        })
    }
}

fn write_object<'a>(members: impl Iterator<Item = (&'a String, String)>, out: &mut String) {
    out.push('{');
    for (index, (name, value)) in members.enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::quote(name, out);
        out.push(':');
        out.push_str(&value);
    }
    out.push('}');
}

impl Secrets {
    /// Adds a secret that is a string, the usual kind.
    pub fn insert(&mut self, name: impl Into<String>, value: &str) {
        let mut literal = String::with_capacity(value.len() + 2);
        json::quote(value, &mut literal);
        self.insert_json(name, RawValue::from_string(literal).expect("a quoted string is JSON"));
    }

    /// Adds a secret of any JSON kind.
    pub fn insert_json(&mut self, name: impl Into<String>, value: Box<RawValue>) {
        self.0.insert(name.into(), value);
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The JSON text of one secret, for the function that needs it.
    pub fn get_json(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.get())
    }

    /// Replaces every secret value found in `text` by `<secret NAME>` (F-018).
    ///
    /// Strings inside a nested secret are replaced as well. Values shorter than four characters are
    /// left: they would blot out ordinary words and hide nothing.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        const SHORTEST: usize = 4;
        let mut text = text.to_owned();
        for (name, value) in &self.0 {
            let mut strings = Vec::new();
            collect_strings(value.get(), &mut strings);
            strings.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
            for secret in strings.iter().filter(|secret| secret.len() >= SHORTEST) {
                let mut literal = String::new();
                json::quote(secret, &mut literal);
                for form in [secret.as_str(), &literal[1..literal.len() - 1]] {
                    if text.contains(form) {
                        text = text.replace(form, &format!("<secret {name}>"));
                    }
                }
            }
        }
        text
    }
}

/// The strings and numbers of a JSON text, unescaped; keys are not secret.
fn collect_strings(valid: &str, strings: &mut Vec<String>) {
    let bytes = valid.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let (end, _) = json::string_end(bytes, at);
                let is_key = bytes.get(json::skip_whitespace(bytes, end)) == Some(&b':');
                if !is_key {
                    strings.push(json::unescape(&valid[at..end]));
                }
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let end = json::value_end(bytes, at);
                strings.push(valid[at..end].to_owned());
                at = end;
            }
            _ => at += 1,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            agent: "hasmore/0/c/s".into(),
            sync_id: SyncId("id".into()),
            ..Request::default()
        }
    }

    #[test]
    fn f_001_f_004_a_first_request_has_empty_state_and_secrets() {
        assert_eq!(
            request().to_json(),
            r#"{"agent":"hasmore/0/c/s","state":{},"secrets":{},"customPayload":{},"sync_id":"id"}"#
        );
    }

    #[test]
    fn f_003_a_state_goes_out_byte_for_byte() {
        let state = State::from_json(r#" {"a":9007199254740993,"b":1.0} "#).expect("a state");
        let sent = Request { state, ..request() }.to_json();
        assert!(sent.contains(r#""state":{"a":9007199254740993,"b":1.0},"#), "{sent}");
    }

    #[test]
    fn f_006_q_05_custom_payload_and_setup_test() {
        let custom_payload = CustomPayload::from([("region".into(), "e\"u".into())]);
        let sent = Request { custom_payload, setup_test: true, ..request() }.to_json();
        assert!(sent.contains(r#""customPayload":{"region":"e\"u"},"setup_test":true,"#), "{sent}");
    }

    #[test]
    fn f_013_a_place_for_the_rows_is_sent_and_read() {
        let object = ObjectPlace { bucket: "b".into(), file: "f/1.json".into() };
        let sent = Request { object: Some(object.clone()), ..request() }.to_json();
        assert!(sent.ends_with(r#","bucket":"b","file":"f/1.json"}"#), "{sent}");
        assert_eq!(Request::from_json(&sent).expect("a request").object, Some(object));
        let empty = Request::from_json(r#"{"bucket":"","file":""}"#).expect("a request");
        assert_eq!(empty.object, None);
    }

    #[test]
    fn f_015_f_016_a_function_reads_sparse_and_extended_requests() {
        let read = Request::from_json(r#"{"state":null,"new":[1],"customPayloads":{"a":"b"}}"#)
            .expect("a request");
        assert_eq!(read.state, State::default());
        assert_eq!(read.custom_payload["a"], "b");
        assert!(Request::from_json(r#"["a",{},{},{},false,"b"]"#).is_err());
    }

    #[test]
    fn f_018_secrets_are_redacted_and_never_printed() {
        let mut secrets = Secrets::default();
        secrets.insert("key", "s3cr\"et");
        secrets.insert_json(
            "old",
            RawValue::from_string(r#"{"token":["abcdef"]}"#.into()).expect("JSON"),
        );
        assert_eq!(format!("{secrets:?}"), r#"{"key", "old"}"#);
        assert_eq!(
            secrets.redact(r#"bad key s3cr"et, {"k":"s3cr\"et"} or abcdef"#),
            r#"bad key <secret key>, {"k":"<secret key>"} or <secret old>"#
        );
    }
}
