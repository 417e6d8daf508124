//! What is taken out of a recording: each secret, wherever it stands, becomes a word that stays the same, so
//! that a function which is given the words asks its API for the same things.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::Secrets;
use serde_json::Value;
use transport::Exchange;

use crate::connection::Connection;

/// Texts, and the words in their place.
pub(crate) struct Redaction {
    /// Longest first, so that no part of one is left over.
    words: Vec<(String, String)>,
}

/// Shorter ones would blot out ordinary words, and hide nothing.
const SHORTEST: usize = 4;
/// What APIs call that which lets in.
const TOKENS: [&str; 6] =
    ["access_token", "refresh_token", "id_token", "accessToken", "refreshToken", "idToken"];
/// What is sent for such a token: signed anew each time, and good for as long as it says.
const ASSERTIONS: [&str; 2] = ["assertion", "client_assertion"];
/// As it stands in an address, with the characters that need no encoding.
const IN_ADDRESS: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Redaction {
    pub(crate) fn of(connection: &Connection) -> Redaction {
        let mut redaction = Redaction { words: Vec::new() };
        for secrets in [&connection.secrets, &connection.concealed] {
            for name in secrets.names() {
                let json = secrets.get_json(name).and_then(|it| serde_json::from_str(it).ok());
                if let Some(json) = &json {
                    redaction.hide(name, json);
                }
            }
        }
        redaction
    }

    /// The secrets of a function that is called as it was when it was recorded.
    pub(crate) fn secrets(secrets: &Secrets) -> Secrets {
        fn words(name: &str, json: Value) -> Value {
            match json {
                Value::Array(items) => items.into_iter().map(|it| words(name, it)).collect(),
                Value::Object(members) => Value::Object(
                    members.into_iter().map(|(key, it)| (key, words(name, it))).collect(),
                ),
                Value::String(text) if text.len() >= SHORTEST => word(name).into(),
                other => other,
            }
        }
        let mut replaced = Secrets::default();
        for name in secrets.names() {
            let json = secrets.get_json(name).and_then(|it| serde_json::from_str(it).ok());
            let json = words(name, json.unwrap_or_default());
            let text = serde_json::value::to_raw_value(&json).expect("JSON is JSON");
            replaced.insert_json(name, text);
        }
        replaced
    }

    /// Tokens that an answer gives out, and what was sent for them.
    pub(crate) fn learn(&mut self, exchange: &Exchange) {
        let sent = std::str::from_utf8(&exchange.sent).unwrap_or_default();
        for (name, text) in sent.split('&').filter_map(|pair| pair.split_once('=')) {
            if ASSERTIONS.contains(&name) {
                self.hide(name, &text.into());
            }
        }
        let json: BTreeMap<String, Value> =
            serde_json::from_slice(&exchange.body).unwrap_or_default();
        for name in TOKENS {
            json.get(name).iter().for_each(|json| self.hide(name, json));
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (secret, word)| {
            if text.contains(secret) { text.replace(secret, word) } else { text }
        })
    }

    fn hide(&mut self, name: &str, json: &Value) {
        match json {
            Value::Array(items) => items.iter().for_each(|it| self.hide(name, it)),
            Value::Object(members) => members.values().for_each(|it| self.hide(name, it)),
            Value::String(text) if text.len() >= SHORTEST => {
                let literal = Value::from(text.as_str()).to_string();
                let forms = [
                    text.clone(),
                    literal[1..literal.len() - 1].to_owned(),
                    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
                    utf8_percent_encode(text, &IN_ADDRESS).to_string(),
                    utf8_percent_encode(text, &IN_ADDRESS).to_string().replace("%20", "+"),
                ];
                self.words.extend(forms.map(|form| (form, word(name))));
                self.words.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
                self.words.dedup();
            }
            _ => {}
        }
    }
}

/// It stands in any text, address and JSON as it is.
fn word(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("secret_{}", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_018_a_secret_becomes_a_word_in_every_form_of_it() {
        let mut redaction = Redaction { words: Vec::new() };
        redaction.hide("api key", &serde_json::json!(["pa\"ss wörd", "abc"]));
        let token = Exchange {
            sent: "grant_type=jwt&assertion=ab.cd-1.ef".into(),
            body: r#"{"access_token":"token-1","expires_in":3600}"#.into(),
            ..Exchange::default()
        };
        redaction.learn(&token);
        let told = redaction.text(
            r#"pa"ss wörd {"k":"pa\"ss wörd"} ?k=pa%22ss%20w%C3%B6rd&f=pa%22ss+w%C3%B6rd token-1 &assertion=ab.cd-1.ef abc"#,
        );
        assert_eq!(
            told,
            r#"secret_api_key {"k":"secret_api_key"} ?k=secret_api_key&f=secret_api_key secret_access_token &assertion=secret_assertion abc"#
        );
    }

    #[test]
    fn a_function_is_given_the_words_in_place_of_its_secrets() {
        let mut secrets = Secrets::default();
        secrets.insert("key", "hunter2!");
        let nested =
            serde_json::value::to_raw_value(&serde_json::json!({ "a": ["long enough", 7] }));
        secrets.insert_json("old", nested.expect("JSON"));
        let words = Redaction::secrets(&secrets);
        assert_eq!(words.get_json("key"), Some("\"secret_key\""));
        assert_eq!(words.get_json("old"), Some(r#"{"a":["secret_old",7]}"#));
    }
}
