//! Where a connection's secrets come from, and how they come anew when they no longer let in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::{Function, FunctionError, Request, Response, Secrets, Warning};
use serde_json::value::RawValue;
use transport::{Log, LogLine, SecretAddress, SecretReader};

use crate::config::ConnectionConfig;
use crate::connection::{Connection, variable};
use crate::failure::Failure;
use crate::location::whole;
use crate::reference;

/// What a configuration says about secrets: places, never values.
#[derive(Clone)]
pub(crate) struct SecretSources {
    folder: PathBuf,
    file: Option<PathBuf>,
    texts: BTreeMap<String, String>,
}

impl SecretSources {
    /// Paths begin in `folder`.
    pub(crate) fn of(config: &ConnectionConfig, folder: &Path) -> SecretSources {
        SecretSources {
            folder: folder.to_owned(),
            file: config.secrets_file.clone(),
            texts: config.secrets.clone(),
        }
    }

    /// Those of the environment and of files. Members of `secrets` win over those of `secrets_file`.
    pub(crate) fn read_here(&self) -> Result<Secrets, Failure> {
        let mut secrets = match &self.file {
            Some(path) => secrets_file(&whole(&self.folder, path))?,
            None => Secrets::default(),
        };
        for (name, text) in &self.texts {
            if SecretAddress::parse(text).is_none() {
                let value = reference::secret(text, &self.folder, &variable)
                    .map_err(|message| missing(&format!("secret {name:.60}"), message))?;
                secrets.insert(name, &value);
            }
        }
        Ok(secrets)
    }

    /// Those that stores keep.
    pub(crate) async fn add_stored(&self, secrets: &mut Secrets) -> Result<(), Failure> {
        let reader = SecretReader::default();
        for (name, text) in &self.texts {
            let Some(address) = SecretAddress::parse(text) else { continue };
            let wrong = |message| missing(&format!("secret {name:.60}"), message);
            let value = reader.read(&address.map_err(wrong)?).await.map_err(Failure::from)?;
            secrets.insert(name, &value);
        }
        Ok(())
    }

    /// Those that are written out.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let inline = self.texts.iter().filter(|(_, text)| !reference::is_reference(text));
        let warning = |(name, _): (&String, &String)| {
            let message = format!(
                "the secret {name:.60} stands in the configuration itself; better a ${{NAME}} or a file:path"
            );
            Warning::new("inline_secret", message)
        };
        inline.map(warning).collect()
    }

    async fn read(&self) -> Result<Secrets, Failure> {
        let mut secrets = self.read_here()?;
        self.add_stored(&mut secrets).await?;
        Ok(secrets)
    }

    /// Whether they may be others the next time: an environment is what it was.
    fn may_change(&self) -> bool {
        let is_kept =
            |text: &String| text.starts_with("file:") || SecretAddress::parse(text).is_some();
        self.file.is_some() || self.texts.values().any(is_kept)
    }
}

pub(crate) fn missing(what: &str, message: String) -> Failure {
    Failure::new("missing_secret", format!("{what}: {message}"))
}

/// One JSON object; old connections hold nested values, so any JSON is kept as it stands.
fn secrets_file(path: &Path) -> Result<Secrets, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        missing("secrets_file", format!("the file {shown} cannot be read: {error}"))
    })?;
    // What the parser says may quote the text, so only the place is told.
    let members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            missing("secrets_file", format!("the file {shown} holds no JSON object: {place}"))
        })?;
    let mut secrets = Secrets::default();
    for (name, value) in members {
        secrets.insert_json(name, value);
    }
    Ok(secrets)
}

/// A Function whose secrets are read again, once, when the function is not let in: somebody may have
/// changed them. It is called again only if they are others.
pub(crate) struct Renewing<F> {
    function: F,
    sources: SecretSources,
    /// Those that have come since, shared with whoever hides them in logs.
    renewed: Arc<Mutex<Secrets>>,
    tried: AtomicBool,
    log: Log,
}

impl<F> Renewing<F> {
    pub(crate) fn new(function: F, connection: &Connection, log: Log) -> Renewing<F> {
        Renewing {
            function,
            sources: connection.sources.clone(),
            renewed: Arc::clone(&connection.renewed),
            tried: AtomicBool::new(!connection.sources.may_change()),
            log,
        }
    }

    fn renewed(&self) -> Option<Secrets> {
        let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        Some(renewed.clone()).filter(|secrets| secrets.names().next().is_some())
    }

    /// Others than those that were sent, if there are.
    async fn read_again(&self, sent: &Secrets) -> Option<Secrets> {
        let say = |text: String| (self.log)(LogLine::hasmore(text));
        match self.sources.read().await {
            Ok(secrets) if are_equal(&secrets, sent) => None,
            Ok(secrets) => {
                *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = secrets.clone();
                say("the function was not let in, and its secrets have changed: calling again"
                    .into());
                Some(secrets)
            }
            Err(failure) => {
                say(format!("the secrets cannot be read again: {}", failure.message));
                None
            }
        }
    }
}

impl<F: Function + Sync> Function for Renewing<F> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let renewed = self.renewed().map(|secrets| Request { secrets, ..request.clone() });
        let request = renewed.as_ref().unwrap_or(request);
        let answer = self.function.call(request).await;
        let is_refused = answer.as_ref().is_err_and(is_refused);
        if !is_refused || self.tried.swap(true, Ordering::Relaxed) {
            return answer;
        }
        match self.read_again(&request.secrets).await {
            Some(secrets) => self.function.call(&Request { secrets, ..request.clone() }).await,
            None => answer,
        }
    }
}

/// Whether an error says that somebody was not let in: the caller by the function, or the function by its
/// API.
fn is_refused(error: &FunctionError) -> bool {
    let (FunctionError::Failed(_) | FunctionError::Refused { .. }) = error else { return false };
    let text = error.to_string().to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words.any(|word| matches!(word, "401" | "403" | "unauthorized" | "forbidden"))
}

fn are_equal(one: &Secrets, other: &Secrets) -> bool {
    one.names().eq(other.names())
        && one.names().all(|name| one.get_json(name) == other.get_json(name))
}
