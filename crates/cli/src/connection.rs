//! One connection, ready to use: references looked up, defaults filled in, paths made whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connector::manifest::Manifest;
use protocol::{CustomPayload, Secrets, Warning};
use transport::{AwsOptions, EntraOptions, GoogleOptions, S3Options};

use crate::arguments::{GivenConnection, GlobalArguments, RangeArguments};
use crate::config::{
    AwsConfig, Config, ConnectionConfig, DeleteMode, KeyPlace, Keyless, LimitsConfig, Naming,
    OptionsConfig, S3Config, SoftDeleteTiming, StringInference, load_manifest, nearest,
};
use crate::failure::Failure;
use crate::location::{Location, has_inline_password, whole};
use crate::reference;
use crate::secrets::{SecretSources, missing};

/// Everything a command needs to know about a connection. `Debug` prints its name only.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) function: FunctionSource,
    /// Where rows land; a preview needs none.
    pub(crate) destination: Option<Location>,
    /// The memory that DuckDB may use.
    pub(crate) memory_bytes_max: Option<u64>,
    pub(crate) agent: String,
    pub(crate) secrets: Secrets,
    /// Where they come from.
    pub(crate) sources: SecretSources,
    /// Those that have come in their place since.
    pub(crate) renewed: Arc<Mutex<Secrets>>,
    /// What must not appear in a log beside the secrets: values looked up for headers and the like.
    pub(crate) concealed: Secrets,
    pub(crate) custom_payload: CustomPayload,
    pub(crate) options: engine::Options,
    pub(crate) limits: engine::Limits,
    pub(crate) response_bytes_max: Option<u64>,
    pub(crate) call_timeout: Option<Duration>,
    /// What was tolerated in its configuration.
    pub(crate) warnings: Vec<Warning>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({:?})", self.name)
    }
}

/// Where the function is, in one of five ways.
#[derive(Clone)]
pub(crate) enum FunctionSource {
    Url {
        url: String,
        headers: Vec<(String, String)>,
        aws: Option<AwsOptions>,
        google: Option<GoogleOptions>,
        azure: Option<EntraOptions>,
    },
    Lambda {
        function: String,
        aws: AwsOptions,
        s3: Option<S3Options>,
    },
    /// `folder` is where relative paths begin.
    Handler {
        handler: String,
        folder: PathBuf,
        environment: Vec<(String, String)>,
        python: Option<PathBuf>,
        task_root: Option<PathBuf>,
    },
    Manifest(Box<Manifest>),
    Command {
        words: Vec<String>,
        folder: PathBuf,
        environment: Vec<(String, String)>,
    },
}

impl FunctionSource {
    /// Whether nobody here sees what it asks of its API: it runs elsewhere, or the API asks for a certificate
    /// that only it can show.
    pub(crate) fn hides_its_upstream(&self) -> bool {
        match self {
            FunctionSource::Url { .. } | FunctionSource::Lambda { .. } => true,
            FunctionSource::Manifest(manifest) => manifest.tls.certificate.is_some(),
            FunctionSource::Handler { .. } | FunctionSource::Command { .. } => false,
        }
    }

    /// Its kind, for the log's envelope.
    pub(crate) fn connector_type(&self) -> &'static str {
        match self {
            FunctionSource::Url { .. } => "function_url",
            FunctionSource::Lambda { .. } => "aws_lambda",
            FunctionSource::Handler { .. } => "function_handler",
            FunctionSource::Command { .. } => "function_command",
            FunctionSource::Manifest(_) => "function_manifest",
        }
    }
}

/// A connection that a command is about, or why it is not ready.
pub(crate) struct Selected {
    pub(crate) name: String,
    pub(crate) ready: Result<Connection, Failure>,
}

impl Selected {
    /// The same, reading a range of the past where one is given.
    pub(crate) fn within(self, range: &RangeArguments) -> Selected {
        Selected { ready: self.ready.and_then(|connection| connection.within(range)), ..self }
    }
}

