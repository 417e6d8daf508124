use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{
    Attribute, BackoffConfig, ClientOptions, CredentialProvider, Error, ObjectStore,
    ObjectStoreExt, PutOptions, RetryConfig,
};
use protocol::{FunctionError, ObjectPlace};

use crate::aws::{AwsIdentity, AwsOptions, endpoint_of_environment, refused_credentials};
use crate::body::{self, BodyError};
use crate::route::Proxies;

/// A bucket of S3, where a Lambda function leaves its rows (section 1.4 of the protocol).
pub(crate) struct Bucket {
    store: Arc<AmazonS3>,
    name: String,
}

/// What became of a reading that did not fail.
pub(crate) enum Found {
    Object(Bytes),
    Missing,
    /// S3 says this also of an object that is not there, to who may not list the bucket.
    Denied(FunctionError),
}

/// A bucket is near; a connection that is not made by then will not be.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one request: an object of 512 MiB at 2 MB a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(270);
/// What S3 says in haste (503 SlowDown) is asked again here; a longer fault is for the whole call.
const TRIES_MORE_MAX: usize = 4;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const MESSAGE_BYTES_MAX: usize = 300;

impl Bucket {
    /// Sends nothing. `endpoint` stands in place of S3's own address.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when the endpoint is none.
    pub(crate) fn new(
        name: &str,
        region: &str,
        endpoint: Option<&str>,
        identity: Arc<AwsIdentity>,
    ) -> Result<Bucket, FunctionError> {
        let retry = RetryConfig {
            max_retries: TRIES_MORE_MAX,
            retry_timeout: RETRY_TIMEOUT,
            backoff: BackoffConfig::default(),
        };
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(REQUEST_TIMEOUT)
            .with_allow_http(endpoint.is_some_and(|url| url.starts_with("http://")));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(region)
            .with_credentials(Arc::new(Credentials(identity)))
            .with_retry(retry)
            .with_client_options(client);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
        }
        let store = builder.build().map_err(|error| FunctionError::Refused {
            code: "invalid_url",
            message: format!("the address of S3 cannot be used: {}", body::innermost(&error)),
            hint: "write it whole, for example https://s3.eu-west-1.amazonaws.com".into(),
        })?;
        Ok(Bucket { store: Arc::new(store), name: name.to_owned() })
    }

    pub(crate) fn place(&self, file: String) -> ObjectPlace {
        ObjectPlace { bucket: self.name.clone(), file }
    }

    /// Reads an object piece by piece, and stops when it is over `bytes_max`.
    pub(crate) async fn read(
        &self,
        place: &ObjectPlace,
        bytes_max: u64,
    ) -> Result<Found, FunctionError> {
        let object = match self.store.get(&path(place)?).await {
            Ok(object) => object,
            Err(error) => {
                return match refusal(&error, "read", place) {
                    Refusal::Missing => Ok(Found::Missing),
                    Refusal::Denied(error) => Ok(Found::Denied(error)),
                    Refusal::Other(error) => Err(error),
                };
            }
        };
        let read = body::read_object(object.into_stream(), bytes_max).await;
        read.map(Found::Object).map_err(|error| match error {
            BodyError::TooLarge => FunctionError::too_large(bytes_max),
            BodyError::Broken(cause) if cause.contains("gzip") => FunctionError::Malformed {
                code: "s3_object_broken",
                message: format!("the object {place} cannot be read: {cause}"),
            },
            BodyError::Broken(cause) | BodyError::Encoding(cause) => {
                FunctionError::transport(format!("the object {place} broke off: {cause}"))
            }
        })
    }

    /// Writes an object whole: nobody ever sees a part of it.
    pub(crate) async fn write(
        &self,
        place: &ObjectPlace,
        json: Vec<u8>,
    ) -> Result<(), FunctionError> {
        let mut options = PutOptions::default();
        options.attributes.insert(Attribute::ContentType, "application/json".into());
        let put = self.store.put_opts(&path(place)?, json.into(), options).await;
        put.map(drop).map_err(|error| refusal(&error, "written", place).into())
    }

    /// One that is gone already is as good as deleted.
    pub(crate) async fn delete(&self, place: &ObjectPlace) -> Result<(), FunctionError> {
        match self.store.delete(&path(place)?).await {
            Ok(()) => Ok(()),
            Err(error) => match refusal(&error, "deleted", place) {
                Refusal::Missing => Ok(()),
                refusal => Err(refusal.into()),
            },
        }
    }
}

