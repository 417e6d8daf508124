use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use function::{PackedFile, STEPS, Target, function_name};

use crate::arguments::PackageArguments;
use crate::config;
use crate::failure::{Exit, Failure};
use crate::output::outln;

const BINARY: &str = "hasmore-function";

/// Writes everything that a deploy needs into a folder. Nothing is sent anywhere.
pub(crate) fn run(arguments: &PackageArguments) -> Result<Exit, Failure> {
    let manifest = config::load_manifest(&arguments.manifest)?;
    for (table, plan) in &manifest.tables {
        if let Some(what) = plan.left_out() {
            let message = format!("table {table} reads {what}, and {BINARY} is too small for that");
            return Err(Failure::new("manifest_not_deployable", message));
        }
    }
    let text = read(&arguments.manifest, "manifest_unreadable")?;
    let text = String::from_utf8(text).expect("the manifest was read as text before");
    let target = Target::from(arguments.target);
    let path = arguments.binary.clone().map_or_else(find_binary, Ok)?;
    let binary = read(&path, "function_binary_not_found")?;
    let files = target.package(&manifest.name, &text, &binary).map_err(|why| {
        let message = format!("{} cannot be packaged: {why}", path.display());
        Failure::new("function_binary_unfit", message)
    })?;
    let folder = arguments.output.clone().unwrap_or_else(|| {
        PathBuf::from(format!("{}-{}", function_name(&manifest.name), target.name()))
    });
    if folder.exists() && !arguments.force {
        let message = format!("{} is there already", folder.display());
        return Err(Failure::new("file_exists", message));
    }
    for file in &files {
        write(&folder, file)?;
    }
    let steps = files.iter().find(|file| file.path == STEPS).expect("a package tells its steps");
    outln!("{} is ready: {}\n", folder.display(), names(&files));
    outln!("{}", String::from_utf8_lossy(&steps.bytes).trim_end());
    Ok(Exit::Landed)
}

fn names(files: &[PackedFile]) -> String {
    files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path, code: &'static str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::new(code, format!("{} cannot be read: {error}", path.display())))
}

/// Beside this program, where both are installed, or in `PATH`.
fn find_binary() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = beside.into_iter().chain(std::env::split_paths(&path));
    let found = folders.find_map(|folder| Some(folder.join(BINARY)).filter(|file| file.is_file()));
    found.ok_or_else(|| {
        let message = format!("there is no {BINARY} beside hasmore, nor in PATH");
        Failure::new("function_binary_not_found", message)
    })
}

fn write(folder: &Path, file: &PackedFile) -> Result<(), Failure> {
    let path = folder.join(&file.path);
    let written = || {
        std::fs::create_dir_all(path.parent().expect("a file of a package is in its folder"))?;
        // A program that runs cannot be written over, but it can be replaced.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::write(&path, &file.bytes)?;
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode))
    };
    written().map_err(|error| {
        Failure::new("file_unwritable", format!("{} cannot be written: {error}", path.display()))
    })
}
