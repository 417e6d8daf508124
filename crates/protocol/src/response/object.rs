//! An answer in two parts: the rows in an object, everything else returned (section 1.4).

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Response;
use super::declarations::{read_schema, read_soft_delete};
use super::members::read_members;
use crate::json;
use crate::{FunctionError, ObjectPlace, Request};

impl Response {
    /// The rows, and everything else, each as a function writes it that was given a place for its rows.
    pub fn to_object_and_answer(&self) -> (Vec<u8>, Vec<u8>) {
        let mut object = vec![b'{'];
        self.write_rows(&mut object);
        object.push(b'}');
        let mut answer = Vec::from(b"{\"state\":");
        answer.extend_from_slice(self.state.as_json().as_bytes());
        answer.push(b',');
        self.write_declarations(&mut answer);
        answer.push(b'}');
        (object, answer)
    }

    /// Whether what was returned has rows, or at least a member for them (Dec-06).
    pub fn names_rows(&self) -> bool {
        let returned = returned(&self.body);
        self.rows() > 0 || returned.is_some_and(|members| members.names_rows())
    }

    /// What was returned, together with the rows that lay at `place` (F-055).
    ///
    /// A `softDelete` of the object counts where none was returned (Dec-07), and so do its keys.
    ///
    /// # Errors
    /// [`FunctionError::Malformed`] when the object is not whole, or when rows were returned as well (Dec-06).
    pub fn with_rows_of(
        self,
        place: ObjectPlace,
        object: Bytes,
        request: &Request,
    ) -> Result<Response, FunctionError> {
        if self.rows() > 0 {
            return Err(FunctionError::Malformed {
                code: "ambiguous_s3_response",
                message: format!(
                    "the function returned rows and wrote {place} as well; it must do one of them"
                ),
            });
        }
        let broken = |why: &str| FunctionError::Malformed {
            code: "s3_object_broken",
            message: format!("the object {place} cannot be read: {why}"),
        };
        let text = simdutf8::compat::from_utf8(&object).map_err(|error| {
            broken(&format!("it is not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        let text = text.trim_start_matches('\u{feff}').trim_matches(json::is_whitespace_char);
        let value = object.slice_ref(text.as_bytes());
        if !value.starts_with(b"{") {
            let why = if value.is_empty() { "it is empty" } else { "it holds no JSON object" };
            return Err(broken(why));
        }
        let members = read_members(&value, request).map_err(|error| broken(&told(&error)))?;
        if let Some(message) = members.wrong_type {
            return Err(broken(&message));
        }
        let soft_delete = returned(&self.body).and_then(|members| members.soft_delete.map(own));
        let soft_delete = soft_delete.or(members.soft_delete);
        let mut response = Response {
            insert: members.insert,
            delete: members.delete,
            body_bytes: self.body_bytes + object.len() as u64,
            body: object.clone(),
            object: Some(place),
            ..self
        };
        if let Some(schema) = members.schema.filter(|_| response.schema.is_empty()) {
            response.schema = read_schema(&schema)?;
        }
        // `true` means the tables of the object, too.
        if let Some(text) = soft_delete {
            response.soft_delete = read_soft_delete(&text, &response)?;
        }
        Ok(response)
    }
}

/// What of the returned object the other members depend on.
#[derive(Default, serde::Deserialize)]
struct Returned<'a> {
    #[serde(borrow)]
    insert: Option<&'a RawValue>,
    #[serde(borrow)]
    delete: Option<&'a RawValue>,
    #[serde(borrow, rename = "softDelete")]
    soft_delete: Option<&'a RawValue>,
}

impl Returned<'_> {
    fn names_rows(&self) -> bool {
        self.insert.is_some() || self.delete.is_some()
    }
}

/// It was read before; one that is encoded twice has said what it says in its warnings.
fn returned(body: &Bytes) -> Option<Returned<'_>> {
    serde_json::from_slice(body).ok()
}

/// Of an object what is said of an answer, without the words before it.
fn told(error: &FunctionError) -> String {
    match error {
        FunctionError::Malformed { message, .. } => message.replace("the answer", "it"),
        other => other.to_string(),
    }
}

fn own(text: &RawValue) -> Bytes {
    Bytes::copy_from_slice(text.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(returned: &str, object: &str, expected: Expect) {
        let request = Request::default();
        let place = ObjectPlace { bucket: "b".into(), file: "f".into() };
        let answer = Response::from_json(Bytes::from(returned.to_owned()), &request)
            .and_then(|answer| answer.with_rows_of(place, object.to_owned().into(), &request));
        let told = match answer {
            Ok(response) => String::from_utf8(response.to_json()).expect("UTF-8"),
            Err(error) => format!("{}: {error}", error.code()),
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn f_055_object_and_answer_are_one_response() {
        check(
            r#"{"state":{"n":1},"schema":{"t":{"primary_key":["a"]}},"hasMore":true}"#,
            r#" {"insert":{"t":[{"a":1}]},"delete":{"u":[{"a":2}]}} "#,
            expect![[
                r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{"u":[{"a":2}]},"schema":{"t":{"primary_key":["a"]}},"hasMore":true}"#
            ]],
        );
        check(
            r#"{"state":{},"insert":{},"delete":null}"#,
            r#"{"insert":{"t":[]},"schema":{"t":{"primary_key":"a"}},"state":{"ignored":1}}"#,
            expect![[
                r#"{"state":{},"insert":{"t":[]},"delete":{},"schema":{"t":{"primary_key":["a"]}},"hasMore":false}"#
            ]],
        );
    }

    #[test]
    fn dec_07_soft_delete_is_returned_or_else_in_the_object() {
        let rows = r#"{"insert":{"t":[{"a":1}]},"softDelete":["u"]}"#;
        check(
            r#"{"state":{},"softDelete":true}"#,
            rows,
            expect![[
                r#"{"state":{},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"softDelete":["t"],"hasMore":false}"#
            ]],
        );
        check(
            r#"{"state":{}}"#,
            rows,
            expect![[
                r#"{"state":{},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"softDelete":["u"],"hasMore":false}"#
            ]],
        );
    }

    #[test]
    fn dec_06_rows_in_both_places_are_an_error() {
        check(
            r#"{"state":{},"insert":{"t":[{"a":1}]}}"#,
            r#"{"insert":{"t":[{"a":1}]}}"#,
            expect![
                "ambiguous_s3_response: function broke the protocol: the function returned rows and wrote s3://b/f as well; it must do one of them"
            ],
        );
    }

    #[test]
    fn an_object_that_is_not_whole_is_told_without_its_rows() {
        let broken = |object: &str, expected: Expect| check(r#"{"state":{}}"#, object, expected);
        broken(
            "",
            expect![
                "s3_object_broken: function broke the protocol: the object s3://b/f cannot be read: it is empty"
            ],
        );
        broken(
            "[]",
            expect![
                "s3_object_broken: function broke the protocol: the object s3://b/f cannot be read: it holds no JSON object"
            ],
        );
        broken(
            r#"{"insert":{"t":[{"a":"hunter2"#,
            expect![
                "s3_object_broken: function broke the protocol: the object s3://b/f cannot be read: it is not JSON: expected the closing quote of a string at byte 29"
            ],
        );
        broken(
            r#"{"insert":{"t":[1]}}"#,
            expect![
                "s3_object_broken: function broke the protocol: the object s3://b/f cannot be read: table t, row 1: insert holds something other than an object"
            ],
        );
    }

    #[test]
    fn a_response_in_two_parts_is_the_response() {
        let request = Request::default();
        let text = r#"{"state":{"n":1},"insert":{"t":[{"a":1}],"u":[]},"delete":{"t":[{"a":2}]},"schema":{"t":{"primary_key":["a"]}},"softDelete":["t"],"hasMore":true}"#;
        let response = Response::from_json(Bytes::from(text), &request).expect("a response");
        assert_eq!(response.to_json(), text.as_bytes());
        let (object, answer) = response.to_object_and_answer();
        let answer = Response::from_json(answer.into(), &request).expect("an answer");
        assert!(!answer.names_rows());
        let place = ObjectPlace { bucket: "b".into(), file: "f".into() };
        let joined = answer.with_rows_of(place, object.into(), &request).expect("both");
        assert_eq!(joined.to_json(), text.as_bytes());
    }
}
