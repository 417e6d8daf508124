//! Where files are: listed by a pattern, read by ranges.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path as FolderPath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
};

use walkdir::WalkDir;

use super::pattern::FilePattern;
#[cfg(feature = "sftp")]
use super::sftp::{Address, SftpServer};
use super::{FileError, Listed};
use crate::files::url::UrlFile;
use crate::http::{Http, Reach};
use crate::manifest::{Az, Gs, S3, Scheme, Storage};

/// The stores that were met, each made once.
#[derive(Default)]
pub(crate) struct Stores {
    objects: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    #[cfg(feature = "sftp")]
    servers: Mutex<HashMap<String, Arc<SftpServer>>>,
}

/// The files that one path stands for: a pattern in a store, or an address.
#[derive(Clone)]
pub(crate) enum Place {
    Objects {
        store: Arc<dyn ObjectStore>,
        shown: String,
        pattern: FilePattern,
    },
    #[cfg(feature = "sftp")]
    Sftp {
        server: Arc<SftpServer>,
        shown: String,
        pattern: FilePattern,
    },
    Url(Arc<UrlFile>),
}

/// Where the paths of this machine begin.
const THIS_MACHINE: &str = "/";
/// More files behind one path are not listed.
const LISTED_MAX: usize = 1_000_000;
/// What a store answers with an error is tried again for so long.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: usize = 4;

impl Stores {
    /// The place that a path of the manifest names, by its own keys. Paths of this machine are those from
    /// the manifest's folder on.
    ///
    /// # Errors
    /// When the path is none, or not for this process to read.
    pub(crate) fn place(
        &self,
        path: &str,
        storage: &Storage,
        folder: Option<&FolderPath>,
        http: &Http,
    ) -> Result<Place, FileError> {
        let wrong =
            |message: String| FileError::Refused { message, hint: "correct `files` of the table" };
        let (scheme, rest) = Scheme::of(path).map_err(wrong)?;
        if scheme == Scheme::Url {
            return Ok(Place::Url(Arc::new(UrlFile::new(path, http).map_err(wrong)?)));
        }
        if scheme == Scheme::Local {
            if http.reach() == Reach::PublicOnly {
                return Err(FileError::Refused {
                    message: "the files of this machine are not read here".into(),
                    hint: "let a function in a cloud read from s3://, gs://, az:// or https://",
                });
            }
            let (base, pattern) = local(rest, folder).map_err(wrong)?;
            let pattern = FilePattern::inside(&base, pattern)?;
            let store = self.made("local", || Ok(Arc::new(LocalFileSystem::new())))?;
            return Ok(Place::Objects { store, shown: THIS_MACHINE.into(), pattern });
        }
        if scheme == Scheme::Sftp {
            return self.on_server(rest, storage, folder);
        }
        let (bucket, pattern) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong(format!("{path:.200} names no bucket")));
        }
        let named = format!("{scheme:?}/{bucket}/{storage:?}");
        let store = self.made(&crate::page::mark(named.as_bytes()), || match scheme {
            Scheme::S3 => s3(bucket, &storage.s3),
            Scheme::Gs => gs(bucket, &storage.gs),
            _ => az(bucket, &storage.az),
        })?;
        let (scheme, _) = path.split_once("://").unwrap_or_default();
        Place::objects(store, format!("{scheme}://{bucket}/"), pattern.to_owned())
    }

    #[cfg(feature = "sftp")]
    fn on_server(
        &self,
        rest: &str,
        storage: &Storage,
        folder: Option<&FolderPath>,
    ) -> Result<Place, FileError> {
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = Address::of(place).ok_or_else(|| FileError::Refused {
            message: format!("sftp://{place:.200} names no server"),
            hint: "say `sftp://host/path` or `sftp://user@host:port/path`",
        })?;
        let pattern = match path.strip_prefix("~/") {
            Some(in_home) => in_home.to_owned(),
            None => format!("/{path}"),
        };
        let (shown, pattern) = (address.shown(), FilePattern::new(pattern)?);
        let mut settings = storage.sftp.clone();
        // An absolute path stays what it is.
        if let (Some(path), Some(folder)) = (&mut settings.known_hosts, folder)
            && !path.starts_with("~/")
        {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
        let name = crate::page::mark(format!("{address:?}/{settings:?}").as_bytes());
        let mut known = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let server =
            known.entry(name).or_insert_with(|| Arc::new(SftpServer::new(address, settings)));
        Ok(Place::Sftp { server: Arc::clone(server), shown, pattern })
    }

    #[cfg(not(feature = "sftp"))]
    #[expect(clippy::unused_self, reason = "the same call as where SFTP is spoken")]
    fn on_server(&self, _: &str, _: &Storage, _: Option<&FolderPath>) -> Result<Place, FileError> {
        Err(FileError::Refused {
            message: "hasmore-function is too small to read sftp://".into(),
            hint: "let `hasmore sync` or `hasmore serve` read it",
        })
    }

    fn made(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Arc<dyn ObjectStore>, object_store::Error>,
    ) -> Result<Arc<dyn ObjectStore>, FileError> {
        let mut known = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = known.get(name) {
            return Ok(Arc::clone(store));
        }
        let store = make()?;
        known.insert(name.to_owned(), Arc::clone(&store));
        Ok(store)
    }
}

