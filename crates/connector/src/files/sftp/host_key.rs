//! Whether the key that a server shows is its own.

use std::path::PathBuf;

use glob::Pattern;
use ring::hmac;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::Address;
use crate::files::FileError;
use crate::manifest::Sftp;

/// What is known of a server's keys.
pub(super) struct Known {
    /// As the manifest says: fingerprints.
    pinned: Vec<String>,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    /// Where it is known from.
    from: String,
}

/// What is to be thought of a key that a server showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    verdict: Verdict,
    /// The key's kind and fingerprint.
    kind: String,
    fingerprint: String,
    from: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Known,
    /// Nothing is known of this server.
    Unknown,
    /// Another key is known.
    Other,
    Revoked,
}

impl Known {
    /// Reads what the manifest says, or the file of known servers.
    ///
    /// # Errors
    /// When a pinned key is none, or a file that the manifest names cannot be read.
    pub(super) fn of(address: &Address, settings: &Sftp) -> Result<Known, FileError> {
        if let Some(pinned) = &settings.host_key {
            return Known::pinned(pinned);
        }
        let (path, is_named) = match &settings.known_hosts {
            Some(path) => (in_home(path), true),
            None => (in_home("~/.ssh/known_hosts"), false),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Known::in_file(&text, address, path.display().to_string())),
            Err(_) if !is_named => Ok(Known::in_file("", address, path.display().to_string())),
            Err(error) => Err(FileError::Refused {
                message: format!("`known_hosts` of `storage` cannot be read: {error}"),
                hint: "correct the path, or say `host_key` in its place",
            }),
        }
    }

    fn pinned(text: &str) -> Result<Known, FileError> {
        let mut pinned = Vec::new();
        let mut keys = Vec::new();
        for one in text.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()) {
            if one.starts_with("SHA256:") {
                pinned.push(one.trim_end_matches('=').to_owned());
                continue;
            }
            let key = PublicKey::from_openssh(one).map_err(|_| FileError::Refused {
                message: "`host_key` of `storage` is neither a fingerprint nor a public key".into(),
                hint: "say the fingerprint as `ssh-keygen -lf` shows it: SHA256:…",
            })?;
            pinned.push(fingerprint(&key));
            keys.push(key);
        }
        let from = "`host_key` of `storage`".to_owned();
        Ok(Known { pinned, keys, revoked: Vec::new(), from })
    }

    /// Lines that cannot be read are about no server of ours.
    fn in_file(text: &str, address: &Address, from: String) -> Known {
        let mut known = Known { pinned: Vec::new(), keys: Vec::new(), revoked: Vec::new(), from };
        let name = match address.port {
            22 => address.host.to_lowercase(),
            port => format!("[{}]:{port}", address.host.to_lowercase()),
        };
        let entries: Vec<Entry> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter_map(|line| KnownHosts::new(&line).next()?.ok())
            .collect();
        for entry in entries.iter().filter(|entry| is_about(entry.host_patterns(), &name)) {
            let key = PublicKey::from(entry.public_key().key_data().clone());
            match entry.marker() {
                None => known.keys.push(key),
                Some(Marker::Revoked) => known.revoked.push(key),
                Some(Marker::CertAuthority) => {}
            }
        }
        known
    }

    /// Kinds of keys in the order in which the server is asked for them: those that are known first.
    pub(super) fn preferred(&self, kinds: &[Algorithm]) -> Vec<Algorithm> {
        let is_known = |kind: &Algorithm| {
            let same = |key: &PublicKey| {
                let known = key.algorithm();
                known == *kind || (known.is_rsa() && kind.clone().is_rsa())
            };
            self.keys.iter().any(same)
        };
        let mut kinds = kinds.to_vec();
        kinds.sort_by_key(|kind| !is_known(kind));
        kinds
    }

    pub(super) fn judge(&self, key: &PublicKey) -> Judgement {
        let fingerprint = fingerprint(key);
        let same = |known: &PublicKey| known.key_data() == key.key_data();
        let verdict = if self.revoked.iter().any(same) {
            Verdict::Revoked
        } else if self.keys.iter().any(same) || self.pinned.contains(&fingerprint) {
            Verdict::Known
        } else if self.keys.is_empty() && self.pinned.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Other
        };
        let (kind, from) = (key.algorithm().to_string(), self.from.clone());
        Judgement { verdict, kind, fingerprint, from }
    }
}

impl Judgement {
    pub(super) fn is_known(&self) -> bool {
        self.verdict == Verdict::Known
    }

