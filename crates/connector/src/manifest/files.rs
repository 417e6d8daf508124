//! Files as the source of a table, and the stores that hold them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use crate::yaml::Span;

/// The files whose rows are a table's: new and changed ones since the last sync.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Where the files are, one place or several; templates. A path of this machine, `s3://bucket/path`,
    /// `gs://bucket/path`, `az://container/path`, `sftp://host/path`, or the address of one file,
    /// `https://…`. In a name, `*` stands for any characters, `?` for one and `[…]` for one of these; `**`
    /// for any folders.
    pub paths: OneOrMany,
    /// How long after a newer one a file may still appear, as an upload of an hour does that bears the time
    /// at which it began. What is older than that is not looked at again. Default: 1d.
    pub lookback: Option<Span>,
}

/// How the stores of `files` are reached. What is not said is taken from where the process runs, as AWS's,
/// Google's and Azure's own programs do: environment, instance, workload identity.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// `s3://`: Amazon S3, and stores that speak like it.
    pub s3: S3,
    /// `gs://`: Google Cloud Storage.
    pub gs: Gs,
    /// `az://`: Azure Blob Storage.
    pub az: Az,
    /// `sftp://`: a server that is reached by SFTP.
    pub sftp: Sftp,
}

impl Storage {
    /// Every text of it, in one order.
    pub(crate) fn texts(&mut self) -> Vec<&mut Option<String>> {
        let Storage { s3, gs, az, sftp } = self;
        vec![
            &mut s3.region,
            &mut s3.endpoint,
            &mut s3.access_key_id,
            &mut s3.secret_access_key,
            &mut s3.session_token,
            &mut gs.endpoint,
            &mut gs.service_account_key,
            &mut az.account,
            &mut az.endpoint,
            &mut az.access_key,
            &mut az.sas_token,
            &mut sftp.user,
            &mut sftp.password,
            &mut sftp.private_key,
            &mut sftp.passphrase,
            &mut sftp.host_key,
            &mut sftp.known_hosts,
        ]
    }
}

/// Amazon S3, and stores that speak like it; all templates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// The bucket's region. Default: as the environment says, or us-east-1.
    pub region: Option<String>,
    /// Another address than Amazon's.
    pub endpoint: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    /// For keys that are lent for a while.
    pub session_token: Option<String>,
    /// Whether requests are not signed: for buckets that anybody may read.
    pub anonymous: bool,
}

/// Google Cloud Storage; all templates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Gs {
    /// Another address than Google's.
    pub endpoint: Option<String>,
    /// The key of a service account: the JSON that Google gives out.
    pub service_account_key: Option<String>,
    /// Whether requests are not signed: for buckets that anybody may read.
    pub anonymous: bool,
}

/// Azure Blob Storage; all templates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Az {
    /// The name of the storage account.
    pub account: Option<String>,
    /// Another address than Azure's.
    pub endpoint: Option<String>,
    /// One of the account's keys.
    pub access_key: Option<String>,
    /// A shared access signature, in place of a key: `sv=…&sig=…`.
    pub sas_token: Option<String>,
    /// Whether requests are not signed: for containers that anybody may read.
    pub anonymous: bool,
}

/// A server that is reached by SFTP, in `sftp://host/path` or `sftp://user@host:port/path`; a path that
/// begins with `/~/` is in the folder that one logs in to. All templates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Sftp {
    /// Who logs in, where the path does not say it.
    pub user: Option<String>,
    pub password: Option<String>,
    /// A private key as OpenSSH, PEM or PuTTY have it. Where there is a password too, the key is tried first.
    pub private_key: Option<String>,
    /// What the private key is locked with.
    pub passphrase: Option<String>,
    /// The key that the server must show: its fingerprint, `SHA256:…`, or the key, `ssh-ed25519 AAAA…`;
    /// several are separated by commas.
    pub host_key: Option<String>,
    /// The file of the keys that servers must show, where there is no `host_key`. Default:
    /// `~/.ssh/known_hosts`.
    pub known_hosts: Option<String>,
}

/// Where files are, by how a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Local,
    S3,
    Gs,
    Az,
    Sftp,
    /// One file at an address.
    Url,
}

impl Scheme {
    /// The kind of a path, and what follows the scheme.
    pub(crate) fn of(path: &str) -> Result<(Scheme, &str), String> {
        let Some((scheme, rest)) = path.split_once("://") else {
            return Ok((Scheme::Local, path));
        };
        Ok(match scheme {
            "file" => (Scheme::Local, rest),
            "s3" => (Scheme::S3, rest),
            "gs" => (Scheme::Gs, rest),
            "az" => (Scheme::Az, rest),
            "sftp" => (Scheme::Sftp, rest),
            "http" | "https" => (Scheme::Url, path),
            _ => {
                return Err(format!(
                    "`{scheme:.20}://` is unknown; known are file, s3, gs, az, sftp and https"
                ));
            }
        })
    }
}

mod forms {
    use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

    use super::{Files, OneOrMany};

    /// `files:` as a table says it: the paths, or a map.
    pub(in crate::manifest) fn read<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Files>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Files;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, a list of paths, or {paths: …}")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Files, E> {
                Ok(Files { paths: OneOrMany(vec![path.to_owned()]), ..Files::default() })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Files, A::Error> {
                let paths = Vec::deserialize(SeqAccessDeserializer::new(items))?;
                Ok(Files { paths: OneOrMany(paths), ..Files::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Files, A::Error> {
                Files::deserialize(MapAccessDeserializer::new(map))
            }
        }
        from.deserialize_any(Any).map(Some)
    }

    /// The schema of both forms.
    pub(in crate::manifest) fn schema(
        generator: &mut schemars::SchemaGenerator,
    ) -> schemars::Schema {
        let files = generator.subschema_for::<Files>();
        schemars::json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" } },
                files
            ]
        })
    }
}

pub(super) use forms::{read, schema};