/// The one connection that a command is about: the one given on its command line, or the one named. Its
/// state is not kept.
pub(crate) fn one(
    global: &GlobalArguments,
    name: Option<&str>,
    given: &GivenConnection,
) -> Result<Connection, Failure> {
    let names: Vec<String> = name.into_iter().map(str::to_owned).collect();
    let mut selected = selected(global, &names, given)?;
    let selected = selected.pop().expect("one connection is given or named");
    selected.ready?.without_state()
}

/// The connections that a command is about: the one given on its command line, those named, or all of
/// the configuration file.
pub(crate) fn selected(
    global: &GlobalArguments,
    names: &[String],
    given: &GivenConnection,
) -> Result<Vec<Selected>, Failure> {
    if let Some((name, config)) = given.config()? {
        let ready = Connection::resolve(&name, &config, None, Path::new("."));
        return Ok(vec![Selected { name, ready }]);
    }
    let config = Config::load(&global.config)?;
    let names = match names {
        [] => config.content.connections.keys().cloned().collect(),
        names => names.to_vec(),
    };
    if names.is_empty() {
        let file = config.path.display();
        return Err(Failure::new("no_connection", format!("{file} names no connection")));
    }
    let selected = names.into_iter().map(|name| {
        let connection = named(&config, &name)?;
        let destination = config.content.destination.as_ref().map(|to| to.to.as_path());
        let ready = Connection::resolve(&name, connection, destination, config.folder());
        Ok(Selected { name, ready })
    });
    selected.collect()
}

/// The part of the file that is about the connection `name`.
pub(crate) fn named<'config>(
    config: &'config Config,
    name: &str,
) -> Result<&'config ConnectionConfig, Failure> {
    let connections = &config.content.connections;
    connections.get(name).ok_or_else(|| {
        let file = config.path.display();
        let failure =
            Failure::new("unknown_connection", format!("{file} has no connection {name:.60}"));
        match nearest(name, connections.keys().map(String::as_str)) {
            Some(meant) => failure.hint(format!("did you mean {meant}?")),
            None => failure.hint(format!(
                "it has {}",
                connections.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            )),
        }
    })
}

impl Connection {
    /// Looks references up and fills defaults in. Paths begin in `folder`.
    pub(crate) fn resolve(
        name: &str,
        config: &ConnectionConfig,
        destination: Option<&Path>,
        folder: &Path,
    ) -> Result<Connection, Failure> {
        let mut resolver = Resolver { folder, concealed: Secrets::default() };
        let namespace = config.namespace.clone().unwrap_or_else(|| reference::namespace_of(name));
        let function = resolver.function(name, config).map_err(|failure| failure.of(name))?;
        let sources = SecretSources::of(config, folder);
        let secrets = sources.read_here().map_err(|failure| failure.of(name))?;
        let mut warnings = sources.warnings();
        let to = config.destination.as_ref().map(|to| to.to.as_path()).or(destination);
        let destination = to.map(|to| resolver.location(to, &mut warnings)).transpose();
        let destination = destination.map_err(|failure| failure.of(name))?;
        let nul_characters = destination.as_ref().map(Location::nul_characters).unwrap_or_default();
        let agent =
            config.options.agent.clone().unwrap_or_else(|| {
                format!("hasmore/{}/{name}/{namespace}", env!("CARGO_PKG_VERSION"))
            });
        let limits = &config.limits;
        Ok(Connection {
            name: name.to_owned(),
            function,
            destination,
            memory_bytes_max: limits.memory.map(|size| size.0),
            agent,
            secrets,
            sources,
            renewed: Arc::default(),
            concealed: resolver.concealed,
            custom_payload: config.custom_payload.clone(),
            options: engine::Options {
                nul_characters,
                policy: config.policy(),
                ..options(&config.options)
            },
            limits: engine_limits(limits),
            response_bytes_max: limits.response_bytes.map(|size| size.0),
            call_timeout: limits.call_timeout.map(|span| span.0),
            warnings,
            namespace,
        })
    }

