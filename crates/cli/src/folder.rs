//! A folder for as long as a command runs.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Gone when dropped.
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// In the system's folder for such things, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn new(purpose: &str) -> Result<TemporaryFolder, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!("hasmore-{purpose}-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            let message = format!("the folder {} cannot be made: {error}", path.display());
            Failure::new("file_unwritable", message)
        })?;
        Ok(TemporaryFolder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What is left in the system's folder for temporary things is cleared by the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
