use std::path::Path;

use base64::Engine;
use protocol::{Function, FunctionError, Request};
use transport::{HandlerFunction, HandlerOptions};

use super::{Answer, FakeFunction, python};

/// AWS Lambda's Invoke in front of a handler file or a `bootstrap` in `folder`, run by the handler's own
/// runtime client: each request is called on it, and its answer or its error goes back as Lambda sends it.
pub(crate) fn invoke(
    folder: &Path,
    handler: &str,
    environment: impl IntoIterator<Item = (&'static str, String)>,
) -> FakeFunction {
    let environment = environment.into_iter();
    let options = HandlerOptions {
        folder: folder.to_owned(),
        python: Some(python()),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).collect(),
        ..HandlerOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let handler = HandlerFunction::new(handler, options).expect("a handler");
    FakeFunction::answering(move |received| {
        let request = Request::from_json(&received.body).expect("a request");
        match runtime.block_on(handler.call(&request)) {
            Ok(response) => Answer::json(String::from_utf8(response.to_json()).expect("UTF-8")),
            Err(FunctionError::Failed(failure)) => {
                let report = serde_json::json!({
                    "errorMessage": failure.message,
                    "errorType": failure.error_type,
                    "stackTrace": failure.stack_trace,
                });
                function_error(&report.to_string(), "END RequestId: 1")
            }
            Err(error) => panic!("{error}"),
        }
    })
}

/// What Invoke answers when the function has thrown: the error as its payload, the end of its log beside.
pub(crate) fn function_error(payload: &str, log: &str) -> Answer {
    let log = base64::engine::general_purpose::STANDARD.encode(log);
    let headers = vec![
        ("X-Amz-Function-Error".to_owned(), "Unhandled".to_owned()),
        ("X-Amz-Log-Result".to_owned(), log),
    ];
    Answer::Body { status: 200, headers, body: payload.as_bytes().to_vec() }
}
