//! A connection to a server: it proves who it is, we prove who we are, and then it is asked about files.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{Disconnect, MethodKind};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use super::Address;
use super::host_key::{Judgement, Known};
use crate::files::FileError;
use crate::manifest::Sftp;

/// A session in which files can be asked for.
pub(super) struct Session {
    sftp: RawSftpSession,
    connection: Handle<Door>,
}

/// Why the server gave no answer, or not the one that was hoped for.
#[derive(Debug)]
pub(super) enum Failure {
    /// It says so; the session goes on.
    Status(StatusCode, String),
    /// The file is another one now.
    Changed,
    /// The connection is of no use any more.
    Lost(String),
    /// Told as it is.
    Told(FileError),
}

/// Connecting and logging in take this long at most.
const OPEN_MAX: Duration = Duration::from_secs(30);
/// One answer takes this long at most.
const ANSWER_SECONDS: u64 = 30;
/// A server that is silent is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A server that asks for the password in its own words does so a few times at most.
const QUESTIONS_MAX: usize = 4;

impl Failure {
    pub(super) fn told_as(message: String) -> Failure {
        Failure::Told(FileError::refused(message))
    }

    pub(super) fn told(self) -> FileError {
        match self {
            Failure::Told(error) => error,
            Failure::Changed => FileError::Changed,
            Failure::Lost(message) => FileError::Unavailable(message),
            Failure::Status(StatusCode::NoSuchFile, _) => FileError::Gone,
            Failure::Status(StatusCode::PermissionDenied | StatusCode::OpUnsupported, message) => {
                FileError::refused(format!("the server does not let it be read: {message:.200}"))
            }
            Failure::Status(code, message) => {
                FileError::Unavailable(format!("the server says {code}: {message:.200}"))
            }
        }
    }
}

impl From<SftpError> for Failure {
    fn from(error: SftpError) -> Failure {
        match error {
            SftpError::Status(status) => Failure::Status(status.status_code, status.error_message),
            other => Failure::Lost(format!("the connection to the server was lost: {other:.200}")),
        }
    }
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn open(address: &Address, settings: &Sftp) -> Result<Session, Failure> {
        let opened = tokio::time::timeout(OPEN_MAX, Session::begin(address, settings)).await;
        opened.unwrap_or_else(|_| {
            let (place, seconds) = (address.shown(), OPEN_MAX.as_secs());
            let message = format!("{place} did not let us in within {seconds} seconds");
            Err(Failure::Told(FileError::Unavailable(message)))
        })
    }