/// A bucket of S3 to work with, as whoever AWS's usual places say that we are. Sends nothing.
///
/// # Errors
/// [`FunctionError::Refused`] when nothing names a region, or `AWS_ENDPOINT_URL_S3` is no address.
pub fn open_bucket(name: &str) -> Result<Arc<dyn ObjectStore>, FunctionError> {
    let (options, proxies) = (AwsOptions::default(), Proxies::of_environment());
    let region = options.region(None)?;
    let identity = AwsIdentity::new(&region, &options, &proxies);
    let bucket = Bucket::new(name, &region, endpoint_of_environment("S3").as_deref(), identity)?;
    Ok(bucket.store)
}

/// The same characters as the name on the wire.
fn path(place: &ObjectPlace) -> Result<Path, FunctionError> {
    Path::parse(&place.file).map_err(|error| FunctionError::Refused {
        code: "invalid_object_name",
        message: format!("the object {place:.300} cannot be named: {error}"),
        hint: "use letters, digits, - _ . and / in `prefix`".into(),
    })
}

enum Refusal {
    Missing,
    Denied(FunctionError),
    Other(FunctionError),
}

impl From<Refusal> for FunctionError {
    fn from(refusal: Refusal) -> FunctionError {
        match refusal {
            // A reader looks for it again; whoever writes or deletes meets a bucket that is not there.
            Refusal::Missing => FunctionError::transport("S3 answered that there is nothing"),
            Refusal::Denied(error) | Refusal::Other(error) => error,
        }
    }
}

/// What S3 says, sorted by what to do.
fn refusal(error: &Error, what: &str, place: &ObjectPlace) -> Refusal {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(known) = inner.downcast_ref::<FunctionError>() {
            return Refusal::Other(known.clone());
        }
        cause = inner.source();
    }
    let text = error.to_string();
    let (kind, message) = (element(&text, "Code"), element(&text, "Message"));
    let told = match (kind, message) {
        (Some(kind), Some(message)) => format!("{kind}: {message:.MESSAGE_BYTES_MAX$}"),
        (Some(kind), None) => kind.to_owned(),
        (None, _) => match error {
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                "no reason is given".to_owned()
            }
            error => body::innermost(error),
        },
    };
    let refused = |code, hint: &str| {
        Refusal::Other(FunctionError::Refused {
            code,
            message: format!("the object {place} cannot be {what}: {told}"),
            hint: hint.into(),
        })
    };
    let credentials = refused_credentials(kind.unwrap_or_default(), message.unwrap_or_default());
    if let Some((code, hint)) = credentials {
        return refused(code, hint);
    }
    match (kind.unwrap_or_default(), error) {
        ("NoSuchBucket", _) => refused(
            "s3_bucket_not_found",
            "check `s3: {bucket: …}`, and make the bucket if it is not there",
        ),
        (
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "IllegalLocationConstraintException",
            _,
        ) => refused("s3_wrong_region", "name the bucket's own region with `s3: {region: …}`"),
        (_, Error::NotFound { .. }) => Refusal::Missing,
        (_, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
            let Refusal::Other(error) = refused(
                "s3_access_denied",
                "allow the caller s3:GetObject and s3:DeleteObject on the bucket's objects and s3:ListBucket on the bucket, and the function s3:PutObject",
            ) else {
                unreachable!("a refusal was made")
            };
            Refusal::Denied(error)
        }
        _ if text.contains("redirect without LOCATION") => {
            refused("s3_wrong_region", "name the bucket's own region with `s3: {region: …}`")
        }
        _ => Refusal::Other(FunctionError::transport(format!(
            "the object {place} cannot be {what}: {told}"
        ))),
    }
}

/// The text of an element of S3's error, which is XML.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// The credentials of the Invoke, for S3 as well.
#[derive(Debug)]
struct Credentials(Arc<AwsIdentity>);

#[async_trait::async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let credential = self.0.credential().await;
        let credential =
            credential.map_err(|error| Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(Arc::new(AwsCredential {
            key_id: credential.access_key_id,
            secret_key: credential.secret_access_key,
            token: credential.session_token,
        }))
    }
}
