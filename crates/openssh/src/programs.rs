//! The programs of OpenSSH on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The packages that bring them: the server, its keys, and a user for it that the machine does not have.
const PACKAGES: [&str; 3] = ["openssh-server", "openssh-client", "libnss-wrapper"];
const FOLDERS: [&str; 5] =
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

#[derive(Clone, Debug)]
pub struct Programs {
    pub(crate) sshd: PathBuf,
    pub(crate) ssh_keygen: PathBuf,
    pub(crate) nss_wrapper: PathBuf,
}

impl Programs {
    /// # Errors
    /// With the packages to install, when one is missing.
    pub fn find() -> Result<Programs, String> {
        let program = |name: &str| {
            FOLDERS.into_iter().map(|folder| Path::new(folder).join(name)).find(|it| it.is_file())
        };
        let found = (program("sshd"), program("ssh-keygen"), nss_wrapper());
        let (Some(sshd), Some(ssh_keygen), Some(nss_wrapper)) = found else {
            let packages = PACKAGES.join(" ");
            return Err(format!(
                "there is no SSH server on this machine that tests can start: apt-get install {packages}"
            ));
        };
        Ok(Programs { sshd, ssh_keygen, nss_wrapper })
    }

    /// As [`Programs::find`]; where one is missing, the system's package manager brings it if we may.
    ///
    /// # Errors
    /// With the packages to install.
    pub fn obtain() -> Result<Programs, String> {
        match Programs::find() {
            Err(missing) if rustix::process::geteuid().is_root() && install() => {
                Programs::find().map_err(|_| missing)
            }
            found => found,
        }
    }
}

fn install() -> bool {
    println!("installing {} with apt-get", PACKAGES.join(", "));
    let mut command = Command::new("apt-get");
    command.args(["install", "--yes", "--no-install-recommends"]).args(PACKAGES);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A library that lets a program see users of our own.
fn nss_wrapper() -> Option<PathBuf> {
    let library = |folder: PathBuf| {
        let path = folder.join("libnss_wrapper.so");
        path.is_file().then_some(path)
    };
    let folders = ["/usr/lib", "/usr/lib64"].map(PathBuf::from);
    folders.into_iter().find_map(|folder| {
        let inside = fs::read_dir(&folder).ok()?.flatten();
        library(folder).or_else(|| inside.map(|entry| entry.path()).find_map(library))
    })
}
