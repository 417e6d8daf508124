use std::path::{Path, PathBuf};

use protocol::FunctionError;

/// A Lambda handler found on this machine: `orders/lambda_function.lambda_handler`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HandlerFile {
    /// What Lambda calls the task root: the process runs here and imports from here.
    pub(crate) task_root: PathBuf,
    /// The handler as the runtime client wants it, relative to the task root.
    pub(crate) handler: String,
    pub(crate) language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
    /// A program that speaks the Runtime API itself, as `bootstrap` does on Lambda.
    Program,
}

impl HandlerFile {
    /// Finds the file that `spec` names.
    ///
    /// Its folder is the task root, unless `task_root` names another: then the whole of `spec` is
    /// relative to that, as in Lambda's own configuration.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when there is no such file, or one of each language.
    pub(crate) fn find(
        spec: &str,
        folder: &Path,
        task_root: Option<&Path>,
    ) -> Result<HandlerFile, FunctionError> {
        let (directory, name) = match spec.rsplit_once('/') {
            Some((directory, name)) => (directory, name),
            None => ("", spec),
        };
        let (task_root, handler) = match task_root {
            Some(task_root) => (folder.join(task_root), spec),
            None => (folder.join(directory), name),
        };
        let directory = match handler.rsplit_once('/') {
            Some((directory, _)) => task_root.join(directory),
            None => task_root.clone(),
        };
        if is_program(&directory.join(name)) {
            let task_root = whole(&task_root);
            return Ok(HandlerFile {
                task_root,
                handler: handler.to_owned(),
                language: Language::Program,
            });
        }
        if directory.join(name).is_file() {
            return Err(FunctionError::Refused {
                code: "handler_not_found",
                message: format!("handler {spec} names a file and no function in it"),
                hint: format!("leave the file's ending out and {EXAMPLE}"),
            });
        }
        let looked_for = candidates(&directory, name);
        let found: Vec<_> = looked_for.iter().filter(|(_, file)| file.is_file()).collect();
        let Some(&&(language, ref file)) = found.first() else {
            return Err(not_found(spec, &directory, name, &looked_for));
        };
        if let Some((_, other)) = found.iter().find(|(each, _)| *each != language) {
            return Err(FunctionError::Refused {
                code: "handler_ambiguous",
                message: format!("handler {spec} may be {} or {}", file.display(), other.display()),
                hint: "move one of them to another folder".into(),
            });
        }
        Ok(HandlerFile { task_root: whole(&task_root), handler: handler.to_owned(), language })
    }
}

/// The process runs in the task root, so a relative path would not survive.
fn whole(task_root: &Path) -> PathBuf {
    let whole = std::path::absolute(task_root);
    whole.as_deref().unwrap_or(task_root).components().collect()
}

/// A file that may be run, and that is no source file.
fn is_program(file: &Path) -> bool {
    use rustix::fs::{Access, access};
    file.extension().is_none() && file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

const EXAMPLE: &str =
    "name the function after a dot, for example orders/lambda_function.lambda_handler";

/// Every file that the name may mean, by the rules of the two runtime clients: Python's takes the
/// function after the last dot, Node's after the first.
fn candidates(directory: &Path, name: &str) -> Vec<(Language, PathBuf)> {
    let mut candidates = Vec::new();
    if let Some((module, _)) = name.rsplit_once('.') {
        let module = directory.join(module.replace('.', "/"));
        candidates.push((Language::Python, with_extension(&module, "py")));
        candidates.push((Language::Python, module.join("__init__.py")));
    }
    if let Some((module, _)) = name.split_once('.') {
        for extension in ["js", "mjs", "cjs"] {
            candidates.push((Language::Node, with_extension(&directory.join(module), extension)));
        }
    }
    candidates
}

/// Appends, since the name itself may hold dots.
fn with_extension(file: &Path, extension: &str) -> PathBuf {
    let mut file = file.as_os_str().to_owned();
    file.push(".");
    file.push(extension);
    file.into()
}

fn not_found(
    spec: &str,
    directory: &Path,
    name: &str,
    looked_for: &[(Language, PathBuf)],
) -> FunctionError {
    let module = name.split('.').next().unwrap_or_default();
    let hint = if looked_for.is_empty() {
        format!("name the file without its ending, then {EXAMPLE}")
    } else if directory.join(format!("{module}.ts")).is_file() {
        "that is TypeScript; compile it first and name the JavaScript file".to_owned()
    } else {
        "check the path; it starts at the folder of the configuration, or where the command runs"
            .to_owned()
    };
    let looked_for: Vec<_> =
        looked_for.iter().map(|(_, file)| file.display().to_string()).collect();
    FunctionError::Refused {
        code: "handler_not_found",
        message: format!(
            "there is no handler {spec}; looked for {}",
            if looked_for.is_empty() { "nothing".to_owned() } else { looked_for.join(", ") }
        ),
        hint,
    }
}
