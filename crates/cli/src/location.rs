//! Where a destination is: a file, or a database on a server.

use std::fmt;
use std::path::{Path, PathBuf};

use destination_postgres::Server;
use engine::NulCharacters;

use crate::failure::Failure;
use crate::reference;

/// Where rows land.
#[derive(Clone)]
pub(crate) enum Location {
    /// A DuckDB file.
    File(PathBuf),
    /// A lake of Delta tables.
    Lake(LakeAddress),
    /// A SQLite file.
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

/// Where the tables of a lake are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum LakeAddress {
    Folder(PathBuf),
    S3 { bucket: String, prefix: String },
}

impl Location {
    /// What `to` says, with its environment variables looked up. Paths begin in `folder`.
    pub(crate) fn resolve(
        to: &Path,
        folder: &Path,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Location, Failure> {
        let Some(text) = to.to_str() else { return Ok(Location::File(whole(folder, to))) };
        let text = reference::expand(text, variable)
            .map_err(|message| Failure::new("missing_secret", format!("destination: {message}")))?;
        if Server::is_url(&text) {
            return Ok(Location::Postgres(Box::new(Server::read(&text, variable)?)));
        }
        if let Some(address) = text.strip_prefix(LAKE_PREFIX) {
            return LakeAddress::resolve(address, folder).map(Location::Lake);
        }
        if text.contains("://") {
            return Err(Failure::new(
                "unknown_destination",
                "the destination is neither a file, nor a postgres:// or delta: address",
            ));
        }
        if let Some(path) = text.strip_prefix(SQLITE_PREFIX) {
            return Ok(Location::Sqlite(whole(folder, Path::new(path))));
        }
        let path = whole(folder, Path::new(&text));
        Ok(if is_sqlite_name(&path) { Location::Sqlite(path) } else { Location::File(path) })
    }

    /// The file that it is, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Location::File(path) | Location::Sqlite(path) => Some(path),
            Location::Postgres(_) | Location::Lake(_) => None,
        }
    }

    /// Whether there is something to look at; a server is taken to be there.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Location::Lake(LakeAddress::Folder(path)) => path.is_dir(),
            _ => self.file().is_none_or(Path::exists),
        }
    }

    /// Whether another is the same place, by whatever name.
    pub(crate) fn is_same(&self, other: &Location) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match (self, other) {
            (Location::File(left), Location::File(right))
            | (Location::Sqlite(left), Location::Sqlite(right)) => real(left) == real(right),
            (Location::Postgres(left), Location::Postgres(right)) => left.shown() == right.shown(),
            (Location::Lake(left), Location::Lake(right)) => left == right,
            _ => false,
        }
    }

    /// The file that only one process may write to; the other databases order commits themselves.
    pub(crate) fn file_to_lock(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(path),
            Location::Sqlite(_) | Location::Postgres(_) | Location::Lake(_) => None,
        }
    }

    pub(crate) fn nul_characters(&self) -> NulCharacters {
        match self {
            Location::File(_) | Location::Sqlite(_) | Location::Lake(_) => NulCharacters::Keep,
            Location::Postgres(_) => NulCharacters::Remove,
        }
    }
}

/// Without a password, whatever it is.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Sqlite(path) if is_sqlite_name(path) => path.display().fmt(f),
            Location::Sqlite(path) => write!(f, "{SQLITE_PREFIX}{}", path.display()),
            Location::Postgres(server) => f.write_str(server.shown()),
            Location::Lake(address) => write!(f, "{LAKE_PREFIX}{address}"),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl LakeAddress {
    fn resolve(text: &str, folder: &Path) -> Result<LakeAddress, Failure> {
        let unknown = |message: &str| Err(Failure::new("unknown_destination", message));
        let Some(rest) = text.strip_prefix("s3://") else {
            if text.contains("://") || text.is_empty() {
                return unknown("a lake is in a folder, or at s3://BUCKET/PREFIX");
            }
            return Ok(LakeAddress::Folder(whole(folder, Path::new(text))));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return unknown("the lake's address names no bucket: write delta:s3://BUCKET/PREFIX");
        }
        let prefix = prefix.trim_matches('/').to_owned();
        Ok(LakeAddress::S3 { bucket: bucket.to_owned(), prefix })
    }
}

