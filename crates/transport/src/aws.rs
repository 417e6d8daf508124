use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningParams, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Uri;
use hyper::header::{self, ToStrError};
use protocol::FunctionError;
use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, Credential, DefaultCredentialProvider, EnvCredentialProvider,
    RequestSigner,
};
use reqsign_core::{
    CommandExecute, CommandOutput, Context, Error, ErrorKind, FileRead, HttpSend, OsEnv,
    ProvideCredential, ProvideCredentialChain, ProvideCredentialDyn, Signer, SigningCredential,
};
use tokio::sync::Mutex;

use crate::aws_sso::SsoSession;
use crate::body;
use crate::client::connect_lazily;
use crate::route::{Proxies, Route};

/// Who calls AWS. Where nothing is said, AWS's usual places are looked at: the environment, the
/// profile and its SSO login, a web identity, the container, the instance.
#[derive(Clone, Debug, Default)]
pub struct AwsOptions {
    /// Else that of the function's ARN or address, `AWS_REGION` or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Of `~/.aws/config`; else `AWS_PROFILE`.
    pub profile: Option<String>,
    /// A role to take on first, with the external id that its owner asks for.
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    /// In place of AWS's own address of the service.
    pub endpoint: Option<String>,
}

/// Who we are to AWS: found once, and again before it ends.
pub(crate) struct AwsIdentity {
    context: Context,
    provider: Provider,
    kept: Mutex<Option<Credential>>,
}

type Provider = Box<dyn ProvideCredentialDyn<Credential = Credential>>;

/// Signs requests to one service of AWS (Signature Version 4).
pub(crate) struct AwsSigner {
    service: &'static str,
    region: String,
    identity: Arc<AwsIdentity>,
}

/// Where credentials come from answers at once, or is not there.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);
/// The instance's own address is tried last, and most machines are no instance.
const INSTANCE_TIMEOUT: Duration = Duration::from_secs(2);
const INSTANCE_HOST: &str = "169.254.169.254";
const CONTAINER_HOST: &str = "169.254.170.2";
const CREDENTIALS_BYTES_MAX: u64 = 1 << 20;
const ROLE_SESSION: &str = "hasmore";

impl AwsOptions {
    /// The region, `known` being what the function's name says of it.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when nothing names one.
    pub(crate) fn region(&self, known: Option<&str>) -> Result<String, FunctionError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let region = self.region.clone().or_else(|| known.map(str::to_owned));
        let region = region.or_else(|| variable("AWS_REGION"));
        let region = region.or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.ok_or_else(|| FunctionError::Refused {
            code: "missing_region",
            message: "nothing names the AWS region of the function".into(),
            hint:
                "write `aws: {region: eu-west-1}`, name the function by its ARN, or set AWS_REGION"
                    .into(),
        })?;
        let is_region =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_region) {
            return Err(FunctionError::Refused {
                code: "invalid_region",
                message: format!("{region:.40?} is no AWS region"),
                hint: "write it as AWS does, for example eu-west-1".into(),
            });
        }
        Ok(region)
    }
}

impl AwsIdentity {
    /// Reads no credentials before they are asked for. `region` is where a role is taken on.
    pub(crate) fn new(region: &str, options: &AwsOptions, proxies: &Proxies) -> Arc<AwsIdentity> {
        let context = Context::new()
            .with_file_read(Files)
            .with_http_send(Sender { proxies: proxies.clone() })
            .with_command_execute(Commands)
            .with_env(OsEnv);
        let mut chain = DefaultCredentialProvider::builder();
        if let Some(profile) = &options.profile {
            chain = chain.with_profile(profile);
        }
        let session = SsoSession { profile: options.profile.clone() };
        let chain = ProvideCredentialChain::new()
            .push(EnvCredentialProvider::new())
            .push(session)
            .push(chain.build());
        let provider: Provider = match &options.role_arn {
            None => Box::new(chain),
            Some(role) => {
                let sts = RequestSigner::new("sts", region).with_standard_session_token();
                let own = Signer::new(context.clone(), chain, sts);
                let mut role = AssumeRoleCredentialProvider::new(role.clone(), own)
                    .with_role_session_name(ROLE_SESSION.to_owned())
                    .with_region(region.to_owned())
                    .with_regional_sts_endpoint();
                if let Some(external_id) = &options.external_id {
                    role = role.with_external_id(external_id.clone());
                }
                Box::new(role)
            }
        };
        Arc::new(AwsIdentity { context, provider, kept: Mutex::default() })
    }

