//! `hasmore package`: what it writes and what it refuses. What is in the packages is run by the tests of the
//! crate `function`.

use expect_test::expect;

use crate::support::{Hasmore, write};

const SHOP: &str =
    "name: shop\nbase_url: https://api.example.com\ntables:\n  items: {primary_key: id}\n";

#[test]
fn a_package_is_written_with_its_three_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "shop.yaml", SHOP);
    // Any program for Linux will do for what is looked at here.
    let package = |target: &str| {
        Hasmore::new(folder.path())
            .args(["package", "shop.yaml", "--target", target, "--binary", "/bin/true"])
            .run()
    };
    let told = package("lambda").expect_code(0).stdout;
    assert!(
        told.starts_with("shop-lambda is ready: function.zip, template.yaml, DEPLOY.md\n"),
        "{told}"
    );
    assert!(
        told.contains("\nsam deploy --template-file template.yaml --stack-name shop "),
        "{told}"
    );
    package("azure").expect_code(0);
    package("cloud-run").expect_code(0);
    let mut files = Vec::new();
    for target in ["lambda", "azure", "cloud-run"] {
        list(folder.path(), &folder.path().join(format!("shop-{target}")), &mut files);
    }
    files.sort();
    expect![[r#"
        shop-azure/DEPLOY.md
        shop-azure/function.zip
        shop-azure/hasmore-function
        shop-azure/host.json
        shop-azure/manifest.yaml
        shop-azure/shop/function.json
        shop-cloud-run/DEPLOY.md
        shop-cloud-run/Dockerfile
        shop-cloud-run/hasmore-function
        shop-cloud-run/manifest.yaml
        shop-cloud-run/service.yaml
        shop-lambda/DEPLOY.md
        shop-lambda/function.zip
        shop-lambda/template.yaml"#]]
    .assert_eq(&files.join("\n"));
    // What is there is not written over, unless it is asked for.
    package("lambda").expect_error(2, "file_exists");
    Hasmore::new(folder.path())
        .args(["package", "shop.yaml", "--target", "lambda", "--binary", "/bin/true", "--force"])
        .run()
        .expect_code(0);
}

fn list(root: &std::path::Path, folder: &std::path::Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).expect("inside").display().to_string());
        }
    }
}

#[test]
fn what_cannot_be_packaged_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "shop.yaml", SHOP);
    write(folder.path(), "wrong.yaml", "name: shop\n");
    write(folder.path(), "script", "#!/bin/sh\n");
    write(
        folder.path(),
        "parquet.yaml",
        &SHOP.replace("primary_key", "format: parquet, primary_key"),
    );
    let refused = |line: &[&str], code: &str| {
        let target = ["package", "--target", "lambda"];
        Hasmore::new(folder.path()).args(target).args(line).run().expect_error(2, code);
    };
    refused(&["wrong.yaml", "--binary", "/bin/true"], "invalid_manifest");
    let sftp = SHOP.replace("primary_key", "files: 'sftp://host/*.csv', format: csv, primary_key");
    write(folder.path(), "sftp.yaml", &sftp);
    for unfit in ["parquet.yaml", "sftp.yaml"] {
        refused(&[unfit, "--binary", "/bin/true"], "manifest_not_deployable");
    }
    refused(&["shop.yaml", "--binary", "script"], "function_binary_unfit");
    refused(&["shop.yaml", "--binary", "none"], "function_binary_not_found");
    assert!(!folder.path().join("shop-lambda").exists());
}
