//! One request to an API and its answer, and what the answer says about pages to come.

use bytes::Bytes;
use serde_json::Value;

/// One request that a function made, with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    pub method: String,
    pub url: String,
    pub sent: Bytes,
    /// 0 where there was no answer.
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Members that hold the way to the next page, without case and punctuation.
const NEXT: [&str; 9] = [
    "next",
    "nextpage",
    "nextpagetoken",
    "nexttoken",
    "nextcursor",
    "nexturl",
    "nextlink",
    "continuationtoken",
    "odatanextlink",
];
/// Members that say whether there is a next page.
const MORE: [&str; 5] = ["hasmore", "more", "hasnext", "hasnextpage", "moreresults"];

impl Exchange {
    /// The same request with this answer.
    pub(super) fn answered(&self, status: u16, content_type: &str, body: &str) -> Exchange {
        Exchange {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..self.clone()
        }
    }

    pub fn asks_the_same(&self, other: &Exchange) -> bool {
        (&self.method, &self.url, &self.sent) == (&other.method, &other.url, &other.sent)
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Whether the answer says that there is another page.
    pub fn says_more(&self) -> bool {
        let link = self.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("link") && value.contains("rel=\"next\"")
        });
        link || self.json().is_some_and(|json| more(&json))
    }

    /// Rows that the answer lists: the elements of its longest list of objects.
    pub fn listed(&self) -> Option<usize> {
        longest(&self.json()?)
    }
}

fn longest(json: &Value) -> Option<usize> {
    match json {
        Value::Array(elements) => Some(elements.len()),
        Value::Object(members) => members.values().filter_map(longest).max(),
        _ => None,
    }
}

fn more(json: &Value) -> bool {
    let mut says = false;
    let (mut page, mut pages) = (None, None);
    let mut denied = false;
    each_member(json, &mut |name, value| {
        let name = plain(name);
        if NEXT.contains(&&*name) && token(value).is_some() {
            says = true;
        }
        if MORE.contains(&&*name) {
            says |= value == &Value::Bool(true);
            denied |= value == &Value::Bool(false);
        }
        match &*name {
            "page" | "currentpage" | "pagenumber" => page = value.as_u64(),
            "pages" | "totalpages" | "pagecount" | "lastpage" => pages = value.as_u64(),
            _ => {}
        }
    });
    let counted = page.zip(pages).is_some_and(|(page, pages)| page < pages);
    (says || counted) && !denied
}

fn token(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Every member outside of lists: what is in a list is a row.
fn each_member<'json>(json: &'json Value, visit: &mut impl FnMut(&'json str, &'json Value)) {
    let Value::Object(members) = json else { return };
    for (name, value) in members {
        visit(name, value);
        each_member(value, visit);
    }
}

pub(super) fn is_about_next(name: &str) -> bool {
    NEXT.contains(&&*plain(name))
}

pub(super) fn is_about_more(name: &str) -> bool {
    MORE.contains(&&*plain(name))
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_there_is_another_page() {
        for (body, expected) in [
            (r#"{"data":[1],"next":"abc"}"#, true),
            (r#"{"data":[1],"next":null}"#, false),
            (r#"{"data":[1],"next":""}"#, false),
            (r#"{"data":[1],"meta":{"has_more":true}}"#, true),
            (r#"{"data":[1],"has_more":false,"next_cursor":"abc"}"#, false),
            (r#"{"page":1,"total_pages":2}"#, true),
            (r#"{"page":2,"total_pages":2}"#, false),
            (r#"[{"next":"a row may have such a column"}]"#, false),
            ("not JSON", false),
        ] {
            let exchange = Exchange { body: body.into(), ..Exchange::default() };
            assert_eq!(exchange.says_more(), expected, "{body}");
        }
    }
}
