use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::FunctionError;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::cache;
use crate::handler::Launch;
use crate::handler_file::HandlerFile;
use crate::log::{Log, LogLine};
use crate::process::on_the_path;

/// Finds or makes a Python that has AWS's runtime client and what the handler imports.
///
/// In this order: the interpreter named, `.venv` beside the handler or in `folder`, `$VIRTUAL_ENV`,
/// all of which are used as they are and never changed; else an environment in the cache, made once
/// for each content of the handler's `requirements.txt`.
pub(crate) async fn launch(
    file: &HandlerFile,
    folder: &Path,
    interpreter: Option<&Path>,
    cache_folder: &Path,
    log: &Log,
) -> Result<Launch, FunctionError> {
    if let Some(program) = find_interpreter(file, folder, interpreter) {
        let python = Python::ask(program).await?;
        log(LogLine::hasmore(format!("using {}", python.program.display())));
        if python.has_client {
            return Ok(launch_with(python.program, ["-m", CLIENT], file));
        }
        let client =
            python.environment(cache_folder, None, &[python.client_pinned()?], log).await?;
        let packages =
            client.join(format!("lib/python{}.{}/site-packages", python.major, python.minor));
        let arguments = [OsString::from("-c"), RUN_FROM.into(), packages.into()];
        return Ok(launch_with(python.program, arguments, file));
    }
    let Some(program) = on_the_path("python3") else {
        return Err(FunctionError::Refused {
            code: "missing_runtime",
            message: format!("handler {} needs Python, and there is no python3 on the PATH", file.handler),
            hint: "install Python 3.9 or newer (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python)".into(),
        });
    };
    let python = Python::ask(program).await?;
    let requirements = file.task_root.join("requirements.txt");
    let listed = read_requirements(&requirements, 0);
    let mut packages = Vec::new();
    if !names_package(&listed, CLIENT) {
        packages.push(python.client_pinned()?);
    }
    // Lambda's own Python has it, so handlers use it without listing it.
    if !names_package(&listed, "boto3") && uses_boto3(&file.task_root) {
        packages.push("boto3".into());
    }
    let requirements = requirements.is_file().then_some((requirements.as_path(), listed.as_str()));
    let environment = python.environment(cache_folder, requirements, &packages, log).await?;
    Ok(launch_with(environment.join("bin/python"), ["-m", CLIENT], file))
}

/// AWS's runtime client, a package and a module of one name.
const CLIENT: &str = "awslambdaric";
/// Runs the client from a folder that comes after everything the environment has itself.
const RUN_FROM: &str = "import runpy, sys; sys.path.append(sys.argv.pop(1)); \
     runpy.run_module('awslambdaric', run_name='__main__', alter_sys=True)";
/// Prints what has to be known about an interpreter, a line each.
const QUESTIONS: &str = "import importlib.util as u, sys; \
     print(*sys.version_info[:2], int(u.find_spec('awslambdaric') is not None)); \
     print(sys.version.split()[0], sys.base_prefix)";
/// Packages that have to be compiled take minutes.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(20 * 60);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Requirements that include each other in a circle must end.
const INCLUDES_MAX: u32 = 8;
/// More files than a handler has; a whole disk must not be read to find one import.
const FILES_READ_MAX: usize = 500;

struct Python {
    program: PathBuf,
    major: u32,
    minor: u32,
    has_client: bool,
    /// Differs where an environment made by one would not serve the other.
    identity: String,
}