/// A path of this machine without the `/` that all begin with: the folder that it is said from, and what is
/// said. Only the latter may be a pattern.
fn local(rest: &str, folder: Option<&FolderPath>) -> Result<(String, String), String> {
    let mut base = Vec::new();
    if !rest.starts_with('/') {
        let here = FolderPath::new(".");
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(here);
        let whole = std::path::absolute(folder).ok();
        let whole = whole.as_ref().and_then(|whole| whole.to_str());
        let whole = whole.ok_or("the manifest's folder has a name that is not UTF-8")?;
        base.extend(whole.split('/').filter(|part| !part.is_empty()).map(str::to_owned));
    }
    let mut said = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if said.is_empty() => drop(base.pop()),
            ".." => drop(said.pop()),
            part => said.push(part),
        }
    }
    let is_folder = matches!(rest.rsplit('/').next(), Some("" | "." | ".."));
    let base: String = base.iter().flat_map(|part| [part.as_str(), "/"]).collect();
    let said = said.join("/") + if is_folder && !said.is_empty() { "/" } else { "" };
    Ok((base, said))
}

fn s3(bucket: &str, settings: &S3) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry())
        .with_skip_signature(settings.anonymous);
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &settings.access_key_id {
        builder = builder.with_access_key_id(key);
    }
    if let Some(key) = &settings.secret_access_key {
        builder = builder.with_secret_access_key(key);
    }
    if let Some(token) = &settings.session_token {
        builder = builder.with_token(token);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint).with_client_options(client(endpoint));
    }
    Ok(Arc::new(builder.build()?))
}

fn gs(bucket: &str, settings: &Gs) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry())
        .with_skip_signature(settings.anonymous);
    if let Some(key) = &settings.service_account_key {
        builder = builder.with_service_account_key(key);
    }
    if let Some(endpoint) = &settings.endpoint {
        let base_url = endpoint.trim_end_matches('/');
        builder = builder.with_base_url(base_url).with_client_options(client(endpoint));
    }
    Ok(Arc::new(builder.build()?))
}

fn az(container: &str, settings: &Az) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(retry())
        .with_skip_signature(settings.anonymous);
    if let Some(account) = &settings.account {
        builder = builder.with_account(account);
    }
    if let Some(key) = &settings.access_key {
        builder = builder.with_access_key(key);
    }
    if let Some(token) = &settings.sas_token {
        let pairs = form_urlencoded::parse(token.trim_start_matches('?').as_bytes());
        builder = builder.with_sas_authorization(pairs.into_owned().collect::<Vec<_>>());
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.clone()).with_client_options(client(endpoint));
    }
    Ok(Arc::new(builder.build()?))
}

fn retry() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() }
}

/// An address without TLS is one that the manifest names so.
fn client(endpoint: &str) -> ClientOptions {
    ClientOptions::new().with_allow_http(endpoint.starts_with("http://"))
}

impl Place {
    fn objects(
        store: Arc<dyn ObjectStore>,
        shown: String,
        pattern: String,
    ) -> Result<Place, FileError> {
        Ok(Place::Objects { store, shown, pattern: FilePattern::new(pattern)? })
    }