/// As other programs take it.
impl fmt::Display for LakeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LakeAddress::Folder(path) => path.display().fmt(f),
            LakeAddress::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            LakeAddress::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Before the address of a lake.
const LAKE_PREFIX: &str = "delta:";
/// Before the path of a SQLite file that has another name.
const SQLITE_PREFIX: &str = "sqlite:";

fn is_sqlite_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sqlite" || extension == "sqlite3")
}

/// Whether an address has its password written out.
pub(crate) fn has_inline_password(to: &Path) -> bool {
    let password = |text: &str| {
        let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
        let password = authority.rsplit_once('@')?.0.split_once(':')?.1.to_owned();
        (!password.is_empty() && reference::variables(&password).is_empty()).then_some(())
    };
    let parameter = |text: &str| {
        let given =
            text.split_once('?')?.1.split('&').find_map(|pair| pair.strip_prefix("password="))?;
        reference::variables(given).is_empty().then_some(())
    };
    to.to_str().is_some_and(|text| password(text).or_else(|| parameter(text)).is_some())
}

/// Paths in a file begin in the file's folder, without a `./` before them.
pub(crate) fn whole(folder: &Path, path: &Path) -> PathBuf {
    if folder == Path::new(".") { path.to_owned() } else { folder.join(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: &str, expected: Result<&str, &str>) {
        let variable = |name: &str| match name {
            "URL" => Some("postgres://ada:secret@db/shop".to_owned()),
            "FILE" => Some("b.duckdb".to_owned()),
            "PGPASSFILE" => Some("/nowhere".to_owned()),
            _ => None,
        };
        let found = Location::resolve(Path::new(to), Path::new("folder"), &variable);
        let found = found.map(|location| location.to_string()).map_err(|failure| failure.code);
        assert_eq!(found, expected.map(str::to_owned), "{to}");
    }

    #[test]
    fn a_destination_is_a_file_or_a_server() {
        check("a.duckdb", Ok("folder/a.duckdb"));
        check("/a.duckdb", Ok("/a.duckdb"));
        check("a.sqlite", Ok("folder/a.sqlite"));
        check("sqlite:/a.db", Ok("sqlite:/a.db"));
        check("sqlite://a.db", Err("unknown_destination"));
        check("delta:lake", Ok("delta:folder/lake"));
        check("delta:s3://shop/lake/", Ok("delta:s3://shop/lake"));
        check("delta:s3://shop", Ok("delta:s3://shop"));
        check("delta:s3:///lake", Err("unknown_destination"));
        check("delta:gs://shop/lake", Err("unknown_destination"));
        check("${FILE}", Ok("folder/b.duckdb"));
        check("${URL}", Ok("postgres://ada@db/shop"));
        check("postgres://ada:secret@db:6432/shop", Ok("postgres://ada@db:6432/shop"));
        check("mysql://db/shop", Err("unknown_destination"));
        check("postgres://ada:secret@db:x/shop", Err("destination_url"));
        check("${NOTHING}", Err("missing_secret"));
    }

    #[test]
    fn a_password_written_out_is_noticed() {
        for (to, expected) in [
            ("postgres://ada:secret@db/shop", true),
            ("postgres://ada@db/shop?sslmode=require&password=secret", true),
            ("postgres://ada:${PASSWORD}@db/shop", false),
            ("postgres://ada@db:5432/shop", false),
            ("${DATABASE_URL}", false),
            ("a:b@c.duckdb", false),
        ] {
            assert_eq!(has_inline_password(Path::new(to)), expected, "{to}");
        }
    }
}
