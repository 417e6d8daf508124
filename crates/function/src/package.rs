//! A manifest and the small binary become what a cloud takes. Values in, values out: nothing is written
//! here.

mod binary;

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use binary::Binary;

/// A cloud's way to run functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Lambda,
    CloudRun,
    Azure,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Relative, parts divided by `/`.
    pub path: String,
    pub bytes: Vec<u8>,
    pub is_executable: bool,
}

/// The file that tells how to deploy a package.
pub const STEPS: &str = "DEPLOY.md";
const MANIFEST: &str = "manifest.yaml";
const PROGRAM: &str = "hasmore-function";
/// As long as the shortest of the clouds' limits for names.
const NAME_MAX: usize = 48;

impl Target {
    /// The name that people type.
    pub fn name(self) -> &'static str {
        match self {
            Target::Lambda => "lambda",
            Target::CloudRun => "cloud-run",
            Target::Azure => "azure",
        }
    }

    /// The files of a package: the same manifest and binary give the same bytes.
    ///
    /// # Errors
    /// What the binary cannot do there.
    pub fn package(
        self,
        name: &str,
        manifest: &str,
        binary: &[u8],
    ) -> Result<Vec<PackedFile>, String> {
        let architecture = Binary::examine(binary)?.fits(self)?;
        let fill = |template: &str| {
            let text = template.replace("{name}", &function_name(name));
            text.replace("{architecture}", architecture.on_lambda()).into_bytes()
        };
        let manifest = plain(MANIFEST, manifest.as_bytes().to_vec());
        let program = |path: &str| PackedFile {
            path: path.to_owned(),
            bytes: binary.to_vec(),
            is_executable: true,
        };
        Ok(match self {
            Target::Lambda => vec![
                plain("function.zip", zip(&[program("bootstrap"), manifest])),
                plain("template.yaml", fill(include_str!("package/template.yaml"))),
                plain(STEPS, fill(include_str!("package/lambda.md"))),
            ],
            Target::CloudRun => vec![
                program(PROGRAM),
                manifest,
                plain("Dockerfile", fill(include_str!("package/Dockerfile"))),
                plain("service.yaml", fill(include_str!("package/service.yaml"))),
                plain(STEPS, fill(include_str!("package/cloud-run.md"))),
            ],
            Target::Azure => {
                let function = format!("{}/function.json", function_name(name));
                let mut files = vec![
                    program(PROGRAM),
                    manifest,
                    plain("host.json", fill(include_str!("package/host.json"))),
                    plain(&function, fill(include_str!("package/function.json"))),
                ];
                files.push(plain("function.zip", zip(&files)));
                files.push(plain(STEPS, fill(include_str!("package/azure.md"))));
                files
            }
        })
    }
}

fn plain(path: &str, bytes: Vec<u8>) -> PackedFile {
    PackedFile { path: path.to_owned(), bytes, is_executable: false }
}

/// Lower case letters, digits and hyphens, as every cloud takes them.
pub fn function_name(name: &str) -> String {
    let mut out = String::new();
    for character in name.chars().take(NAME_MAX) {
        match character.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => out.push(letter),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    let name = out.trim_end_matches('-');
    match name.chars().next() {
        None => "connector".to_owned(),
        Some('0'..='9') => format!("connector-{name}"),
        Some(_) => name.to_owned(),
    }
}

/// Without dates, which would make each package another.
fn zip(files: &[PackedFile]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut write = |file: &PackedFile| -> zip::result::ZipResult<()> {
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(mode);
        archive.start_file(file.path.as_str(), options)?;
        Ok(archive.write_all(&file.bytes)?)
    };
    let written = files.iter().try_for_each(&mut write).and_then(|()| archive.finish());
    written.expect("an archive in memory of a few small files can be written").into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_cloud_takes() {
        let check = |name: &str, expected: &str| assert_eq!(function_name(name), expected);
        check("shop", "shop");
        check("My Shop_2", "my-shop-2");
        check("--3D prints!", "connector-3d-prints");
        check("日本", "connector");
        check(&"a".repeat(99), &"a".repeat(48));
    }

    #[test]
    fn what_is_no_program_for_linux_is_refused() {
        for target in [Target::Lambda, Target::CloudRun, Target::Azure] {
            let error = target.package("x", "", b"#!/bin/sh\n").expect_err("a script");
            assert_eq!(error, "it is no program for Linux on a 64-bit machine");
        }
    }
}
