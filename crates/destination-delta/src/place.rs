//! Where things are in a lake.

use std::sync::Arc;

use engine::DestinationError;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::refused;

/// A folder of a file system, or of a bucket, that holds Delta tables.
#[derive(Clone)]
pub struct Lake {
    pub(crate) store: Arc<dyn ObjectStore>,
    root: Path,
}

/// What stands as it is in the name of a folder, on every file system and in every store.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'_').remove(b'-');
/// No namespace may be called so: its tables would be among the positions.
pub(crate) const POSITIONS: &str = "_hasmore";
const LOG: &str = "_delta_log";

impl Lake {
    /// What begins with `prefix` in a store.
    ///
    /// # Errors
    /// Where the prefix is no name of an object.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Lake, DestinationError> {
        let root = Path::parse(prefix).map_err(|error| {
            let message = format!("the lake's prefix cannot be used: {error}");
            refused("destination_not_found", message, "use letters, digits, - _ . and / in it")
        })?;
        Ok(Lake { store, root })
    }

    /// A folder of this machine; it is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or used.
    pub fn folder(path: &std::path::Path) -> Result<Lake, DestinationError> {
        let shown = path.display().to_string();
        let opened = std::fs::create_dir_all(path).map_err(|error| error.to_string());
        let opened = opened.and_then(|()| {
            let store =
                LocalFileSystem::new_with_prefix(path).map_err(|error| error.to_string())?;
            // A folder that is not empty cannot go; one that is, is nothing.
            Ok(store.with_automatic_cleanup(true))
        });
        let store = opened.map_err(|error| {
            let message = format!("{shown} cannot be used as a folder: {error}");
            refused(
                "destination_not_found",
                message,
                "check the path, and that you may write there",
            )
        })?;
        Ok(Lake { store: Arc::new(store), root: Path::default() })
    }

    /// The folder of a table: `orders` of the namespace `shop` is `shop/orders`.
    pub(crate) fn table(&self, namespace: &str, table: &str) -> Path {
        self.root.clone().join(plain(namespace)).join(plain(table))
    }

    /// The folder of all positions.
    pub(crate) fn positions(&self) -> Path {
        self.root.clone().join(POSITIONS)
    }

    /// The folder of the positions of a connection.
    pub(crate) fn positions_of(&self, connection: &str) -> Path {
        self.positions().join(plain(connection))
    }
}

/// The folder of a table's log.
pub(crate) fn log_of(table: &Path) -> Path {
    table.clone().join(LOG)
}

/// A file named after a number: names sort as the numbers do.
pub(crate) fn numbered(folder: &Path, number: u64) -> Path {
    folder.clone().join(format!("{number:020}.json"))
}

/// The number that a file is named after.
pub(crate) fn number_of(file: &Path) -> Option<u64> {
    let digits = file.filename()?.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok())?
}

/// The folder of a table in its lake: `shop/orders`. What is neither a letter of English, a digit, `_` nor `-`
/// is written as `!` and the number of its byte, as addresses do with `%`.
pub fn folder_of(namespace: &str, table: &str) -> String {
    format!("{}/{}", plain(namespace), plain(table))
}

fn plain(name: &str) -> String {
    // Stores encode the percent sign once more.
    utf8_percent_encode(name, &PLAIN).to_string().replace('%', "!")
}
