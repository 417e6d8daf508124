//! A connection given on the command line becomes the same thing as one in the file.

use std::collections::BTreeMap;

use crate::arguments::GivenConnection;
use crate::config::{
    AwsConfig, ConnectionConfig, DestinationConfig, LimitsConfig, OptionsConfig, S3Config,
    is_namespace,
};
use crate::failure::Failure;
use crate::reference;

impl GivenConnection {
    /// Whether a function is named.
    pub(crate) fn has_function(&self) -> bool {
        self.default_name().is_some()
    }

    /// The connection's name and what a file would say about it; `None` when no function is given.
    pub(crate) fn config(&self) -> Result<Option<(String, ConnectionConfig)>, Failure> {
        let Some(name) = self.name.clone().or_else(|| self.default_name()) else { return Ok(None) };
        if let Some(namespace) = self.namespace.as_ref().filter(|text| !is_namespace(text)) {
            return Err(wrong(format!(
                "--namespace {namespace:.60}: a namespace holds a-z, 0-9 and _, does not begin with a digit, and is no schema of the system"
            )));
        }
        let has_process = self.handler.is_some() || self.command.is_some();
        if !has_process && !self.environment.is_empty() {
            return Err(wrong("--environment is for the process of a handler or a command"));
        }
        if self.call_timeout.is_some_and(|span| span.0.is_zero()) {
            return Err(wrong("--call-timeout 0: a call takes some time"));
        }
        let config = ConnectionConfig {
            url: self.url.clone(),
            headers: pairs("--header", ":", &self.header)?,
            lambda: self.lambda.clone(),
            aws: self
                .region
                .clone()
                .map(|region| AwsConfig { region: Some(region), ..AwsConfig::default() }),
            s3: self.bucket.clone().map(|bucket| S3Config {
                bucket,
                prefix: None,
                keep: false,
                region: None,
                endpoint: None,
            }),
            google: None,
            azure: None,
            handler: self.handler.clone(),
            python: self.python.clone(),
            task_root: self.task_root.clone(),
            command: self.command.clone(),
            manifest: self.manifest.clone(),
            environment: pairs("--environment", "=", &self.environment)?,
            secrets: self.secret.iter().map(|text| secret(text)).collect::<Result<_, _>>()?,
            secrets_file: self.secrets_file.clone(),
            allow_inline_secrets: false,
            custom_payload: pairs("--payload", "=", &self.payload)?,
            destination: self.to.clone().map(|to| DestinationConfig { to }),
            namespace: self.namespace.clone(),
            schema_changes: None,
            mode: None,
            max_deletes: None,
            tables: BTreeMap::new(),
            options: OptionsConfig {
                delete_mode: self.delete_mode,
                string_inference: self.string_inference,
                naming: self.naming,
                keyless: self.keyless,
                soft_delete_timing: self.soft_delete_timing,
                lenient_numbers: self.lenient_numbers,
                agent: self.agent.clone(),
            },
            limits: LimitsConfig {
                empty_pages: self.empty_pages,
                sync_time: self.sync_time,
                batch_rows: self.batch_rows,
                batch_bytes: self.batch_bytes,
                batch_age: self.batch_age,
                response_bytes: self.response_bytes,
                call_timeout: self.call_timeout,
                memory: self.memory,
            },
        };
        Ok(Some((name, config)))
    }