    /// All files of the place, in their order.
    ///
    /// # Errors
    /// When the store cannot be read, or holds too many.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, FileError> {
        let mut files = match self {
            Place::Url(file) => file.list().await?.into_iter().collect(),
            Place::Objects { store, shown, pattern } => objects(store, shown, pattern).await?,
            #[cfg(feature = "sftp")]
            Place::Sftp { server, shown, pattern } => Box::pin(server.list(shown, pattern)).await?,
        };
        files.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(files)
    }

    /// Bytes of a file, fewer at its end.
    ///
    /// # Errors
    /// [`FileError::Changed`] when it is not any more what was listed.
    pub(crate) async fn read(&self, file: &Listed, range: Range<u64>) -> Result<Bytes, FileError> {
        let store = match self {
            Place::Url(url) => return url.read(file, range).await,
            #[cfg(feature = "sftp")]
            Place::Sftp { server, .. } => return Box::pin(server.read(file, range)).await,
            Place::Objects { store, .. } => store,
        };
        let end = file.bytes.map_or(range.end, |bytes| range.end.min(bytes));
        if range.start >= end {
            return Ok(Bytes::new());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.start..end)),
            if_match: file.version.clone(),
            ..GetOptions::default()
        };
        let found = store.get_opts(&key(&file.key)?, options).await?;
        // A store that knows no `If-Match` still says what it gave.
        if found.meta.e_tag.is_some() && found.meta.e_tag != file.version {
            return Err(FileError::Changed);
        }
        Ok(found.bytes().await?)
    }
}

/// The files of a store whose paths fit.
async fn objects(
    store: &Arc<dyn ObjectStore>,
    shown: &str,
    pattern: &FilePattern,
) -> Result<Vec<Listed>, FileError> {
    let listed = |meta: ObjectMeta| {
        let key = meta.location.to_string();
        let modified = Some(meta.last_modified.timestamp_millis());
        // Azure lists tags without the quotes that it gives and wants elsewhere.
        let version = match meta.e_tag {
            Some(tag) if shown.starts_with("az:") && !tag.contains('"') => {
                Some(format!("\"{tag}\""))
            }
            tag => tag,
        };
        Listed::new(format!("{shown}{key}"), key, modified, version, Some(meta.size))
    };
    if let Some(path) = pattern.only() {
        return match store.head(&key(path)?).await {
            Ok(meta) => Ok(vec![listed(meta)]),
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        };
    }
    if shown == THIS_MACHINE {
        refuse_unlisted_names(pattern)?;
    }
    let fits = |meta: &ObjectMeta| pattern.fits(meta.location.as_ref());
    let folder = key(pattern.folder())?;
    let mut files = Vec::new();
    if pattern.is_deep() {
        let mut all = store.list(Some(&folder));
        while let Some(meta) = all.try_next().await.map_err(unlisted)? {
            if !fits(&meta) {
                continue;
            }
            files.push(listed(meta));
            if files.len() > LISTED_MAX {
                return Err(FileError::Refused {
                    message: format!("more than {LISTED_MAX} files are there"),
                    hint: "give a path of `files` that stands for fewer",
                });
            }
        }
    } else {
        let inside = store.list_with_delimiter(Some(&folder)).await.map_err(unlisted)?;
        files.extend(inside.objects.into_iter().filter(fits).map(listed));
    }
    Ok(files)
}

/// The crate that lists this machine's files takes names that end with `#` and digits for its own, and leaves
/// them out. None is left behind without a word.
fn refuse_unlisted_names(pattern: &FilePattern) -> Result<(), FileError> {
    let depth = if pattern.is_deep() { usize::MAX } else { 1 };
    let folder = format!("/{}", pattern.folder());
    let all = WalkDir::new(folder).follow_links(true).max_depth(depth);
    // What cannot be looked into, the list itself tells.
    for entry in all.into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let Some(path) = entry.path().to_str() else { continue };
        let end = path.rsplit_once('#').map_or("", |(_, end)| end);
        let is_left_out = !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
        if is_left_out && pattern.fits(path.trim_start_matches('/')) {
            return Err(FileError::Refused {
                message: format!("{path} cannot be read: its name ends with # and digits"),
                hint: "rename the file, or give paths of `files` that it does not fit",
            });
        }
    }
    Ok(())
}

/// Why there is no list: a bucket that is not there is no file that is gone.
fn unlisted(error: object_store::Error) -> FileError {
    match error {
        object_store::Error::NotFound { .. } => {
            FileError::refused("there is no such bucket or container")
        }
        error => error.into(),
    }
}

fn key(text: &str) -> Result<Path, FileError> {
    Path::parse(text.trim_end_matches('/'))
        .map_err(|error| FileError::from(object_store::Error::from(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_machine_begin_in_the_manifests_folder() {
        for (path, expected) in [
            ("in/*.csv", ("shop/[x]/", "in/*.csv")),
            ("./in/", ("shop/[x]/", "in/")),
            ("../*.csv", ("shop/", "*.csv")),
            ("../../../in/a/../b.csv", ("", "in/b.csv")),
            ("/data//in/*.csv", ("", "data/in/*.csv")),
            (".", ("shop/[x]/", "")),
        ] {
            let found = local(path, Some(FolderPath::new("/shop/[x]"))).expect("a path");
            assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{path}");
        }
    }
}
