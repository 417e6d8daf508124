//! Which server, and how to reach it: a URL, the environment of libpq, its password file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::DestinationError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::failure::refused;
use crate::tls::{Tls, Verification};

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// A host that does not answer must not hold up a sync for the system's two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where libpq looks for a server on the same machine.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const PORT: u16 = 5432;

/// A Postgres server, a database in it, and who we are there. Prints without its password.
#[derive(Clone)]
pub struct Server {
    config: Config,
    mode: Mode,
    root_file: Option<PathBuf>,
    shown: String,
}

/// `sslmode` (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Server {
    /// Whether a text names a Postgres server.
    pub fn is_url(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads `postgres://USER@HOST:PORT/DATABASE?sslmode=…`. What the URL does not say, the variables of
    /// libpq do (`PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`,
    /// `PGSSLROOTCERT`, `PGPASSFILE`, `PGOPTIONS`, `PGAPPNAME`, `PGCONNECT_TIMEOUT`), then `~/.pgpass`.
    ///
    /// Certificates are checked in full (`verify-full`) unless `sslmode` says otherwise, or the server
    /// is on this machine.
    ///
    /// # Errors
    /// When the URL or one of the variables cannot be read; never with a password in the message.
    pub fn read(
        url: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Server, DestinationError> {
        let (plain, ours) = parted(url);
        let mut config: Config =
            plain.parse().map_err(|error: tokio_postgres::Error| wrong(&cause(&error)))?;
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        from_environment(&mut config, &set)?;
        let said = |name: &str| ours.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let root_file = said("sslrootcert").cloned().or_else(|| set("PGSSLROOTCERT"));
        let root_file = root_file.filter(|file| file != "system").map(PathBuf::from);
        let mode = match said("sslmode").cloned().or_else(|| set("PGSSLMODE")) {
            Some(mode) => Mode::read(&mode, root_file.is_some())?,
            None if is_local(&config) => Mode::Disable,
            None => Mode::VerifyFull,
        };
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        if config.get_password().is_none() {
            let file = said("passfile").cloned().or_else(|| set("PGPASSFILE"));
            let file =
                file.map(PathBuf::from).or_else(|| Some(Path::new(&set("HOME")?).join(".pgpass")));
            if let Some(password) =
                file.map(|file| password_of(&file, &config)).transpose()?.flatten()
            {
                config.password(password);
            }
        }
        let shown = shown(&config);
        Ok(Server { config, mode, root_file, shown })
    }

    /// The URL without password and settings: for people, and for `psql`.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What must not appear in a log.
    pub fn password(&self) -> Option<String> {
        self.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn tls(&self) -> Result<Tls, DestinationError> {
        let verification = match self.mode {
            Mode::Disable | Mode::Prefer | Mode::Require => Verification::None,
            Mode::VerifyCa => Verification::Authority,
            Mode::VerifyFull => Verification::Full,
        };
        Tls::new(verification, self.root_file.as_deref()).map_err(|error| {
            refused("destination_tls", error, "name a file with CA certificates in PEM form")
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Mode {
    fn read(text: &str, has_root_file: bool) -> Result<Mode, DestinationError> {
        match text {
            "disable" => Ok(Mode::Disable),
            "allow" | "prefer" => Ok(Mode::Prefer),
            // As libpq does: who names a CA wants it to be looked at.
            "require" if has_root_file => Ok(Mode::VerifyCa),
            "require" => Ok(Mode::Require),
            "verify-ca" => Ok(Mode::VerifyCa),
            "verify-full" => Ok(Mode::VerifyFull),
            _ => {
                Err(wrong("sslmode is one of disable, prefer, require, verify-ca and verify-full"))
            }
        }
    }
}

fn wrong(what: &str) -> DestinationError {
    refused(
        "destination_url",
        format!("the address of the Postgres server cannot be read: {what}"),
        "write postgres://USER@HOST:PORT/DATABASE, special characters in percent form",
    )
}

/// What the parser found, which names options and never their values.
fn cause(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Settings that the driver does not know, apart from the rest of the URL.
fn parted(url: &str) -> (String, Vec<(String, String)>) {
    const OURS: [&str; 3] = ["sslmode", "sslrootcert", "passfile"];
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), Vec::new()) };
    let (mut kept, mut ours) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if OURS.contains(&key) {
            ours.push((key.to_owned(), percent_decoded(value)));
        } else {
            kept.push(pair);
        }
    }
    let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    (url, ours)
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let [first, rest @ ..] = bytes {
        let escape = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match escape.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                bytes = &rest[2..];
            }
            None => {
                out.push(*first);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn from_environment(
    config: &mut Config,
    set: &dyn Fn(&str) -> Option<String>,
) -> Result<(), DestinationError> {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        match set("PGHOST") {
            Some(hosts) => hosts.split(',').for_each(|host| {
                config.host(host);
            }),
            None => match SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).is_dir()) {
                Some(folder) => {
                    config.host_path(folder);
                }
                None => {
                    config.host("localhost");
                }
            },
        }
    }
    if config.get_ports().is_empty()
        && let Some(ports) = set("PGPORT")
    {
        for port in ports.split(',') {
            config.port(port.parse().map_err(|_| wrong("PGPORT is a number"))?);
        }
    }
    if config.get_user().is_none() {
        let user = set("PGUSER").or_else(|| set("USER")).or_else(|| set("LOGNAME"));
        config.user(user.ok_or_else(|| wrong("it names no user, and PGUSER is not set"))?);
    }
    if config.get_dbname().is_none() {
        let user = config.get_user().unwrap_or_default().to_owned();
        config.dbname(set("PGDATABASE").unwrap_or(user));
    }
    if config.get_password().is_none()
        && let Some(password) = set("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_options().is_none()
        && let Some(options) = set("PGOPTIONS")
    {
        config.options(options);
    }
    if config.get_application_name().is_none() {
        config.application_name(set("PGAPPNAME").unwrap_or_else(|| "hasmore".to_owned()));
    }
    if config.get_connect_timeout().is_none() {
        let seconds = set("PGCONNECT_TIMEOUT").map(|text| text.parse().map(Duration::from_secs));
        let seconds =
            seconds.transpose().map_err(|_| wrong("PGCONNECT_TIMEOUT is a number of seconds"))?;
        config.connect_timeout(seconds.unwrap_or(CONNECT_TIMEOUT));
    }
    Ok(())
}

fn hosts(config: &Config) -> Vec<String> {
    let name = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    };
    let named: Vec<String> = config.get_hosts().iter().map(name).collect();
    if named.is_empty() {
        config.get_hostaddrs().iter().map(ToString::to_string).collect()
    } else {
        named
    }
}

/// Whether nothing leaves this machine on the way to the server.
fn is_local(config: &Config) -> bool {
    hosts(config).iter().all(|host| {
        let address = host.parse::<std::net::IpAddr>();
        host.starts_with('/') || host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
    })
}

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let port_of = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
    let hosts: Vec<String> = hosts(config)
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let is_v6 = host.contains(':');
            let host = if is_v6 { format!("[{host}]") } else { host.replace('/', "%2F") };
            match port_of(index) {
                PORT => host,
                port => format!("{host}:{port}"),
            }
        })
        .collect();
    format!(
        "postgres://{}@{}/{}",
        percent_encoded(config.get_user().unwrap_or_default()),
        hosts.join(","),
        percent_encoded(config.get_dbname().unwrap_or_default())
    )
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |out, byte| {
        if plain(byte) {
            out + &char::from(byte).to_string()
        } else {
            out + &format!("%{byte:02X}")
        }
    })
}

