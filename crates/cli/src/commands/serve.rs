use function::{Settings, Told};

use crate::arguments::ServeArguments;
use crate::config;
use crate::failure::{Exit, Failure};

/// Serves until it is told to stop. What is answered is told on standard error.
pub(crate) fn run(arguments: &ServeArguments) -> Result<Exit, Failure> {
    let manifest = config::load_manifest(&arguments.manifest)?;
    let settings = Settings::read(&|name| std::env::var(name).ok(), arguments.address)?;
    let function = function::connector(manifest)?;
    let begun = |url: &str| eprintln!("serving at {url}");
    let served = super::runtime().block_on(function::serve(settings, Told(function), begun));
    served.map_err(|error| Failure::new("cannot_serve", format!("cannot serve: {error}")))?;
    Ok(Exit::Landed)
}
