//! Packages, run as their clouds run them.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use function::{PackedFile, Target};
use protocol::{Function, Request};
use transport::{HandlerFunction, HandlerOptions, HttpFunction, HttpOptions};

use crate::deployed::{BINARY, start};
use crate::upstream::Upstream;

const MANIFEST: &str = "name: My Shop\nbase_url: '{url}'\ntables:\n  items: {primary_key: id}\n";

fn package(target: Target, url: &str) -> BTreeMap<String, PackedFile> {
    let binary = std::fs::read(BINARY).expect("the binary");
    let files = target.package("My Shop", &MANIFEST.replace("{url}", url), &binary);
    let files = files.expect("a package");
    files.into_iter().map(|file| (file.path.clone(), file)).collect()
}

/// Unpacks as Lambda and Azure do: names, bytes, and who may run them.
fn unpack(archive: &[u8], folder: &Path) {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("a file");
        let path = folder.join(file.name());
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("its bytes");
        std::fs::write(&path, bytes).expect("a file");
        let mode = file.unix_mode().expect("its rights");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its rights");
    }
}

fn shop() -> Upstream {
    Upstream::serve(|_| r#"[{"id":1},{"id":2}]"#.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_package_runs_as_bootstrap() {
    let files = package(Target::Lambda, &shop().url);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["DEPLOY.md", "function.zip", "template.yaml"]);
    let folder = tempfile::tempdir().expect("a folder");
    unpack(&files["function.zip"].bytes, folder.path());
    let options = HandlerOptions { folder: folder.path().to_owned(), ..HandlerOptions::default() };
    let function = HandlerFunction::new("bootstrap", options).expect("a program");
    let response = function.call(&Request::default()).await.expect("an answer");
    assert_eq!((response.rows(), response.has_more), (2, false));
    function.close().await;
    let template = String::from_utf8(files["template.yaml"].bytes.clone()).expect("text");
    assert!(template.contains("FunctionName: \"my-shop\""), "{template}");
    assert!(template.contains(r#"Architectures: ["x86_64"]"#) || cfg!(not(target_arch = "x86_64")));
}

/// As the Functions host reads them: `host.json` names the program, the folder of the function its route.
#[tokio::test(flavor = "multi_thread")]
async fn an_azure_package_runs_as_its_host_json_says() {
    let files = package(Target::Azure, &shop().url);
    let folder = tempfile::tempdir().expect("a folder");
    unpack(&files["function.zip"].bytes, folder.path());
    let json = |name: &str| -> serde_json::Value {
        let bytes = std::fs::read(folder.path().join(name)).expect("a file");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let handler = &json("host.json")["customHandler"];
    assert_eq!(handler["enableForwardingHttpRequest"], true);
    let program = handler["description"]["defaultExecutablePath"].as_str().expect("a program");
    let bindings = &json("my-shop/function.json")["bindings"];
    assert_eq!(bindings[0]["authLevel"], "function");
    let environment = [("FUNCTIONS_CUSTOMHANDLER_PORT", "0")];
    let (_process, url) = start(&folder.path().join(program), folder.path(), &environment);
    let url = format!("{url}api/my-shop");
    let function = HttpFunction::new(&url, HttpOptions::default()).expect("a URL");
    assert_eq!(function.call(&Request::default()).await.expect("an answer").rows(), 2);
}

/// What the Dockerfile copies is there, and what it starts serves on `$PORT`.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_run_package_has_what_its_dockerfile_copies() {
    let files = package(Target::CloudRun, &shop().url);
    let text = |name: &str| String::from_utf8(files[name].bytes.clone()).expect("text");
    let dockerfile = text("Dockerfile");
    let copied = dockerfile.lines().find_map(|line| line.strip_prefix("COPY ")).expect("files");
    let folder = tempfile::tempdir().expect("a folder");
    for name in copied.split(' ').filter(|name| *name != "./") {
        let file = &files[name];
        std::fs::write(folder.path().join(name), &file.bytes).expect("a file");
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        let rights = PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.path().join(name), rights).expect("its rights");
    }
    assert!(dockerfile.contains(r#"ENTRYPOINT ["/function/hasmore-function"]"#));
    assert!(text("service.yaml").contains("name: \"my-shop\""));
    let program = folder.path().join("hasmore-function");
    let (_process, url) = start(&program, folder.path(), &[("PORT", "0")]);
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let function = HttpFunction::new(&url, HttpOptions::default()).expect("a URL");
    assert_eq!(function.call(&Request::default()).await.expect("an answer").rows(), 2);
}

#[test]
fn the_same_package_has_the_same_bytes() {
    for target in [Target::Lambda, Target::CloudRun, Target::Azure] {
        let url = "http://127.0.0.1:1";
        assert!(package(target, url) == package(target, url), "{target:?}");
        let steps = String::from_utf8(package(target, url)["DEPLOY.md"].bytes.clone());
        let steps = steps.expect("text");
        let commands = steps.split("```").nth(1).expect("commands").lines().skip(1).count();
        assert_eq!(commands, 3, "{steps}");
        assert!(!steps.contains("{name}"), "{steps}");
    }
}
