//! Python environments, found or made: without a network, from wheels that the tests pack.

use std::path::Path;

use expect_test::expect;
use protocol::Function;
use transport::{HandlerFunction, HandlerOptions};

use crate::world::{Lines, alone, eventually, folder, venv};
use crate::{outcome, request};

/// Packs installed distributions into wheels again, and a package that only these tests have.
const PACK: &str = r#"
import importlib.metadata, sys, zipfile
folder = sys.argv[1]
for name in ["awslambdaric", "simplejson", "snapshot-restore-py"]:
    installed = importlib.metadata.distribution(name)
    wheel = installed.read_text("WHEEL")
    tags = [line[5:] for line in wheel.splitlines() if line.startswith("Tag: ")]
    name = name.replace("-", "_")
    with zipfile.ZipFile(f"{folder}/{name}-{installed.version}-{tags[0]}.whl", "w") as packed:
        for file in installed.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                packed.write(installed.locate_file(file), str(file))
version = sys.argv[2]
with zipfile.ZipFile(f"{folder}/greeting-{version}-py3-none-any.whl", "w") as packed:
    packed.writestr("greeting.py", "TEXT = 'hello'\n")
    about = f"greeting-{version}.dist-info/"
    packed.writestr(about + "METADATA", f"Metadata-Version: 2.1\nName: greeting\nVersion: {version}\n")
    packed.writestr(about + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    packed.writestr(about + "RECORD", "")
"#;

fn pack_wheels(into: &Path, greeting_version: &str) {
    std::fs::create_dir_all(into).expect("a folder");
    let python = venv().join("bin/python");
    let packed = std::process::Command::new(python)
        .args(["-c", PACK])
        .arg(into)
        .arg(greeting_version)
        .status();
    assert!(packed.expect("Python runs").success(), "wheels are packed");
}

const GREETS: &str = "import greeting, sys\n\
     def lambda_handler(request, context):\n    \
         return {'state': {'text': greeting.TEXT}}\n";
const FROM_WHEELS: &str = "--no-index\n--find-links wheels\n";

fn greeter(folder: &Path, lines: &Lines) -> HandlerFunction {
    let options = HandlerOptions {
        folder: folder.to_owned(),
        cache_folder: Some(folder.join("cache")),
        log: lines.log(),
        ..HandlerOptions::default()
    };
    HandlerFunction::new("lambda_function.lambda_handler", options).expect("the handler")
}

#[tokio::test]
async fn requirements_are_installed_once_for_each_content() {
    // Without the environment that whoever runs the tests may have active.
    let test = "environment::requirements_are_installed_once_for_each_content";
    if !alone(test, &[("VIRTUAL_ENV", "/nonexistent")]) {
        return;
    }
    let requirements = format!("{FROM_WHEELS}-r more.txt\n");
    let folder = folder(&[
        ("lambda_function.py", GREETS),
        ("requirements.txt", &requirements),
        ("more.txt", "greeting\n"),
    ]);
    pack_wheels(&folder.path().join("wheels"), "1.0");
    let greeting =
        r#"{"state":{"text": "hello"},"insert":{},"delete":{},"schema":{},"hasMore":false}"#;

    // Two at once: one makes the environment, the other waits for it.
    let (first, second) = (Lines::default(), Lines::default());
    let (one, two) = (greeter(folder.path(), &first), greeter(folder.path(), &second));
    let request = request();
    let (one, two) = tokio::join!(one.call(&request), two.call(&request));
    assert_eq!(outcome(&one), greeting, "{}", first.text());
    assert_eq!(outcome(&two), greeting, "{}", second.text());
    let made =
        first.count("making a Python environment") + second.count("making a Python environment");
    let waited =
        first.count("waiting for another process") + second.count("waiting for another process");
    assert_eq!((made, waited), (1, 1), "{}\n{}", first.text(), second.text());

    let later = Lines::default();
    assert_eq!(outcome(&greeter(folder.path(), &later).call(&request).await), greeting);
    expect!["Hasmore: starting handler lambda_function.lambda_handler"].assert_eq(&later.text());

    // A file that is included counts as well.
    std::fs::write(folder.path().join("more.txt"), "greeting==1.0\n").expect("a file");
    let changed = Lines::default();
    let another = greeter(folder.path(), &changed);
    let begun = || changed.count("making a Python environment") == 1;
    tokio::select! {
        answer = another.call(&request) => panic!("{}", outcome(&answer)),
        () = eventually("another environment is made", begun) => {}
    }
}

#[tokio::test]
async fn a_half_made_environment_is_never_used() {
    let test = "environment::a_half_made_environment_is_never_used";
    if !alone(test, &[("VIRTUAL_ENV", "/nonexistent")]) {
        return;
    }
    let wrong = format!("{FROM_WHEELS}greeting==2.0\n");
    let folder = folder(&[("lambda_function.py", GREETS), ("requirements.txt", &wrong)]);
    pack_wheels(&folder.path().join("wheels"), "1.0");
    let outcome_of = async || {
        let lines = Lines::default();
        outcome(&greeter(folder.path(), &lines).call(&request()).await)
    };
    let refused = outcome_of().await;
    assert!(refused.starts_with("environment_failed: "), "{refused}");
    assert!(refused.contains("No matching distribution found for greeting==2.0"), "{refused}");
    // The package appears where the requirements look for it: the same environment is made anew.
    let wheels = folder.path().join("wheels");
    pack_wheels(&wheels, "2.0");
    let answer = outcome_of().await;
    assert!(answer.contains("hello"), "{answer}");
}

#[tokio::test]
async fn an_environment_beside_the_handler_is_used_and_not_changed() {
    let place = folder(&[]);
    pack_wheels(&place.path().join("wheels"), "1.0");
    let test = "environment::an_environment_beside_the_handler_is_used_and_not_changed";
    let wheels = place.path().join("wheels");
    let variables = [
        ("VIRTUAL_ENV", "/nonexistent"),
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", wheels.to_str().expect("a plain path")),
    ];
    if !alone(test, &variables) {
        return;
    }
    let folder =
        folder(&[("lambda_function.py", GREETS), ("requirements.txt", "no-such-package\n")]);
    let environment = folder.path().join(".venv");
    let python = venv().join("bin/python");
    let made = std::process::Command::new(python)
        .args(["-m", "venv", "--without-pip"])
        .arg(&environment)
        .status();
    assert!(made.expect("Python runs").success(), "an environment is made");
    let library = environment.join("lib");
    let packages = std::fs::read_dir(library).expect("lib").flatten().next().expect("a version");
    let packages = packages.path().join("site-packages");
    std::fs::write(packages.join("greeting.py"), "TEXT = 'from beside'\n").expect("a file");
    let names = || {
        let entries = std::fs::read_dir(&packages).expect("packages").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        // Python itself keeps what it compiled.
        let mut names: Vec<_> = names.filter(|name| name != "__pycache__").collect();
        names.sort();
        names
    };
    let before = names();

    let lines = Lines::default();
    let answer = outcome(&greeter(folder.path(), &lines).call(&request()).await);
    assert!(answer.contains("from beside"), "{answer}\n{}", lines.text());
    assert_eq!(names(), before);
    assert_eq!(lines.count(".venv/bin/python"), 1, "{}", lines.text());

    let again = Lines::default();
    greeter(folder.path(), &again).call(&request()).await.expect("a page");
    assert_eq!(again.count("making a Python environment"), 0, "the client is there now");
}

#[tokio::test]
async fn the_active_environment_is_used() {
    let environment = venv();
    let test = "environment::the_active_environment_is_used";
    if !alone(test, &[("VIRTUAL_ENV", environment.to_str().expect("a plain path"))]) {
        return;
    }
    let folder = folder(&[("lambda_function.py", "def lambda_handler(*_): return {'state': {}}")]);
    let lines = Lines::default();
    greeter(folder.path(), &lines).call(&request()).await.expect("a page");
    let used = format!("using {}", environment.join("bin/python").display());
    assert_eq!(lines.count(&used), 1, "{}", lines.text());
}

#[tokio::test]
async fn a_missing_runtime_is_told_with_what_to_install() {
    let test = "environment::a_missing_runtime_is_told_with_what_to_install";
    if !alone(test, &[("PATH", "/nonexistent"), ("VIRTUAL_ENV", "/nonexistent")]) {
        return;
    }
    let folder = folder(&[("lambda_function.py", ""), ("index.js", "")]);
    let refused = async |handler: &str, python: Option<&str>| {
        let options = HandlerOptions {
            folder: folder.path().to_owned(),
            python: python.map(Into::into),
            ..HandlerOptions::default()
        };
        let function = HandlerFunction::new(handler, options).expect("the handler");
        format!("{:?}", function.call(&request()).await.expect_err("a refusal"))
    };
    let all = [
        refused("lambda_function.lambda_handler", None).await,
        refused("lambda_function.lambda_handler", Some("/no/such/python")).await,
        refused("lambda_function.lambda_handler", Some("/bin/echo")).await,
        refused("index.handler", None).await,
    ];
    expect![[r#"
        Refused { code: "missing_runtime", message: "handler lambda_function.lambda_handler needs Python, and there is no python3 on the PATH", hint: "install Python 3.9 or newer (Debian and Ubuntu: apt install python3 python3-venv; macOS: brew install python)" }
        Refused { code: "missing_runtime", message: "/no/such/python is not a Python that works: No such file or directory (os error 2)", hint: "make the environment anew, or name another interpreter" }
        Refused { code: "missing_runtime", message: "/bin/echo is not a Python that works: ", hint: "make the environment anew, or name another interpreter" }
        Refused { code: "missing_runtime", message: "handler index.handler needs Node, and there is no node on the PATH", hint: "install Node 18 or newer with npm (Debian and Ubuntu: apt install nodejs npm; macOS: brew install node)" }"#]].assert_eq(&all.join("\n"));
}

#[tokio::test]
async fn tools_that_the_node_client_is_compiled_with_are_asked_for_by_name() {
    let place = folder(&[("bin/node", ""), ("bin/npm", ""), ("bin/make", "")]);
    let test = "environment::tools_that_the_node_client_is_compiled_with_are_asked_for_by_name";
    let path = place.path().join("bin");
    if !alone(test, &[("PATH", path.to_str().expect("a plain path"))]) {
        return;
    }
    let folder = folder(&[("index.js", "")]);
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        cache_folder: Some(folder.path().join("cache")),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("index.handler", options).expect("the handler");
    expect![[r#"Refused { code: "missing_runtime", message: "AWS's runtime client for Node has to be compiled once, and these are not on the PATH: cmake, autoconf, automake, libtoolize, g++", hint: "install them (Debian and Ubuntu: apt install npm cmake autoconf automake libtool g++ make)" }"#]]
        .assert_eq(&format!("{:?}", function.call(&request()).await.expect_err("a refusal")));
}

#[tokio::test]
async fn the_node_client_is_installed_without_a_word_unless_that_fails() {
    const TOOLS: [&str; 7] = ["node", "cmake", "autoconf", "automake", "libtoolize", "g++", "make"];
    let npm = "#!/bin/sh\nfor word; do case $word in -*) echo $word;; esac; done\nexit 1\n";
    let tools = TOOLS.map(|tool| format!("bin/{tool}"));
    let mut files: Vec<(&str, &str)> = tools.iter().map(|tool| (tool.as_str(), "")).collect();
    files.push(("bin/npm", npm));
    let place = folder(&files);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path().join("bin/npm"), executable).expect("it is ours");
    let test = "environment::the_node_client_is_installed_without_a_word_unless_that_fails";
    let path = place.path().join("bin");
    if !alone(test, &[("PATH", path.to_str().expect("a plain path"))]) {
        return;
    }
    let folder = folder(&[("index.js", "")]);
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        cache_folder: Some(folder.path().join("cache")),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("index.handler", options).expect("the handler");
    expect![[r#"
        aws-lambda-ric@3.3.0 could not be installed: npm install exited with code 1; it last printed:
          --no-audit
          --no-fund
          --no-progress
          --loglevel
          --foreground-scripts=false
          --prefix"#]].assert_eq(&function.call(&request()).await.expect_err("a refusal").to_string());
}