/// The first line of a password file that fits
/// (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).
fn password_of(file: &Path, config: &Config) -> Result<Option<String>, DestinationError> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
    let found = text.lines().find_map(|line| {
        let fields = fields_of(line)?;
        let fits = |field: &str, value: &str| field == "*" || field == value;
        let port = config.get_ports().first().copied().unwrap_or(PORT).to_string();
        let host_fits = hosts(config).iter().any(|host| {
            // The socket's folder goes by the name of the machine.
            fits(&fields[0], host) || host.starts_with('/') && fields[0] == "localhost"
        });
        let fits = host_fits
            && fits(&fields[1], &port)
            && fits(&fields[2], config.get_dbname().unwrap_or_default())
            && fits(&fields[3], config.get_user().unwrap_or_default());
        fits.then(|| fields[4].clone())
    });
    if found.is_some() && is_open_to_others(file) {
        return Err(refused(
            "destination_authentication",
            format!(
                "the password file {} can be read by others, so it is not used",
                file.display()
            ),
            format!("chmod 600 {}", file.display()),
        ));
    }
    Ok(found)
}

/// `host:port:database:user:password`, where a backslash takes the next character as it is.
fn fields_of(line: &str) -> Option<[String; 5]> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields: Vec<String> = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ':' && fields.len() < 5 {
            fields.push(String::new());
            continue;
        }
        let field = fields.last_mut().expect("there is always one");
        field.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    fields.try_into().ok()
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