    async fn begin(address: &Address, settings: &Sftp) -> Result<Session, Failure> {
        let known = Arc::new(Known::of(address, settings).map_err(Failure::Told)?);
        let mut preferred = russh::Preferred::DEFAULT;
        preferred.key = known.preferred(&preferred.key).into();
        let config = client::Config {
            preferred,
            keepalive_interval: Some(KEEPALIVE),
            nodelay: true,
            ..client::Config::default()
        };
        let judgement = Arc::new(Mutex::new(None));
        let door = Door { known, judgement: Arc::clone(&judgement) };
        let place = (address.host.as_str(), address.port);
        let connected = client::connect(Arc::new(config), place, door).await;
        let shown = judgement.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = connected.map_err(|error| match (error, shown) {
            (russh::Error::UnknownKey, Some(judgement)) => {
                Failure::Told(judgement.refusal(&address.shown()))
            }
            (russh::Error::NoCommonAlgo { .. }, _) => Failure::told_as(format!(
                "{} and hasmore know no way of encryption in common",
                address.shown()
            )),
            (error, _) => Failure::Told(FileError::Unavailable(format!(
                "{} cannot be reached: {error:.200}",
                address.shown()
            ))),
        })?;
        log_in(&mut connection, address, settings).await?;
        let lost = |error: russh::Error| {
            Failure::Lost(format!("{} ended the session: {error:.200}", address.shown()))
        };
        let channel = connection.channel_open_session().await.map_err(lost)?;
        channel.request_subsystem(true, "sftp").await.map_err(lost)?;
        let sftp = RawSftpSession::new(channel.into_stream());
        sftp.set_timeout(ANSWER_SECONDS);
        sftp.init().await.map_err(|error| {
            Failure::told_as(format!("{} offers no SFTP: {error:.200}", address.shown()))
        })?;
        Ok(Session { sftp, connection })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// What is known of a file; links are followed.
    pub(super) async fn attributes(&self, path: &str) -> Result<FileAttributes, Failure> {
        Ok(self.sftp.stat(path).await?.attrs)
    }

    pub(super) async fn attributes_of_open(&self, handle: &str) -> Result<FileAttributes, Failure> {
        Ok(self.sftp.fstat(handle).await?.attrs)
    }

    /// Names of what is in a folder; links are not followed.
    pub(super) async fn entries(
        &self,
        folder: &str,
    ) -> Result<Vec<(String, FileAttributes)>, Failure> {
        let handle = self.sftp.opendir(folder).await?.handle;
        let mut entries = Vec::new();
        loop {
            match self.sftp.readdir(handle.as_str()).await {
                Ok(found) => {
                    let named = found.files.into_iter().map(|file| (file.filename, file.attrs));
                    entries.extend(named.filter(|(name, _)| name != "." && name != ".."));
                }
                Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.close(handle).await;
        Ok(entries)
    }

    pub(super) async fn open_file(&self, path: &str, flags: OpenFlags) -> Result<String, Failure> {
        Ok(self.sftp.open(path, flags, FileAttributes::empty()).await?.handle)
    }

    pub(super) async fn read(
        &self,
        handle: &str,
        start: u64,
        bytes: u32,
    ) -> Result<Vec<u8>, Failure> {
        Ok(self.sftp.read(handle, start, bytes).await?.data)
    }

    /// What was only read loses nothing when it is not closed well.
    pub(super) async fn close(&self, handle: String) {
        let _ = self.sftp.close(handle).await;
    }
}

/// Looks at the key that the server shows.
struct Door {
    known: Arc<Known>,
    judgement: Arc<Mutex<Option<Judgement>>>,
}

impl client::Handler for Door {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        // Certificates are not asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let judgement = self.known.judge(key);
        let is_known = judgement.is_known();
        *self.judgement.lock().unwrap_or_else(PoisonError::into_inner) = Some(judgement);
        Ok(is_known)
    }
}

/// Proves who we are, by key first.
async fn log_in(
    connection: &mut Handle<Door>,
    address: &Address,
    settings: &Sftp,
) -> Result<(), Failure> {
    let Some(user) = address.user.as_ref().or(settings.user.as_ref()) else {
        return Err(Failure::Told(FileError::Refused {
            message: "nothing says who logs in".into(),
            hint: "say `storage: {sftp: {user: …}}`",
        }));
    };
    let lost = |error: russh::Error| {
        Failure::Told(FileError::Unavailable(format!(
            "{} ended the session before it let us in: {error:.200}",
            address.shown()
        )))
    };
    let mut tried = Vec::new();
    if let Some(text) = &settings.private_key {
        tried.push("private key");
        let key = decode_secret_key(text, settings.passphrase.as_deref()).map_err(|_| {
            Failure::Told(FileError::Refused {
                message: "`private_key` is none that can be read, or its `passphrase` is another".into(),
                hint: "give the whole file that ssh-keygen or PuTTYgen wrote, with its line ends, and the passphrase that it is locked with",
            })
        })?;
        let hash = if key.algorithm().is_rsa() {
            connection.best_supported_rsa_hash().await.map_err(lost)?.flatten()
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        if connection.authenticate_publickey(user, key).await.map_err(lost)?.success() {
            return Ok(());
        }
    }
    if let Some(password) = &settings.password {
        tried.push("password");
        match connection.authenticate_password(user, password).await.map_err(lost)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => {
                // Some ask for it in words of their own.
                let asks = remaining_methods.contains(&MethodKind::KeyboardInteractive);
                if asks && answer_questions(connection, user, password).await.map_err(lost)? {
                    return Ok(());
                }
            }
        }
    }
    // It may be gone already.
    let _ = connection.disconnect(Disconnect::ByApplication, "", "").await;
    let shown = address.shown();
    Err(Failure::Told(match &tried[..] {
        [] => FileError::Refused {
            message: format!("nothing is given to log in to {shown} with"),
            hint: "say `password` or `private_key` in `storage: {sftp: …}`, as secrets",
        },
        tried => FileError::Refused {
            message: format!("{shown} does not let us in with this {}", tried.join(" or ")),
            hint: "check `user`, `password` and `private_key` of `storage: {sftp: …}`, and whether the server knows the public key",
        },
    }))
}

async fn answer_questions(
    connection: &mut Handle<Door>,
    user: &str,
    password: &str,
) -> Result<bool, russh::Error> {
    let mut said = connection.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..QUESTIONS_MAX {
        let prompts = match said {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts.len(),
        };
        let answers = vec![password.to_owned(); prompts];
        said = connection.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Ok(matches!(said, KeyboardInteractiveAuthResponse::Success))
}