    /// The same connection, reading a range of the past where one is given.
    pub(crate) fn within(self, range: &RangeArguments) -> Result<Connection, Failure> {
        let Some(from) = &range.from else { return Ok(self) };
        let FunctionSource::Manifest(manifest) = &self.function else {
            let message = format!("connection {:.60} has no manifest", self.name);
            return Err(Failure::new("usage", message)
                .hint("a range is read by manifests; other functions go by their state"));
        };
        let manifest = manifest.between(from, range.until.as_deref()).map_err(|message| {
            Failure::new("usage", message).hint("leave `--from` out, or correct the manifest")
        })?;
        Ok(Connection { function: FunctionSource::Manifest(Box::new(manifest)), ..self })
    }

    /// Refuses a function whose state must be kept, for commands that keep none.
    pub(crate) fn without_state(self) -> Result<Connection, Failure> {
        match &self.function {
            FunctionSource::Manifest(manifest) if manifest.keeps_tokens() => Err(Failure::new(
                "state_needed",
                "its login gives out a new refresh token each time, which would be lost here",
            )
            .of(&self.name)
            .hint("sync; only a sync keeps what the state holds")),
            _ => Ok(self),
        }
    }

    /// Where rows land, for commands that cannot do without.
    pub(crate) fn destination(&self) -> Result<&Location, Failure> {
        self.destination.as_ref().ok_or_else(|| {
            Failure::new(
                "no_destination",
                format!("connection {:.60} has no destination", self.name),
            )
        })
    }

    /// A text without any secret of this connection (F-018).
    pub(crate) fn redact(&self, text: &str) -> String {
        let text = self.concealed.redact(&self.secrets.redact(text));
        self.renewed.lock().unwrap_or_else(PoisonError::into_inner).redact(&text)
    }

    /// The same connection, with what stores keep for it.
    pub(crate) async fn with_stored_secrets(mut self) -> Result<Connection, Failure> {
        let read = self.sources.add_stored(&mut self.secrets).await;
        read.map(|()| self.clone()).map_err(|failure| failure.of(&self.name))
    }
}

/// A bare name is looked for in `PATH`, not in a folder.
fn whole_program(folder: &Path, program: &Path) -> PathBuf {
    if program.components().count() == 1 { program.to_owned() } else { whole(folder, program) }
}

struct Resolver<'folder> {
    folder: &'folder Path,
    concealed: Secrets,
}

