use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{FunctionError, ObjectPlace, Request, Response};

use crate::aws::{AwsIdentity, endpoint_of_environment};
use crate::object_storage::{Bucket, Found};

/// Where a Lambda function writes its rows, when it does not return them (section 1.4 of the protocol).
#[derive(Clone, Debug)]
pub struct S3Options {
    pub bucket: String,
    /// What the name of every object begins with, without a `/` at its end.
    pub folder: String,
    /// The bucket's region, if not the function's.
    pub region: Option<String>,
    /// In place of S3's own address; else `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// Reading stops as soon as an object, unpacked, is over this (Dec-36).
    pub object_bytes_max: u64,
    /// Whether objects stay where they are (F-058).
    pub keep: bool,
}

/// The largest object that is read (Dec-36).
pub(crate) const OBJECT_BYTES_MAX: u64 = 512 << 20;

impl Default for S3Options {
    fn default() -> S3Options {
        S3Options {
            bucket: String::new(),
            folder: "hasmore".into(),
            region: None,
            endpoint: None,
            object_bytes_max: OBJECT_BYTES_MAX,
            keep: false,
        }
    }
}

/// The objects of one function: each call gets a name of its own, and is read from there.
pub(crate) struct ObjectRows {
    bucket: Bucket,
    options: S3Options,
    calls: AtomicU64,
    /// Those that were read and are still there.
    left: Mutex<Vec<ObjectPlace>>,
}

/// A handler may answer before its upload is done: an object is looked for again after each of
/// these pauses, for about twelve seconds.
const PAUSES_MS: [u64; 7] = [100, 200, 400, 800, 1600, 3200, 6000];

impl ObjectRows {
    pub(crate) fn new(
        options: &S3Options,
        region: &str,
        identity: Arc<AwsIdentity>,
    ) -> Result<ObjectRows, FunctionError> {
        let region = options.region.as_deref().unwrap_or(region);
        let endpoint = options.endpoint.clone().or_else(|| endpoint_of_environment("S3"));
        Ok(ObjectRows {
            bucket: Bucket::new(&options.bucket, region, endpoint.as_deref(), identity)?,
            options: options.clone(),
            calls: AtomicU64::new(0),
            left: Mutex::default(),
        })
    }

    /// Another one for each call, tries included: what a call that was given up still writes is never
    /// taken for the answer to another (Dec-05).
    pub(crate) fn next_place(&self, request: &Request) -> ObjectPlace {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (folder, sync) = (&self.options.folder, &request.sync_id.0);
        self.bucket.place(format!("{folder}/{sync}/{call}.json"))
    }

    /// The answer with the rows of its object.
    pub(crate) async fn join(
        &self,
        answer: Response,
        place: ObjectPlace,
        request: &Request,
    ) -> Result<Response, FunctionError> {
        // Rows that were returned are the answer, unless there is an object as well (Dec-06). A test
        // brings no rows, so there is nothing to wait for.
        let pauses = if answer.rows() > 0 || request.setup_test { &[][..] } else { &PAUSES_MS };
        let mut pauses = pauses.iter();
        loop {
            let found = self.bucket.read(&place, self.options.object_bytes_max).await?;
            if let Found::Object(object) = found {
                if !self.options.keep {
                    self.left().push(place.clone());
                }
                let response = answer.with_rows_of(place.clone(), object, request)?;
                if request.setup_test {
                    self.delete(&place).await?;
                }
                return Ok(response);
            }
            if let Some(pause) = pauses.next() {
                tokio::time::sleep(Duration::from_millis(*pause)).await;
                continue;
            }
            return match found {
                Found::Denied(error) => Err(error),
                _ if answer.names_rows() || request.setup_test => Ok(answer),
                _ => Err(FunctionError::Malformed {
                    code: "s3_object_missing",
                    message: format!(
                        "the function returned no rows and wrote no object {place}; it must write one for every call, before it returns"
                    ),
                }),
            };
        }
    }

    pub(crate) async fn delete(&self, place: &ObjectPlace) -> Result<(), FunctionError> {
        if !self.options.keep {
            self.bucket.delete(place).await?;
        }
        self.left().retain(|left| left != place);
        Ok(())
    }

    pub(crate) async fn delete_all(&self) -> Result<(), FunctionError> {
        let left = self.left().clone();
        for place in left {
            self.delete(&place).await?;
        }
        Ok(())
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Vec<ObjectPlace>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
