use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::FunctionError;
use tokio::process::Command;

use crate::cache;
use crate::handler::Launch;
use crate::handler_file::HandlerFile;
use crate::log::{Log, LogLine};
use crate::process::on_the_path;

/// Finds or installs AWS's runtime client for Node.
///
/// In this order: the folder named, the handler's own `node_modules` or that of `folder`, the cache.
pub(crate) async fn launch(
    file: &HandlerFile,
    folder: &Path,
    client_folder: Option<&Path>,
    cache_folder: &Path,
    log: &Log,
) -> Result<Launch, FunctionError> {
    let Some(program) = on_the_path("node") else {
        return Err(FunctionError::Refused {
            code: "missing_runtime",
            message: format!("handler {} needs Node, and there is no node on the PATH", file.handler),
            hint: "install Node 18 or newer with npm (Debian and Ubuntu: apt install nodejs npm; macOS: brew install node)".into(),
        });
    };
    let named = client_folder.map(|client| folder.join(client));
    let near = [Some(file.task_root.clone()), Some(folder.to_owned())];
    let script = match named.into_iter().chain(near.into_iter().flatten()).find_map(|f| script(&f))
    {
        Some(script) => script,
        None => {
            let prefix = cache_folder.join("node").join(CLIENT_PINNED.replace('@', "-"));
            cache::made_once(&prefix, log, install(&prefix, log)).await?;
            script(&prefix).ok_or_else(|| FunctionError::Refused {
                code: "environment_failed",
                message: format!(
                    "{CLIENT_PINNED} was installed in {}, and its script is not there",
                    prefix.display()
                ),
                hint: "remove that folder and try again".into(),
            })?
        }
    };
    let script = std::path::absolute(&script).unwrap_or(script);
    let arguments = vec![script.into(), file.handler.as_str().into()];
    Ok(Launch { program, arguments, environment: Vec::new() })
}

const CLIENT_PINNED: &str = "aws-lambda-ric@3.3.0";
/// What its native part is compiled with.
const TOOLS: [&str; 6] = ["cmake", "autoconf", "automake", "libtoolize", "g++", "make"];
/// Five minutes on a usual machine.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The client's script in a folder's `node_modules`, under the name of its version.
fn script(folder: &Path) -> Option<PathBuf> {
    let client = folder.join("node_modules/aws-lambda-ric/bin");
    ["index.mjs", "index.js"].map(|name| client.join(name)).into_iter().find(|file| file.is_file())
}

async fn install(prefix: &Path, log: &Log) -> Result<(), FunctionError> {
    let missing: Vec<_> =
        ["npm"].into_iter().chain(TOOLS).filter(|tool| on_the_path(tool).is_none()).collect();
    if !missing.is_empty() {
        return Err(FunctionError::Refused {
            code: "missing_runtime",
            message: format!(
                "AWS's runtime client for Node has to be compiled once, and these are not on the PATH: {}",
                missing.join(", ")
            ),
            hint: "install them (Debian and Ubuntu: apt install npm cmake autoconf automake libtool g++ make)".into(),
        });
    }
    log(LogLine::hasmore(format!(
        "installing {CLIENT_PINNED}; it compiles native code, which takes about five minutes; this happens once"
    )));
    let (name, version) = CLIENT_PINNED.split_once('@').expect("a pinned package has a version");
    // npm runs the scripts of packages only where a project allows it by name.
    let project = serde_json::json!({
        "private": true,
        "dependencies": { name: version },
        "allowScripts": { name: true },
    });
    let failed = |message: String| FunctionError::Refused {
        code: "environment_failed",
        message: format!("{CLIENT_PINNED} could not be installed: {message}"),
        hint: format!("its native part needs {}; npm's own log says more", TOOLS.join(", ")),
    };
    std::fs::write(prefix.join("package.json"), project.to_string())
        .map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new("npm");
    // What its compiler prints is hundreds of lines that only matter when it fails, and npm shows them then.
    command.args(["install", "--no-audit", "--no-fund", "--no-progress", "--loglevel", "error"]);
    command.args(["--foreground-scripts=false", "--prefix"]);
    command.arg(prefix).current_dir(prefix);
    cache::install(command, "npm install", INSTALL_TIMEOUT, log).await.map_err(failed)
}