impl Resolver<'_> {
    fn function(
        &mut self,
        name: &str,
        config: &ConnectionConfig,
    ) -> Result<FunctionSource, Failure> {
        let folder = self.folder.to_owned();
        if let Some(url) = &config.url {
            let mut headers = self.all("header", &config.headers)?;
            let mut url = self.one("url", url)?;
            let aws = config.aws.as_ref().map(|aws| self.aws(aws)).transpose()?;
            let google = config.google.as_ref().map(|google| GoogleOptions {
                audience: google.audience.clone(),
                key_file: google.key_file.as_deref().map(|file| whole(&folder, file)),
            });
            let azure = config.azure.clone().unwrap_or_default();
            if let Some(key) = &azure.key {
                let key = self.one("key", key)?;
                match azure.key_in {
                    None | Some(KeyPlace::Header) => headers.push(("x-functions-key".into(), key)),
                    Some(KeyPlace::Query) => url = with_code(&url, &key),
                }
            }
            let azure = azure.resource.as_ref().map(|resource| {
                let secret = azure.client_secret.as_ref();
                Ok::<_, Failure>(EntraOptions {
                    resource: resource.clone(),
                    tenant_id: azure.tenant_id.clone(),
                    client_id: azure.client_id.clone(),
                    client_secret: secret.map(|it| self.one("client_secret", it)).transpose()?,
                })
            });
            let azure = azure.transpose()?;
            return Ok(FunctionSource::Url { url, headers, aws, google, azure });
        }
        if let Some(function) = &config.lambda {
            let aws = self.aws(&config.aws.clone().unwrap_or_default())?;
            let s3 = config.s3.as_ref().map(|s3| s3_options(s3, name));
            return Ok(FunctionSource::Lambda { function: function.clone(), aws, s3 });
        }
        if let Some(manifest) = &config.manifest {
            let manifest = load_manifest(&whole(&folder, manifest))?;
            return Ok(FunctionSource::Manifest(Box::new(manifest)));
        }
        let environment = self.all("environment variable", &config.environment)?;
        match (&config.handler, &config.command) {
            (Some(handler), _) => Ok(FunctionSource::Handler {
                handler: handler.clone(),
                environment,
                python: config.python.as_deref().map(|program| whole_program(&folder, program)),
                task_root: config.task_root.as_deref().map(|path| whole(&folder, path)),
                folder,
            }),
            (None, Some(command)) => {
                Ok(FunctionSource::Command { words: command.0.clone(), folder, environment })
            }
            (None, None) => unreachable!("a connection names a function: the file was checked"),
        }
    }

    fn aws(&mut self, config: &AwsConfig) -> Result<AwsOptions, Failure> {
        let external_id = config.external_id.as_ref();
        Ok(AwsOptions {
            region: config.region.clone(),
            profile: config.profile.clone(),
            role_arn: config.role_arn.clone(),
            external_id: external_id.map(|id| self.one("external_id", id)).transpose()?,
            endpoint: config.endpoint.clone(),
        })
    }

    fn all(
        &mut self,
        what: &str,
        texts: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let one = |(name, text): (&String, &String)| {
            Ok((name.clone(), self.one(&format!("{what} {name:.60}"), text)?))
        };
        texts.iter().map(one).collect()
    }

    /// Where rows land. Whatever its variables hold is concealed: it may be a password.
    fn location(&mut self, to: &Path, warnings: &mut Vec<Warning>) -> Result<Location, Failure> {
        for name in to.to_str().map(reference::variables).unwrap_or_default() {
            if let Some(value) = variable(&name) {
                self.concealed.insert(name, &value);
            }
        }
        let location = Location::resolve(to, self.folder, &variable)?;
        if let Location::Postgres(server) = &location
            && let Some(password) = server.password()
        {
            self.concealed.insert("the destination's password", &password);
        }
        if has_inline_password(to) {
            let message = "the password of the destination stands in its address; better a ${NAME}, PGPASSWORD or ~/.pgpass";
            warnings.push(Warning::new("inline_secret", message));
        }
        Ok(location)
    }

    /// A text that may refer to environment variables, whose values are then concealed in logs.
    fn one(&mut self, what: &str, text: &str) -> Result<String, Failure> {
        for name in reference::variables(text) {
            if let Some(value) = variable(&name) {
                self.concealed.insert(name, &value);
            }
        }
        reference::expand(text, &variable).map_err(|message| missing(what, message))
    }
}

/// The address with a function key in its query (F-010).
fn with_code(url: &str, key: &str) -> String {
    let key = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}code={key}")
}

