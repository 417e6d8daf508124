use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{StatusCode, Uri};
use protocol::{Failure, Function, FunctionError, ObjectPlace, Request, Response};

use crate::aws::{
    AwsIdentity, AwsOptions, AwsSigner, endpoint_of_environment, refused_credentials,
};
use crate::body::{self, BodyError};
use crate::client::{HttpClient, connect_lazily, retry_after, throttled};
use crate::failure::{error_of, reported};
use crate::object_rows::{ObjectRows, S3Options};
use crate::redaction::redact_error;
use crate::route::{Proxies, Route};
use crate::{LAMBDA_PAYLOAD_BYTES_MAX, SETUP_TEST_TIMEOUT};

/// A Function on AWS Lambda: one Invoke a call, signed, its answer awaited (F-012).
pub struct LambdaFunction {
    uri: Uri,
    /// As the user named it.
    name: String,
    signer: AwsSigner,
    /// Where it writes its rows, if it does not return them.
    objects: Option<ObjectRows>,
    route: Route,
    options: LambdaOptions,
    client: OnceLock<HttpClient>,
}

/// How a Lambda function is called.
#[derive(Clone)]
pub struct LambdaOptions {
    pub aws: AwsOptions,
    /// From the start of a call to the last byte of its answer.
    pub timeout: Duration,
    /// The same for setup tests; the shorter of the two counts (F-028).
    pub setup_test_timeout: Duration,
    /// Lambda's limit for requests and responses.
    pub payload_bytes_max: u64,
    /// Has the function write its rows to S3 (F-013).
    pub s3: Option<S3Options>,
    pub proxies: Proxies,
}

/// Lambda's 15 minutes and 30 seconds to spare (Dec-35), and its 6 MB (Dec-36).
impl Default for LambdaOptions {
    fn default() -> LambdaOptions {
        LambdaOptions {
            aws: AwsOptions::default(),
            timeout: Duration::from_secs(15 * 60 + 30),
            setup_test_timeout: SETUP_TEST_TIMEOUT,
            payload_bytes_max: LAMBDA_PAYLOAD_BYTES_MAX,
            s3: None,
            proxies: Proxies::of_environment(),
        }
    }
}

const FUNCTION_ERROR: &str = "x-amz-function-error";
const LOG_RESULT: &str = "x-amz-log-result";
const ERROR_TYPE: &str = "x-amzn-errortype";
/// What is read of a body that explains an error status.
const ERROR_BODY_BYTES_MAX: usize = 64 << 10;
/// What is shown of a report that is none.
const EXCERPT_BYTES_MAX: usize = 2048;
/// Lambda sends the last 4 KB of the log; its end tells most.
const LOG_LINES_MAX: usize = 20;

impl LambdaFunction {
    /// `function` is a name, `name:alias`, `name:version` or an ARN. Nothing is sent before the first
    /// call.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when it is none of these, or nothing names the region.
    pub fn new(function: &str, options: LambdaOptions) -> Result<LambdaFunction, FunctionError> {
        let name = function.trim();
        let region = options.aws.region(region_of(name)?)?;
        let endpoint = endpoint(&region, &options.aws);
        // A colon may stand in a path as it is; written as %3A it would have to be signed otherwise.
        let url = format!("{endpoint}/2015-03-31/functions/{name}/invocations");
        let uri: Uri = url.parse().map_err(|error| FunctionError::Refused {
            code: "invalid_url",
            message: format!("the endpoint of Lambda is not a URL: {error}"),
            hint: "write it whole, for example https://lambda.eu-west-1.amazonaws.com".into(),
        })?;
        let route = Route::to(&uri, &options.proxies)?;
        let identity = AwsIdentity::new(&region, &options.aws, &options.proxies);
        let signer = AwsSigner::new("lambda", &region, Arc::clone(&identity));
        let objects = options.s3.as_ref().map(|s3| ObjectRows::new(s3, &region, identity));
        let objects = objects.transpose()?;
        let client = OnceLock::new();
        Ok(LambdaFunction { uri, name: name.to_owned(), signer, objects, route, options, client })
    }

    /// Deletes an object whose rows have landed (F-058).
    ///
    /// # Errors
    /// When it is still there.
    pub async fn delete(&self, place: &ObjectPlace) -> Result<(), FunctionError> {
        match &self.objects {
            Some(objects) => objects.delete(place).await,
            None => Ok(()),
        }
    }

