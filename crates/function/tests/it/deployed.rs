//! A manifest, deployed in each of the ways.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use protocol::{Function, FunctionError, Request, Response};
use tempfile::TempDir;
use transport::{HandlerFunction, HandlerOptions, HttpFunction, HttpOptions};

/// The ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In this process, with nothing in between.
    Direct,
    /// `bootstrap` behind a Lambda Runtime API.
    Lambda,
    /// On `$PORT`, with a key.
    Container,
    /// Behind a host that forwards requests to a port.
    Azure,
}

pub(crate) const WAYS: [Way; 4] = [Way::Direct, Way::Lambda, Way::Container, Way::Azure];

/// A function that can be called; whatever runs it ends with it.
pub(crate) struct Deployed {
    function: AnyFunction,
    _process: Option<Process>,
    _folder: TempDir,
}

enum AnyFunction {
    Direct(Box<connector::Connector>),
    Lambda(Box<HandlerFunction>),
    Http(Box<HttpFunction>),
}

pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hasmore-function");
const KEY: &str = "the-key-of-the-test";

impl Deployed {
    pub(crate) fn start(way: Way, manifest: &str) -> Deployed {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("manifest.yaml"), manifest).expect("a manifest");
        let program = Path::new(BINARY);
        let (function, process) = match way {
            Way::Direct => {
                let manifest = connector::manifest::Manifest::parse(manifest).expect("a manifest");
                let connector = function::connector(manifest).expect("a connector");
                (AnyFunction::Direct(Box::new(connector)), None)
            }
            Way::Lambda => {
                std::os::unix::fs::symlink(BINARY, folder.path().join("bootstrap"))
                    .expect("a link");
                let options = HandlerOptions {
                    folder: folder.path().to_owned(),
                    ..HandlerOptions::default()
                };
                let function = HandlerFunction::new("bootstrap", options).expect("a program");
                (AnyFunction::Lambda(Box::new(function)), None)
            }
            Way::Container => {
                let (process, url) =
                    start(program, folder.path(), &[("PORT", "0"), ("HASMORE_KEY", KEY)]);
                let headers = vec![("Authorization".to_owned(), format!("Bearer {KEY}"))];
                (http(&url, headers), Some(process))
            }
            Way::Azure => {
                let (process, url) =
                    start(program, folder.path(), &[("FUNCTIONS_CUSTOMHANDLER_PORT", "0")]);
                // The host forwards the request with the path of the function.
                (http(&format!("{url}api/orders"), Vec::new()), Some(process))
            }
        };
        Deployed { function, _process: process, _folder: folder }
    }
}

fn http(url: &str, headers: Vec<(String, String)>) -> AnyFunction {
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let options = HttpOptions { headers, ..HttpOptions::default() };
    AnyFunction::Http(Box::new(HttpFunction::new(&url, options).expect("a URL")))
}

/// Starts the binary and waits for the address that it tells.
pub(crate) fn start(
    program: &Path,
    folder: &Path,
    environment: &[(&str, &str)],
) -> (Process, String) {
    let mut command = Command::new(program);
    command.current_dir(folder).envs(environment.iter().copied()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().expect("the binary starts"));
    let stderr = process.0.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(stderr).lines();
    let first = lines.next().expect("a line").expect("text");
    let url = first.strip_prefix("serving at ").expect("an address").to_owned();
    // What it tells later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (process, url)
}

impl Function for Deployed {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        match &self.function {
            AnyFunction::Direct(function) => function.call(request).await,
            AnyFunction::Lambda(function) => function.call(request).await,
            AnyFunction::Http(function) => function.call(request).await,
        }
    }
}