    /// The keys of AWS's own examples.
    #[cfg(test)]
    pub(crate) fn of_the_test(token: Option<&str>) -> Arc<AwsIdentity> {
        let (key, secret) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let provider = reqsign_aws_v4::StaticCredentialProvider::new(key, secret);
        let provider = match token {
            Some(token) => Box::new(provider.with_session_token(token)),
            None => Box::new(provider),
        };
        Arc::new(AwsIdentity { context: Context::new(), provider, kept: Mutex::default() })
    }

    /// Credentials that are good for a while.
    pub(crate) async fn credential(&self) -> Result<Credential, FunctionError> {
        let found = self.found().await.map_err(no_credentials)?;
        found.ok_or_else(|| no_credentials(Error::credential_invalid("there are none".to_owned())))
    }

    async fn found(&self) -> reqsign_core::Result<Option<Credential>> {
        let mut kept = self.kept.lock().await;
        if let Some(credential) = kept.as_ref().filter(|credential| credential.is_valid()) {
            return Ok(Some(credential.clone()));
        }
        *kept = self.provider.provide_credential_dyn(&self.context).await?;
        Ok(kept.clone())
    }
}

impl ProvideCredential for AwsIdentity {
    type Credential = Credential;

    async fn provide_credential(&self, _: &Context) -> reqsign_core::Result<Option<Credential>> {
        self.found().await
    }
}

impl fmt::Debug for AwsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsIdentity")
    }
}

impl AwsSigner {
    pub(crate) fn new(
        service: &'static str,
        region: &str,
        identity: Arc<AwsIdentity>,
    ) -> AwsSigner {
        AwsSigner { service, region: region.to_owned(), identity }
    }

    /// Adds what AWS asks of a request, over all of its headers and its body.
    pub(crate) async fn sign(
        &self,
        request: hyper::Request<Full<Bytes>>,
        body: &Bytes,
    ) -> Result<hyper::Request<Full<Bytes>>, FunctionError> {
        self.sign_at(SystemTime::now(), PayloadChecksumKind::XAmzSha256, request, body).await
    }

