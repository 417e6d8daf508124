//! The pages of docs/reference about files that people write, made of the types that read those files.

mod config;
mod manifest;
mod schema;

use expect_test::{ExpectFile, expect_file};

use connector::manifest::Manifest;

fn check(page: &str, example: Result<usize, String>, expected: ExpectFile) {
    assert_eq!(example, Ok(2), "the example is right, and names two things");
    expected.assert_eq(page);
}

fn mistakes(problems: Vec<connector::yaml::Problem>, text: &str) -> String {
    problems.iter().map(|problem| problem.render("example.yaml", text)).collect()
}

#[test]
fn the_page_of_the_configuration_is_current_and_its_example_right() {
    let example = crate::config::parse(config::EXAMPLE)
        .map(|content| content.connections.len())
        .map_err(|problems| mistakes(problems, config::EXAMPLE));
    check(&config::page(), example, expect_file!["../../../docs/reference/config.md"]);
}

#[test]
fn the_page_of_manifests_is_current_and_its_example_right() {
    let example = Manifest::parse(manifest::EXAMPLE)
        .map(|manifest| manifest.tables.len())
        .map_err(|problems| mistakes(problems, manifest::EXAMPLE));
    check(&manifest::page(), example, expect_file!["../../../docs/reference/manifest.md"]);
}