/// Objects of one connection lie in a folder of its own (Dec-05).
fn s3_options(config: &S3Config, connection: &str) -> S3Options {
    let default = S3Options::default();
    let prefix = config.prefix.as_ref().unwrap_or(&default.folder);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let connection: String = connection.chars().map(plain).collect();
    S3Options {
        bucket: config.bucket.clone(),
        folder: format!("{prefix}/{connection}"),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        keep: config.keep,
        ..default
    }
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn options(config: &OptionsConfig) -> engine::Options {
    engine::Options {
        delete_mode: match config.delete_mode {
            None | Some(DeleteMode::Soft) => engine::DeleteMode::Soft,
            Some(DeleteMode::Hard) => engine::DeleteMode::Hard,
        },
        string_inference: match config.string_inference {
            None | Some(StringInference::Temporal) => engine::StringInference::Temporal,
            Some(StringInference::Full) => engine::StringInference::Full,
            Some(StringInference::None) => engine::StringInference::None,
        },
        naming: match config.naming {
            None | Some(Naming::Fivetran) => engine::Naming::Fivetran,
            Some(Naming::Source) => engine::Naming::Source,
        },
        keyless: match config.keyless {
            None | Some(Keyless::BatchIndex) => engine::Keyless::BatchIndex,
            Some(Keyless::RowHash) => engine::Keyless::RowHash,
        },
        soft_delete_timing: match config.soft_delete_timing {
            None | Some(SoftDeleteTiming::OnSuccess) => engine::SoftDeleteTiming::OnSuccess,
            Some(SoftDeleteTiming::OnResponse) => engine::SoftDeleteTiming::OnResponse,
        },
        lenient_numbers: config.lenient_numbers,
        nul_characters: engine::NulCharacters::default(),
        policy: std::sync::Arc::default(),
    }
}

fn engine_limits(config: &LimitsConfig) -> engine::Limits {
    let default = engine::Limits::default();
    engine::Limits {
        empty_pages_max: config.empty_pages.unwrap_or(default.empty_pages_max),
        sync_time_max: match config.sync_time {
            Some(span) => Some(span.0).filter(|time| !time.is_zero()),
            None => default.sync_time_max,
        },
        batch_rows_max: config.batch_rows.unwrap_or(default.batch_rows_max),
        batch_bytes_max: config.batch_bytes.map_or(default.batch_bytes_max, |size| size.0),
        batch_age_max: config.batch_age.map_or(default.batch_age_max, |span| span.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(yaml: &str) -> Result<Connection, Failure> {
        let content = crate::config::parse(&format!(
            "connections:\n  orders:\n    url: http://localhost\n    destination: {{to: a.duckdb}}\n{yaml}"
        ))
        .expect("a configuration");
        Connection::resolve("orders", &content.connections["orders"], None, Path::new("folder"))
    }

    #[test]
    fn f_008_the_default_agent_ends_in_the_namespace() {
        let connection = resolve("").expect("a connection");
        assert!(connection.agent.starts_with("hasmore/"), "{}", connection.agent);
        assert!(connection.agent.ends_with("/orders/orders"), "{}", connection.agent);
        let connection = resolve("    options: {agent: me}").expect("a connection");
        assert_eq!(connection.agent, "me");
    }

    #[test]
    fn paths_begin_in_the_folder_of_the_file() {
        let connection = resolve("").expect("a connection");
        let destination = connection.destination.map(|location| location.to_string());
        assert_eq!(destination.as_deref(), Some("folder/a.duckdb"));
    }

    #[test]
    fn f_018_an_unset_variable_is_named_and_an_inline_secret_warned_about() {
        let failure =
            resolve("    secrets: {key: \"${HASMORE_TEST_UNSET}\"}").expect_err("it is not set");
        assert_eq!(failure.code, "missing_secret");
        assert!(
            failure.message.contains("secret key: the environment variable HASMORE_TEST_UNSET")
        );
        let connection = resolve("    secrets: {key: hunter2}\n    allow_inline_secrets: true")
            .expect("a connection");
        assert_eq!(connection.warnings[0].code, "inline_secret");
        assert!(!format!("{connection:?}").contains("hunter2"));
        assert_eq!(connection.redact("my hunter2"), "my <secret key>");
    }

    #[test]
    fn a_limit_of_zero_is_off() {
        let connection =
            resolve("    limits: {sync_time: 0, empty_pages: 0}").expect("a connection");
        assert_eq!(connection.limits.sync_time_max, None);
        assert_eq!(connection.limits.empty_pages_max, 0);
    }
}