    /// Deletes every object that was read, for callers who store no rows.
    ///
    /// # Errors
    /// The first reason why one of them is still there.
    pub async fn delete_all(&self) -> Result<(), FunctionError> {
        match &self.objects {
            Some(objects) => objects.delete_all().await,
            None => Ok(()),
        }
    }

    /// One call, and the rows from where the function put them.
    async fn exchange(&self, request: &Request) -> Result<Response, FunctionError> {
        let Some(objects) = &self.objects else { return self.invoke(request).await };
        let place = objects.next_place(request);
        let request = Request { object: Some(place.clone()), ..request.clone() };
        let answer = self.invoke(&request).await?;
        objects.join(answer, place, &request).await
    }

    async fn invoke(&self, request: &Request) -> Result<Response, FunctionError> {
        let event = Bytes::from(request.to_json());
        let bytes_max = self.options.payload_bytes_max;
        if event.len() as u64 > bytes_max {
            return Err(FunctionError::request_too_large(event.len(), bytes_max));
        }
        let mut http = hyper::Request::post(self.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-amz-invocation-type", "RequestResponse")
            .header("x-amz-log-type", "Tail")
            .body(Full::new(event.clone()))
            .expect("these headers are ones");
        http = self.signer.sign(http, &event).await?;
        // Not signed: they are for the way.
        let agent = concat!("hasmore/", env!("CARGO_PKG_VERSION"));
        http.headers_mut().insert(header::USER_AGENT, header::HeaderValue::from_static(agent));
        if let Some(authorization) = self.route.authorization() {
            http.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let client = self.client.get_or_init(|| connect_lazily(&self.uri, &self.route));
        let answer = client.request(http).await.map_err(|error| {
            let what = if error.is_connect() { "no connection to" } else { "no answer from" };
            let host = self.uri.host().unwrap_or_default();
            let way = self.route.describe();
            FunctionError::transport(format!("{what} {host}{way}: {}", body::innermost(&error)))
        })?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            return Err(self.refusal(head.status, &head.headers, body).await);
        }
        let body = body::read_body(&head.headers, body, bytes_max).await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge => FunctionError::too_large(bytes_max),
            BodyError::Broken(cause) => {
                FunctionError::transport(format!("the answer of Lambda broke off: {cause}"))
            }
            BodyError::Encoding(encoding) => FunctionError::invalid_response(format!(
                "the answer is encoded as {encoding:.40}, which was not asked for"
            )),
        })?;
        if head.headers.contains_key(FUNCTION_ERROR) {
            let mut failure = read_report(&body, request);
            failure.stack_trace.extend(log_tail(&head.headers, request));
            return Err(redact_error(error_of(failure, &body), &request.secrets));
        }
        Response::from_json(body, request)
    }

    /// What Lambda itself says when it does not run the function (Dec-31).
    async fn refusal(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Incoming,
    ) -> FunctionError {
        let body = body::read_beginning(headers, body, ERROR_BODY_BYTES_MAX).await;
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let message = text("message").or_else(|| text("Message")).unwrap_or_default();
        let kind = headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.map(str::to_owned).or_else(|| text("__type")).unwrap_or_default();
        // `Name:http://internal.amazon.com/…`
        let kind = kind.split(':').next().unwrap_or_default().to_owned();
        let told = match (kind.as_str(), message.as_str()) {
            ("", "") => format!("HTTP {status}"),
            ("", message) => format!("HTTP {status}: {message:.500}"),
            (kind, message) => format!("{kind}: {message:.500}"),
        };
        let refused = |code, hint: &str| FunctionError::Refused {
            code,
            message: format!("Lambda does not run {:.140}: {told}", self.name),
            hint: hint.into(),
        };
        if let Some((code, hint)) = refused_credentials(&kind, &message) {
            return refused(code, hint);
        }
        match (status.as_u16(), kind.as_str()) {
            (429, _) => throttled(told, headers),
            (502..=504, _) | (500, "ServiceException" | "") => FunctionError::Unavailable {
                code: "function_error",
                message: told,
                retry_after: retry_after(headers),
            },
            (_, "AccessDeniedException") | (403, _) => refused(
                "aws_access_denied",
                "allow the caller lambda:InvokeFunction on the function, or name the role that may with `role_arn`",
            ),
            (404, _) => refused(
                "lambda_not_found",
                "check the function's name, its alias, the region and the account",
            ),
            (413, _) => FunctionError::Malformed { code: "request_too_large", message: told },
            _ => FunctionError::Failed(Failure { message: told, ..Failure::default() }),
        }
    }
}

