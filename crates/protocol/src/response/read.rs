//! Reading an answer: JSON first, then an error report, then the types of members (Dec-28).

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Response;
use super::declarations::{read_flag, read_schema, read_soft_delete};
use super::members::read_members;
use crate::function::Failure;
use crate::json;
use crate::{FunctionError, Request, State, Warning};

pub(super) fn read_object(value: &Bytes, request: &Request) -> Result<Response, FunctionError> {
    let members = read_members(value, request)?;
    if let Some(message) = members.error_message.as_ref().filter(|text| &text[..] != b"null") {
        return Err(FunctionError::Failed(Failure {
            message: request.secrets.redact(&text_of(message)),
            error_type: members
                .error_type
                .as_ref()
                .filter(|text| &text[..] != b"null")
                .map(|text| request.secrets.redact(&text_of(text))),
            stack_trace: members
                .stack_trace
                .as_ref()
                .map(|trace| lines_of(&request.secrets.redact(str_of(trace))))
                .unwrap_or_default(),
        }));
    }
    if members.state.is_none() && members.status_code && members.body {
        return Err(FunctionError::invalid_response(
            "the answer is an API Gateway envelope with statusCode and body; return the object in body itself",
        ));
    }
    if let Some(message) = members.wrong_type {
        return Err(FunctionError::invalid_response(message));
    }
    let mut warnings = members.warnings;
    let state = match members.state.as_ref().map(|text| str_of(text)) {
        None | Some("null") if request.setup_test => State::default(),
        None | Some("null") => {
            return Err(FunctionError::Malformed {
                code: "missing_state",
                message: "the answer has no state; return the state to send with the next call, or {} if there is none".into(),
            });
        }
        Some(text) => State::from_valid(text),
    };
    if !state.is_object() {
        warnings.push(Warning::new(
            "unusual_state",
            "the state is not an object; it is kept and sent back as it came",
        ));
    }
    let schema = members.schema.map(|text| read_schema(&text)).transpose()?.unwrap_or_default();
    let mut response = Response {
        state,
        insert: members.insert,
        delete: members.delete,
        schema,
        soft_delete: Vec::new(),
        has_more: members
            .has_more
            .map(|text| read_flag("hasMore", &text))
            .transpose()?
            .unwrap_or(false),
        warnings,
        body_bytes: 0,
        body: Bytes::new(),
        readings: members.readings,
        pages_left: members.pages_left,
        max_deletes: members.max_deletes,
        object: None,
    };
    if let Some(text) = members.soft_delete {
        response.soft_delete = read_soft_delete(&text, &response)?;
    }
    Ok(response)
}

/// `return json.dumps(…)` from a Lambda: one extra level is accepted (Dec-17, Q-12).
pub(super) fn read_encoded_twice(
    value: &Bytes,
    request: &Request,
) -> Result<Response, FunctionError> {
    json::validate(value).map_err(|error| not_json(value, request, &error.to_string()))?;
    let inner = Bytes::from(json::unescape(str_of(value)));
    let start = json::skip_whitespace(&inner, 0);
    if inner.get(start) != Some(&b'{') {
        return Err(FunctionError::invalid_response(
            "the answer is a JSON string; return an object",
        ));
    }
    let mut response = read_object(&inner.slice(start..), request)?;
    response.warnings.push(Warning::new(
        "encoded_twice",
        "the answer is a JSON string that holds the object; return the object itself",
    ));
    Ok(response)
}

/// Anything that is neither an object nor a string.
pub(super) fn read_other(value: &Bytes, request: &Request) -> Result<Response, FunctionError> {
    json::validate(value).map_err(|error| not_json(value, request, &error.to_string()))?;
    if request.setup_test && &value[..] == b"true" {
        return Ok(Response {
            warnings: vec![Warning::new(
                "bare_true",
                "the setup test was answered by the bare value true",
            )],
            ..Response::default()
        });
    }
    Err(FunctionError::invalid_response("the answer is JSON, but not an object"))
}

fn str_of(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("the body is UTF-8")
}

/// A string's text, or any other value as it stands (F-047).
fn text_of(text: &[u8]) -> String {
    match text.first() {
        Some(b'"') => json::unescape(str_of(text)),
        _ => str_of(text).to_owned(),
    }
}

/// A stack trace: one string, a list of strings, or a list of lists of them.
fn lines_of(text: &str) -> Vec<String> {
    const LINES_MAX: usize = 50;
    let lines: Vec<String> = match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(lines) => lines.into_iter().map(|line| text_of(line.get().as_bytes())).collect(),
        Err(_) => vec![text_of(text.as_bytes())],
    };
    let lines = lines.iter().flat_map(|line| line.lines());
    lines.map(str::to_owned).take(LINES_MAX).collect()
}

/// The first part of a body that is not JSON at all is shown, redacted; a broken page is not, since it
/// would put row values into logs (F-050, Dec-28).
pub(super) fn not_json(body: &[u8], request: &Request, why: &str) -> FunctionError {
    const EXCERPT_BYTES: usize = 2048;
    let first = body.get(json::skip_whitespace(body, 0));
    let message = match first {
        None => "the answer is empty".to_owned(),
        Some(b'{' | b'[' | b'"') => format!("the answer is not JSON: {why}"),
        Some(_) => {
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]);
            format!(
                "the answer is not JSON: {why}; it begins: {}",
                request.secrets.redact(excerpt.trim())
            )
        }
    };
    FunctionError::Malformed { code: "unable_to_parse_json", message }
}