    /// The handler's folder (or file), the URL's host, the manifest's file (or folder), or the program's
    /// name: that of the script where the program only runs one (`python3 orders.py`).
    fn default_name(&self) -> Option<String> {
        let file = |path: &str| {
            let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
            name.split('.').next().unwrap_or(name).to_owned()
        };
        if let Some(handler) = &self.handler {
            let folder = handler.rsplit_once('/').map(|(folder, _)| folder.trim_end_matches('/'));
            let folder = folder.and_then(|folder| folder.rsplit('/').next());
            let named = folder.filter(|name| !matches!(*name, "" | "." | ".."));
            return Some(named.map_or_else(|| file(handler), str::to_owned));
        }
        if let Some(function) = &self.lambda {
            // `arn:aws:lambda:REGION:ACCOUNT:function:NAME:ALIAS`, or `NAME:ALIAS`.
            let after = function.rsplit_once(":function:").map_or(function.as_str(), |(_, it)| it);
            return Some(after.split(':').next().unwrap_or(after).to_owned());
        }
        if let Some(url) = &self.url {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            let host = authority.rsplit('@').next().unwrap_or(authority);
            return Some(host.to_owned());
        }
        if let Some(manifest) = &self.manifest {
            let path = manifest.to_string_lossy();
            let folder = path.rsplit_once('/').and_then(|(folder, _)| folder.rsplit('/').next());
            let named = folder.filter(|name| !matches!(*name, "" | "." | ".."));
            return Some(match (file(&path).as_str(), named) {
                ("manifest", Some(folder)) => folder.to_owned(),
                (file, _) => file.to_owned(),
            });
        }
        let words = &self.command.as_ref()?.0;
        let is_script = |word: &&String| !word.starts_with('-') && file(word).len() < word.len();
        Some(file(words.iter().skip(1).find(is_script).unwrap_or(&words[0])))
    }
}

/// `NAME` takes the environment variable of that name; a value written out would be seen by everyone
/// who lists processes.
fn secret(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        None => Ok((text.to_owned(), format!("${{{text}}}"))),
        Some((name, value)) if reference::is_reference(value) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some((name, _)) => Err(Failure::new(
            "inline_secret",
            format!(
                "--secret {name:.60} is written out, where anyone who lists processes can read it"
            ),
        )
        .hint(format!(
            "set an environment variable and write --secret {name:.60}, or --secret '{name:.60}=file:PATH'"
        ))),
    }
}

fn pairs(
    flag: &str,
    separator: &str,
    texts: &[String],
) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once(separator)?;
        Some((name.trim().to_owned(), value.trim_start().to_owned()))
    };
    texts
        .iter()
        .map(|text| {
            pair(text).ok_or_else(|| {
                wrong(format!(
                    "{flag} wants NAME{separator}TEXT; the text after {flag} has no {separator}"
                ))
            })
        })
        .collect()
}

fn wrong(message: impl Into<String>) -> Failure {
    Failure::new("usage", message)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::arguments::{Arguments, Command};

    fn check_name(arguments: &[&str], expected: &str) {
        let line = ["hasmore", "sync"].iter().chain(arguments);
        let Command::Sync(sync) = Arguments::parse_from(line).command else {
            panic!("sync was asked for")
        };
        let (name, _) = sync.given.config().expect("a connection").expect("a function");
        assert_eq!(name, expected, "{arguments:?}");
    }

    #[test]
    fn a_connection_is_named_after_its_function() {
        check_name(&["--handler", "orders/lambda_function.lambda_handler"], "orders");
        check_name(&["--handler", "../shop/orders/index.handler"], "orders");
        check_name(&["--handler", "./index.handler"], "index");
        check_name(&["--handler", "index.handler"], "index");
        check_name(&["--url", "https://example.com:8080/orders?x=y"], "example.com:8080");
        check_name(&["--url", "https://user:word@example.com"], "example.com");
        check_name(&["--command", "python3 -u src/orders.py --fast"], "orders");
        check_name(&["--command", "orders --fast"], "orders");
        check_name(&["--command", "./bin/orders.sh --fast"], "orders");
        check_name(&["--command", "x", "--name", "mine"], "mine");
        check_name(&["--lambda", "orders:live"], "orders");
        check_name(&["--lambda", "arn:aws:lambda:eu-west-1:123456789012:function:shop:7"], "shop");
    }

    #[test]
    fn f_018_a_secret_on_the_command_line_is_refused() {
        let line = ["hasmore", "sync", "--url", "http://localhost", "--secret", "key=hunter2"];
        let Command::Sync(sync) = Arguments::parse_from(line).command else {
            panic!("sync was asked for")
        };
        let failure = sync.given.config().expect_err("it is refused");
        assert_eq!(failure.code, "inline_secret");
        assert!(!format!("{failure:?}").contains("hunter2"));
    }
}