impl Function for LambdaFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let LambdaOptions { timeout, setup_test_timeout, .. } = self.options;
        let after = if request.setup_test { timeout.min(setup_test_timeout) } else { timeout };
        let answer = tokio::time::timeout(after, self.exchange(request)).await;
        answer.unwrap_or(Err(FunctionError::TimedOut { after }))
    }
}

/// The region of an ARN; a name has none.
fn region_of(function: &str) -> Result<Option<&str>, FunctionError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:$".contains(&byte);
    let parts: Vec<&str> = function.split(':').collect();
    let region = match parts[..] {
        ["arn", _, "lambda", region, account, "function", name, ..]
            if parts.len() <= 8 && !account.is_empty() && !name.is_empty() =>
        {
            Some(Some(region))
        }
        [name] if !name.is_empty() => Some(None),
        [name, alias] if !name.is_empty() && !alias.is_empty() => Some(None),
        [account, "function", name, ..]
            if parts.len() <= 4 && !account.is_empty() && !name.is_empty() =>
        {
            Some(None)
        }
        _ => None,
    };
    let region = region.filter(|_| function.len() <= 170 && function.bytes().all(allowed));
    region.ok_or_else(|| FunctionError::Refused {
        code: "invalid_lambda",
        message: format!("{function:.170?} names no Lambda function"),
        hint: "write its name, name:alias, or its ARN".into(),
    })
}

/// AWS's own address, or the one that is given, by the option or by the variables that AWS's own tools
/// read.
fn endpoint(region: &str, options: &AwsOptions) -> String {
    if let Some(given) = options.endpoint.clone().or_else(|| endpoint_of_environment("LAMBDA")) {
        return given.trim_end_matches('/').to_owned();
    }
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://lambda.{region}.amazonaws.com{suffix}")
}

fn read_report(body: &Bytes, request: &Request) -> Failure {
    reported(body, request).unwrap_or_else(|| {
        let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES_MAX)]);
        let message = match excerpt.trim() {
            "" | "null" => "the function failed without a message".to_owned(),
            excerpt => format!("the function failed without a message: {excerpt}"),
        };
        Failure { message, ..Failure::default() }
    })
}

/// The last lines of the function's log, as Lambda sends them on request.
fn log_tail(headers: &HeaderMap, request: &Request) -> Vec<String> {
    let log = headers.get(LOG_RESULT).and_then(|value| STANDARD.decode(value.as_bytes()).ok());
    let log = String::from_utf8_lossy(&log.unwrap_or_default()).into_owned();
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
    last.iter().map(|line| format!("log: {}", request.secrets.redact(line))).collect()
}

/// A function `orders` whose Invoke is at an endpoint; its rows go through a bucket where one is named.
#[cfg(test)]
pub(crate) fn of_the_test(aws: AwsOptions, s3: Option<S3Options>) -> LambdaFunction {
    let identity = AwsIdentity::of_the_test(None);
    let objects = s3.map(|s3| ObjectRows::new(&s3, "eu-west-1", Arc::clone(&identity)));
    let objects = objects.transpose().expect("a bucket");
    let options = LambdaOptions { aws, ..LambdaOptions::default() };
    let function = LambdaFunction::new("orders", options).expect("a function");
    let signer = AwsSigner::new("lambda", "eu-west-1", identity);
    LambdaFunction { signer, objects, ..function }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_012_functions_are_named_as_aws_names_them() {
        let check = |function: &str, expected: Result<Option<&str>, &str>| {
            let region = region_of(function).map_err(|error| error.code());
            assert_eq!(region, expected, "{function}");
        };
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders";
        check("orders", Ok(None));
        check("orders:live", Ok(None));
        check("orders:$LATEST", Ok(None));
        check("123456789012:function:orders", Ok(None));
        check(arn, Ok(Some("eu-west-1")));
        check(&format!("{arn}:7"), Ok(Some("eu-west-1")));
        for wrong in ["", "or/ders", "orders:", "a b", "arn:aws:s3:::bucket", "https://x.on.aws/"] {
            check(wrong, Err("invalid_lambda"));
        }
    }

    #[test]
    fn an_address_belongs_to_a_region() {
        let endpoint = |region| endpoint(region, &AwsOptions::default());
        assert_eq!(endpoint("eu-west-1"), "https://lambda.eu-west-1.amazonaws.com");
        assert_eq!(endpoint("cn-north-1"), "https://lambda.cn-north-1.amazonaws.com.cn");
    }
}
