use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use expect_test::expect_file;

use super::page::page;
use super::*;

#[test]
fn the_page_of_errors_is_current() {
    expect_file!["../../../../docs/reference/errors.md"].assert_eq(&page());
}

#[test]
fn codes_are_in_order_and_explained_once() {
    for table in [codes::ALL, cloud_codes::ALL, connector_codes::ALL, shape_codes::ALL] {
        assert!(table.is_sorted_by_key(|explanation| (explanation.kind, explanation.code)));
    }
    let mut codes: Vec<_> = all().map(|explanation| (explanation.kind, explanation.code)).collect();
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), count);
}

#[test]
fn every_code_that_a_crate_knows_is_explained() {
    let mut unexplained = BTreeSet::new();
    for name in [
        "protocol",
        "engine",
        "connector",
        "transport",
        "function",
        "destination-duckdb",
        "destination-postgres",
        "destination-delta",
        "destination-sqlite",
        "cli",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../").join(name).join("src");
        let files = rust_files(&folder);
        assert!(!files.is_empty(), "{name} has sources");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            let product = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
            for code in codes_in(product) {
                if !all().any(|explanation| explanation.code == code) {
                    unexplained.insert(format!("{code} in {}", file.display()));
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "add to a table in crates/cli/src/explain: {unexplained:#?}");
}

#[test]
fn codes_are_found_where_they_are_given() {
    let source = r#"
        Refused { code: "one_a", hint: "not_b".into() }
        Warning::new(
            "two_a", "x")
        self.warn("three_a", "not_c"); Failure::new("four", "")
        fn code(&self) -> &str { match self { A { .. } => "five_a", B => { "six_a" } } }
        _ => ("seven_a", message)
        ReadError::new("eight", "")
        fn name(&self) -> &str { match self { A => "not_d" } }
    "#;
    let found: Vec<_> = codes_in(source).into_iter().collect();
    let expected = ["eight", "five_a", "four", "one_a", "seven_a", "six_a", "three_a", "two_a"];
    assert_eq!(found, expected);
}

/// The literals that stand where codes are given.
fn codes_in(source: &str) -> BTreeSet<&str> {
    const BEFORE: [&str; 6] =
        ["code:", "Warning::new(", "warn(", "Failure::new(", "ReadError::new(", "refused("];
    let mut codes = BTreeSet::new();
    let mut rest = source;
    while let Some((before, from)) = rest.split_once('"') {
        let Some((literal, after)) = from.split_once('"') else { break };
        let before = before.trim_end();
        let arm = before.ends_with("=>") || before.ends_with("=> {");
        let tuple = before.strip_suffix('(').is_some_and(|arm| arm.trim_end().ends_with("=>"));
        let given = BEFORE.iter().any(|given| before.ends_with(given));
        // An arm of a match may give any word; a code given by one has at least two.
        let within = &source[..source.len() - after.len()];
        let gives_codes = within.rsplit("fn ").next().is_some_and(|it| it.starts_with("code("));
        let by_match = (arm && gives_codes || tuple) && literal.contains('_');
        let word = literal.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if word && !literal.is_empty() && (given || by_match) {
            codes.insert(literal);
        }
        rest = after;
    }
    codes
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
        {
            files.push(path);
        }
    }
    files
}