impl Python {
    async fn ask(program: PathBuf) -> Result<Python, FunctionError> {
        let refused = |why: String| FunctionError::Refused {
            code: "missing_runtime",
            message: format!("{} is not a Python that works: {why}", program.display()),
            hint: "make the environment anew, or name another interpreter".into(),
        };
        let asked = Command::new(&program).args(["-c", QUESTIONS]).kill_on_drop(true).output();
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked)
            .await
            .map_err(|_| refused("it does not answer".into()))?
            .map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let mut lines = text.lines();
        let numbers: Vec<u32> = lines
            .next()
            .unwrap_or_default()
            .split(' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        let &[major, minor, has_client] = numbers.as_slice() else {
            return Err(refused(String::from_utf8_lossy(&answer.stderr).trim().to_owned()));
        };
        let identity = lines.next().unwrap_or_default().to_owned();
        Ok(Python { program, major, minor, has_client: has_client == 1, identity })
    }

    /// The newest client that this Python can run.
    fn client_pinned(&self) -> Result<String, FunctionError> {
        let version = match (self.major, self.minor) {
            (3, 10..) => "4.2.2",
            (3, 9) => "3.1.1",
            (3, 6..) => "2.2.1",
            (major, minor) => {
                return Err(FunctionError::Refused {
                    code: "missing_runtime",
                    message: format!(
                        "{} is Python {major}.{minor}, which AWS's runtime client does not run on",
                        self.program.display()
                    ),
                    hint: "use Python 3.9 or newer".into(),
                });
            }
        };
        Ok(format!("{CLIENT}=={version}"))
    }

    /// A virtual environment in the cache with the requirements and packages, made if need be.
    async fn environment(
        &self,
        cache_folder: &Path,
        requirements: Option<(&Path, &str)>,
        packages: &[String],
        log: &Log,
    ) -> Result<PathBuf, FunctionError> {
        let mut digest = Sha256::new();
        let text = requirements.map_or("", |(_, text)| text);
        for part in [self.identity.as_str(), text, &packages.join("\n")] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let half = u128::from_be_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes"));
        let name = format!("{half:032x}");
        let folder = cache_folder.join("venvs").join(name);
        let list = requirements.map(|(list, _)| list);
        cache::made_once(&folder, log, self.make(&folder, list, packages, log)).await?;
        Ok(folder)
    }

    async fn make(
        &self,
        folder: &Path,
        requirements: Option<&Path>,
        packages: &[String],
        log: &Log,
    ) -> Result<(), FunctionError> {
        let mut what = packages.join(" ");
        if let Some(list) = requirements {
            what = format!("{} and {what}", list.display());
        }
        log(LogLine::hasmore(format!(
            "making a Python environment with {what}; this happens once"
        )));
        let mut command = Command::new(&self.program);
        command.args(["-m", "venv"]).arg(folder);
        cache::install(command, "python -m venv", INSTALL_TIMEOUT, log).await.map_err(|message| {
            FunctionError::Refused {
                code: "missing_runtime",
                message,
                hint: "install what Python needs for virtual environments (Debian and Ubuntu: apt install python3-venv)".into(),
            }
        })?;
        let mut command = Command::new(folder.join("bin/python"));
        command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        command.args(["--progress-bar", "off"]);
        if let Some(list) = requirements {
            // Paths in the list are relative to its folder.
            command.current_dir(list.parent().expect("a list is in a folder")).arg("-r").arg(list);
        }
        command.args(packages);
        cache::install(command, "pip install", INSTALL_TIMEOUT, log).await.map_err(|message| {
            FunctionError::Refused {
                code: "environment_failed",
                message: format!("what the handler needs could not be installed: {message}"),
                hint: "correct requirements.txt, or check the connection to the package index"
                    .into(),
            }
        })
    }
}

fn find_interpreter(file: &HandlerFile, folder: &Path, named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(folder.join(named));
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let beside = [file.task_root.join(".venv"), folder.join(".venv")];
    let program =
        beside.into_iter().chain(active).map(|environment| environment.join("bin/python"));
    program.into_iter().find(|program| program.is_file()).map(|program| {
        // The process runs elsewhere.
        std::path::absolute(&program).unwrap_or(program)
    })
}

fn launch_with(
    program: PathBuf,
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
    file: &HandlerFile,
) -> Launch {
    let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    arguments.push(file.handler.as_str().into());
    Launch { program, arguments, environment: vec![("PYTHONUNBUFFERED", "1".into())] }
}

/// The text of a requirements file and of the files it includes.
fn read_requirements(list: &Path, depth: u32) -> String {
    let Ok(text) = fs::read_to_string(list) else { return String::new() };
    let mut all = text.clone();
    if depth < INCLUDES_MAX {
        for line in text.lines() {
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            if let Some("-r" | "--requirement" | "-c" | "--constraint") = words.next()
                && let Some(other) = words.next()
            {
                let other = list.parent().expect("a list is in a folder").join(other);
                all.push('\n');
                all.push_str(&read_requirements(&other, depth + 1));
            }
        }
    }
    all
}

fn names_package(requirements: &str, package: &str) -> bool {
    requirements.lines().any(|line| {
        let name = line.trim().split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next();
        name.is_some_and(|name| name.eq_ignore_ascii_case(package))
    })
}

/// Whether a Python file of the handler names boto3 or its core; two levels of folders are read.
fn uses_boto3(task_root: &Path) -> bool {
    let files = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).take(FILES_READ_MAX).collect::<Vec<_>>()
    };
    let top = files(task_root);
    let below = top.iter().filter(|path| path.is_dir()).flat_map(|folder| files(folder));
    let python = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "py");
    top.iter().cloned().chain(below).filter(python).take(FILES_READ_MAX).any(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.contains("boto3") || text.contains("botocore")
    })
}
