use std::sync::{Arc, Mutex};

use protocol::Response;

use super::*;
use crate::carried::{LONG, Outcome, OverLambda, Scripted};
use crate::lambda_api::{LambdaApi, Posted};

fn scripted(outcomes: Vec<Outcome>) -> Scripted {
    Scripted { outcomes: Arc::new(Mutex::new(outcomes)), ..Scripted::default() }
}

#[tokio::test]
async fn f_091_f_092_a_function_is_told_lambdas_limits() {
    let function = scripted(vec![Ok(Response::default())]);
    let lambda = OverLambda::start(function.clone());
    lambda.invoke(&Request::default(), Duration::from_secs(30)).await.expect("an answer");
    let asked = function.asked.lock().expect("not poisoned").clone();
    assert_eq!(asked[0].room.bytes, Some(6_291_556));
    let left = asked[0].room.time.expect("a deadline");
    assert!(left > Duration::from_secs(25) && left <= Duration::from_secs(30), "{left:?}");
}

#[tokio::test]
async fn f_092_a_call_that_does_not_end_is_told_before_the_deadline_and_the_next_is_answered() {
    let function = scripted(Vec::new());
    let lambda = OverLambda::start(function.clone());
    let error = lambda.invoke(&Request::default(), Duration::from_secs(1)).await.expect_err("late");
    let FunctionError::Failed(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.error_type.as_deref(), Some("function_timeout"));
    function.outcomes.lock().expect("not poisoned").push(Ok(Response::default()));
    lambda.invoke(&Request::default(), LONG).await.expect("an answer");
}

#[tokio::test]
async fn dec_36_an_answer_that_lambda_would_refuse_is_an_error_with_advice() {
    let body = format!(
        r#"{{"state":{{}},"insert":{{"t":[{{"x":"{}"}}]}},"hasMore":false}}"#,
        "x".repeat(6_300_000)
    );
    let large = Response::from_json(Bytes::from(body), &Request::default());
    let lambda = OverLambda::start(scripted(vec![large]));
    let error = lambda.invoke(&Request::default(), LONG).await.expect_err("too large");
    assert!(error.to_string().contains("send fewer rows a call"), "{error}");
}

#[tokio::test]
async fn q_17_a_function_that_cannot_start_says_why() {
    let api = LambdaApi::start("orders", LAMBDA_PAYLOAD_BYTES_MAX).expect("a free port");
    let posted = api.invoke(Bytes::from_static(b"{}"), LONG);
    let runtime = LambdaRuntime::new(&api.address().to_string());
    let error = FunctionError::Refused {
        code: "invalid_manifest",
        message: "no tables".into(),
        hint: String::new(),
    };
    runtime.refuse(error).await.expect("it is taken");
    let Posted::InitError(body) = posted.await.expect("a report") else { panic!("another end") };
    let expected = r#"{"errorMessage":"no tables","errorType":"invalid_manifest","stackTrace":[]}"#;
    assert_eq!(String::from_utf8_lossy(&body), expected);
}

#[tokio::test]
async fn without_a_runtime_api_the_process_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let error = LambdaRuntime::new(&address).serve(&scripted(Vec::new())).await;
    let error = error.expect_err("nobody is there").to_string();
    assert!(error.starts_with("the Lambda Runtime API: "), "{error}");
}