    /// Why the server is not spoken to, and what to do.
    pub(super) fn refusal(&self, place: &str) -> FileError {
        let Judgement { verdict, kind, fingerprint, from } = self;
        let shows = format!("{place} shows the key {fingerprint} ({kind})");
        if *verdict == Verdict::Unknown {
            return FileError::Untrusted {
                code: "host_key_unknown",
                message: format!("{shows}, and nothing is known of it in {from}"),
                hint: format!(
                    "ask those who run the server for its key; if it is {fingerprint}, say `storage: {{sftp: {{host_key: '{fingerprint}'}}}}`"
                ),
            };
        }
        let why = match verdict {
            Verdict::Revoked => "which is revoked",
            _ => "and another one is known",
        };
        FileError::Untrusted {
            code: "host_key_changed",
            message: format!(
                "{shows}, {why} in {from}: somebody else may answer in the server's place"
            ),
            hint: format!(
                "send nothing before those who run the server have said that {fingerprint} is its new key; then say so in {from}"
            ),
        }
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Whether a line is about a server (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
fn is_about(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let fits = |pattern: &str| {
                let pattern = pattern.to_lowercase();
                // Brackets stand around names that have a port.
                let escaped = pattern.replace('[', "\0").replace(']', "[]]").replace('\0', "[[]");
                pattern == name || Pattern::new(&escaped).is_ok_and(|it| it.matches(name))
            };
            let denied = |pattern: &String| pattern.strip_prefix('!').is_some_and(fits);
            !patterns.iter().any(denied) && patterns.iter().any(|pattern| fits(pattern))
        }
    }
}

fn in_home(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").zip(std::env::home_dir());
    home.map_or_else(|| PathBuf::from(path), |(rest, home)| home.join(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn check(file: &str, address: &str, expected: Verdict) {
        let address = Address::of(address).expect("an address");
        let key = PublicKey::from_openssh(KEY).expect("a key");
        let known = Known::in_file(file, &address, "known_hosts".into());
        assert_eq!(known.judge(&key).verdict, expected, "{file}");
    }

    #[test]
    fn servers_in_a_file_of_known_ones() {
        check("", "example.com", Verdict::Unknown);
        check(&format!("example.com {KEY}"), "example.com", Verdict::Known);
        check(&format!("# x\n\nexample.com,10.0.0.1\t{KEY} jo@x\n"), "10.0.0.1", Verdict::Known);
        check(&format!("example.com {KEY}"), "Example.com", Verdict::Known);
        check(&format!("example.com {KEY}"), "example.com:2222", Verdict::Unknown);
        check(&format!("[example.com]:2222 {KEY}"), "example.com:2222", Verdict::Known);
        check(&format!("*.example.com {KEY}"), "a.example.com", Verdict::Known);
        check(&format!("*.example.com,!a.example.com {KEY}"), "a.example.com", Verdict::Unknown);
        check(&format!("example.com {OTHER}"), "example.com", Verdict::Other);
        check(&format!("example.com {OTHER}\nexample.com {KEY}"), "example.com", Verdict::Known);
        check(
            &format!("example.com {KEY}\n@revoked example.com {KEY}"),
            "example.com",
            Verdict::Revoked,
        );
        check(&format!("@cert-authority example.com {KEY}"), "example.com", Verdict::Unknown);
        check(&format!("no line\nexample.com {KEY}"), "example.com", Verdict::Known);
        // As `ssh-keygen -H` writes example.com.
        let hashed = hashed("example.com");
        check(&format!("{hashed} {KEY}"), "example.com", Verdict::Known);
        check(&format!("{hashed} {KEY}"), "example.org", Verdict::Unknown);
    }

    fn hashed(name: &str) -> String {
        use base64::Engine;
        let salt = [7; 20];
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = hmac::sign(&key, name.as_bytes());
        let text = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        format!("|1|{}|{}", text(&salt), text(hash.as_ref()))
    }

    #[test]
    fn pinned_keys() {
        let key = PublicKey::from_openssh(KEY).expect("a key");
        let other = PublicKey::from_openssh(OTHER).expect("a key");
        let print = fingerprint(&key);
        for pinned in [KEY.to_owned(), print.clone(), format!("{OTHER}, {print}=\n")] {
            assert_eq!(Known::pinned(&pinned).expect("a pin").judge(&key).verdict, Verdict::Known);
        }
        let known = Known::pinned(&print).expect("a pin");
        assert_eq!(known.judge(&other).verdict, Verdict::Other);
        let FileError::Untrusted { code, message, .. } = known.judge(&other).refusal("sftp://x")
        else {
            panic!("a refusal that is none")
        };
        assert_eq!(code, "host_key_changed");
        assert!(message.contains(&fingerprint(&other)), "{message}");
        assert!(Known::pinned("MD5:aa:bb").is_err());
    }
}