    async fn sign_at(
        &self,
        at: SystemTime,
        checksum: PayloadChecksumKind,
        mut request: hyper::Request<Full<Bytes>>,
        body: &Bytes,
    ) -> Result<hyper::Request<Full<Bytes>>, FunctionError> {
        let credential = self.identity.credential().await?;
        let identity = Credentials::new(
            credential.access_key_id,
            credential.secret_access_key,
            credential.session_token,
            None,
            "hasmore",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = checksum;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(at)
            .settings(settings)
            .build()
            .expect("all parameters are given");
        let unsigned =
            |_| FunctionError::transport("a header cannot be signed for AWS: it is no text");
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
        let headers: Result<Vec<_>, ToStrError> = headers.collect();
        let headers = headers.map_err(unsigned)?.into_iter();
        let (method, uri) = (request.method().as_str(), request.uri().to_string());
        let signable = SignableRequest::new(method, uri, headers, SignableBody::Bytes(body));
        let signed = sign(signable.expect("a URI"), &SigningParams::V4(parameters));
        let (instructions, _) = signed.expect("header names are those of HTTP").into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// The address of a service in place of AWS's own, by the variables that AWS's own tools read.
pub(crate) fn endpoint_of_environment(service: &str) -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    variable(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The code and the cure, when what a service of AWS says is about who calls it: Lambda's names end in
/// `Exception`, those of S3 do not
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
pub(crate) fn refused_credentials(
    kind: &str,
    message: &str,
) -> Option<(&'static str, &'static str)> {
    let is_clock_skew = kind == "RequestTimeTooSkewed"
        || message.contains("Signature expired")
        || message.contains("Signature not yet current");
    if is_clock_skew {
        return Some((
            "aws_clock_skew",
            "set the clock of this machine; AWS refuses requests that are more than five minutes off",
        ));
    }
    match kind {
        "ExpiredToken" | "ExpiredTokenException" => Some((
            "aws_credentials_expired",
            "get new ones: `aws sso login`, or whatever gave out the session token",
        )),
        "IncompleteSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "InvalidToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Some((
            "aws_wrong_credentials",
            "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile",
        )),
        _ => None,
    }
}

/// The chain of credentials has ended without any, or one of its places said no.
fn no_credentials(error: Error) -> FunctionError {
    let refused = |code, hint: &str| FunctionError::Refused {
        code,
        message: format!("no credentials for AWS: {error}"),
        hint: hint.into(),
    };
    match error.kind() {
        ErrorKind::RateLimited => FunctionError::transport(error.to_string()),
        ErrorKind::PermissionDenied => refused(
            "aws_access_denied",
            "the role must trust the caller, with the same external id; check `role_arn` and `external_id`",
        ),
        ErrorKind::ConfigInvalid | ErrorKind::RequestInvalid => refused(
            "aws_no_credentials",
            "correct `role_arn` and `external_id`, or the profile that is used",
        ),
        _ => refused(
            "aws_no_credentials",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run `aws sso login`; a role also needs its trust policy to name the caller",
        ),
    }
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        tokio::fs::read(path)
            .await
            .map_err(|error| Error::unexpected(format!("{path} cannot be read: {error}")))
    }
}

/// For `credential_process` of a profile.
#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign_core::Result<CommandOutput> {
        let output = tokio::process::Command::new(program).args(arguments).output().await;
        let output = output
            .map_err(|error| Error::unexpected(format!("{program} cannot be run: {error}")))?;
        Ok(CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}

/// Asks those who give out credentials.
struct Sender {
    proxies: Proxies,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl HttpSend for Sender {
    async fn http_send(
        &self,
        request: hyper::Request<Bytes>,
    ) -> reqsign_core::Result<hyper::Response<Bytes>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let after = if host == INSTANCE_HOST { INSTANCE_TIMEOUT } else { CREDENTIALS_TIMEOUT };
        let answer = tokio::time::timeout(after, self.exchange(request, &host)).await;
        answer.unwrap_or_else(|_| Err(Error::unexpected(format!("{host} does not answer"))))
    }
}

impl Sender {
    async fn exchange(
        &self,
        request: hyper::Request<Bytes>,
        host: &str,
    ) -> reqsign_core::Result<hyper::Response<Bytes>> {
        let mut request = request.map(Full::new);
        let elsewhere = endpoint_of_environment("STS").filter(|_| is_sts(host));
        if let Some(endpoint) = elsewhere {
            // The signature is over the host that was meant.
            let meant = header::HeaderValue::try_from(host).expect("a host makes a header");
            request.headers_mut().insert(header::HOST, meant);
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let uri = format!("{}{path}", endpoint.trim_end_matches('/'));
            *request.uri_mut() = uri.parse().map_err(|_| {
                Error::config_invalid(
                    "AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL is no URL".to_owned(),
                )
            })?;
        }
        let uri: Uri = request.uri().clone();
        let route = Route::to(&uri, &self.proxies);
        // The machine's own services are asked straight.
        let is_own = [INSTANCE_HOST, CONTAINER_HOST].contains(&host);
        let route = if is_own { Ok(Route::Straight) } else { route };
        let route = route.map_err(|error| Error::config_invalid(error.to_string()))?;
        if let Some(authorization) = route.authorization() {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let unreachable = |cause: String| Error::unexpected(format!("{host}: {cause}"));
        let answer = connect_lazily(&uri, &route).request(request).await;
        let answer = answer.map_err(|error| unreachable(body::innermost(&error)))?;
        let (head, answered) = answer.into_parts();
        let answered = body::read_body(&head.headers, answered, CREDENTIALS_BYTES_MAX).await;
        let answered = answered.map_err(|error| unreachable(format!("{error:?}")))?;
        Ok(hyper::Response::from_parts(head, answered))
    }
}

fn is_sts(host: &str) -> bool {
    host.starts_with("sts.")
}

#[cfg(test)]
mod tests;
