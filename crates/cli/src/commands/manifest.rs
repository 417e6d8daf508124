use connector::manifest::Manifest;

use crate::arguments::ManifestCommand;
use crate::config;
use crate::failure::{Exit, Failure};
use crate::output::outln;
use crate::paint::Paint;

pub(crate) fn run(command: &ManifestCommand) -> Result<Exit, Failure> {
    match command {
        ManifestCommand::Check(arguments) => {
            for file in &arguments.files {
                let manifest = config::load_manifest(file)?;
                outln!("{} is right", file.display());
                describe(&manifest);
            }
        }
        ManifestCommand::Schema => outln!("{}", Manifest::json_schema().trim_end()),
    }
    Ok(Exit::Landed)
}

/// How each table will be read, as the manifest says.
pub(super) fn describe(manifest: &Manifest) {
    let paint = Paint::of(&std::io::stdout());
    for table in manifest.describe() {
        outln!("  {}: {}", paint.bold(&table.name), table.request);
        outln!("    pages: {}", table.pages);
        outln!("    cursor: {}", table.cursor);
    }
}
