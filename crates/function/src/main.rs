//! `hasmore-function`: one manifest as a deployed function, in a small binary.
//!
//! It takes the manifest's path, or finds `manifest.yaml` in the current folder or beside itself; where
//! it runs is read from the environment (`Settings::read`).

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use connector::manifest::Manifest;
use function::{Place, Settings, Told};
use protocol::FunctionError;
use transport::LambdaRuntime;

const MANIFEST: &str = "manifest.yaml";
const PORT: u16 = 8080;
const USAGE: &str = "hasmore-function [MANIFEST]: answers the Functions protocol by what a manifest says, as a Lambda, on $PORT, or as an Azure custom handler";

fn main() -> ExitCode {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    match given.as_deref().and_then(Path::to_str) {
        Some("--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-V") => {
            println!("hasmore-function {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    // Calls only ever wait: one thread is enough, and it starts at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system lets a process wait for its sockets");
    match runtime.block_on(run(given)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            eprintln!("{told}");
            ExitCode::from(2)
        }
    }
}

async fn run(given: Option<PathBuf>) -> Result<(), String> {
    let otherwise = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let settings = Settings::read(&|name| std::env::var(name).ok(), otherwise).map_err(tell)?;
    let function = match load(given).and_then(function::connector) {
        Ok(function) => function,
        Err(error) => {
            if let Place::Lambda(api) = &settings.place {
                // What cannot be told there is told on standard error, below.
                let _ = LambdaRuntime::new(api).refuse(error.clone()).await;
            }
            return Err(tell(error));
        }
    };
    let begun = |url: &str| eprintln!("serving at {url}");
    let served = Box::pin(function::serve(settings, Told(function), begun)).await;
    served.map_err(|error| format!("error[cannot_serve]: {error}"))
}

fn load(given: Option<PathBuf>) -> Result<Manifest, FunctionError> {
    let path = given.unwrap_or_else(find);
    let refused = |code, message| FunctionError::Refused {
        code,
        message,
        hint: "check it with `hasmore manifest check`".into(),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("the manifest {} cannot be read: {error}", path.display());
        refused("manifest_unreadable", message)
    })?;
    Manifest::parse(&text).map_err(|problems| {
        let shown = problems.iter().map(|problem| problem.render(&path.to_string_lossy(), &text));
        refused("invalid_manifest", shown.collect::<Vec<_>>().join("\n"))
    })
}

fn find() -> PathBuf {
    let here = PathBuf::from(MANIFEST);
    let beside =
        std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(MANIFEST)));
    match beside {
        Some(beside) if !here.is_file() => beside,
        _ => here,
    }
}

fn tell(error: FunctionError) -> String {
    let code = error.code();
    match error {
        FunctionError::Refused { message, hint, .. } => {
            format!("error[{code}]: {message}\n  hint: {hint}")
        }
        other => format!("error[{code}]: {other}"),
    }
}
