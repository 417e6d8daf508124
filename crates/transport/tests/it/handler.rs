//! Python handlers, run by AWS's own runtime client.

use std::time::Duration;

use expect_test::{Expect, expect};
use protocol::{Function, Request, State};
use tempfile::TempDir;
use transport::{HandlerFunction, HandlerOptions};

use crate::world::{Lines, begin_alone, eventually, folder, is_alive, repository, venv};
use crate::{outcome, request};

/// A handler in a folder of its own, in the environment of the tests.
struct Handler {
    folder: TempDir,
    lines: Lines,
    function: HandlerFunction,
}

fn handler(source: &str) -> Handler {
    handler_with(source, HandlerOptions::default())
}

fn handler_with(source: &str, options: HandlerOptions) -> Handler {
    let folder = folder(&[("orders/lambda_function.py", source)]);
    let lines = Lines::default();
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        python: Some(venv().join("bin/python")),
        log: lines.log(),
        ..options
    };
    let function = HandlerFunction::new("orders/lambda_function.lambda_handler", options);
    Handler { folder, lines, function: function.expect("the handler is there") }
}

impl Handler {
    async fn call(&self, state: &str) -> String {
        let state = State::from_json(state).expect("a state");
        let outcome = outcome(&self.function.call(&Request { state, ..request() }).await);
        outcome.replace(self.folder.path().to_str().expect("a plain path"), "FOLDER")
    }
}

async fn check(source: &str, expected: Expect) {
    expected.assert_eq(&handler(source).call("{}").await);
}

#[tokio::test]
async fn a_handler_is_started_once_and_stays_warm() {
    let handler = handler(
        "calls = 0\n\
         def lambda_handler(request, context):\n    \
             global calls\n    \
             calls += 1\n    \
             return {'state': {'calls': calls}, 'hasMore': True}\n",
    );
    for call in 1..=3 {
        let answer = handler.call("{}").await;
        assert!(answer.starts_with(&format!(r#"{{"state":{{"calls": {call}}}"#)), "{answer}");
    }
    assert_eq!(handler.lines.count("starting handler"), 1);
}

#[tokio::test]
async fn f_004_q_05_q_24_a_handler_sees_what_fivetran_sends_and_what_lambda_sets() {
    let handler = handler(
        "import os, time\n\
         def lambda_handler(request, context):\n    \
             minutes = context.get_remaining_time_in_millis() / 60_000\n    \
             assert (4 if 'setup_test' in request else 14) < minutes <= 15, minutes\n    \
             assert len(context.aws_request_id) == 36\n    \
             assert os.environ['LAMBDA_TASK_ROOT'] == os.getcwd()\n    \
             names = ['_HANDLER', 'AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_VERSION', 'TZ']\n    \
             return {'state': [sorted(request), context.function_name,\n        \
                 context.invoked_function_arn, context.memory_limit_in_mb,\n        \
                 [os.environ[name] for name in names], time.tzname[0]]}\n",
    );
    expect![[r#"{"state":[["agent", "customPayload", "secrets", "state", "sync_id"], "orders", "arn:aws:lambda:us-east-1:000000000000:function:orders", "1024", ["lambda_function.lambda_handler", "orders", "$LATEST", ":UTC"], "UTC"],"insert":{},"delete":{},"schema":{},"hasMore":false} ["unusual_state"]"#]].assert_eq(&handler.call("{}").await);
    let setup_test = Request { setup_test: true, ..request() };
    let answer = outcome(&handler.function.call(&setup_test).await);
    assert!(answer.contains("setup_test"), "{answer}");
}

#[tokio::test]
async fn a_handler_has_its_own_folder_and_variables() {
    let folder = folder(&[
        ("lib/shared.py", "NAME = 'shared'\n"),
        (
            "src/app.py",
            "import os, lib.shared\n\
             def run(request, context):\n    \
                 return {'state': [lib.shared.NAME, os.environ['STAGE'], __name__]}\n",
        ),
    ]);
    let options = HandlerOptions {
        folder: folder.path().to_owned(),
        task_root: Some(".".into()),
        environment: vec![("STAGE".into(), "test".into())],
        python: Some(venv().join("bin/python")),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("src/app.run", options).expect("the handler is there");
    expect![[r#"{"state":["shared", "test", "src.app"],"insert":{},"delete":{},"schema":{},"hasMore":false} ["unusual_state"]"#]].assert_eq(&outcome(&function.call(&request()).await));
}

#[tokio::test]
async fn f_046_q_11_an_exception_is_a_failure_with_type_and_trace() {
    check(
        "def lambda_handler(request, context):\n    \
             raise ValueError('no ' + request['secrets']['apiToken'])\n",
        expect![[r#"function_error: function failed: ValueError: no <secret apiToken> ["  File \"FOLDER/orders/lambda_function.py\", line 2, in lambda_handler", "    raise ValueError('no ' + request['secrets']['apiToken'])"]"#]],
    )
    .await;
}

#[tokio::test]
async fn f_045_q_10_an_error_that_is_returned_is_an_error() {
    check(
        "def lambda_handler(request, context):\n    \
             return {'errorMessage': {'code': 7}, 'stackTrace': 'one\\ntwo'}\n",
        expect![[r#"function_error: function failed: {"code": 7} ["one", "two"]"#]],
    )
    .await;
}

#[tokio::test]
async fn q_12_an_answer_that_is_encoded_twice_is_accepted() {
    check(
        "import json\n\
         def lambda_handler(request, context):\n    \
             return json.dumps({'state': {}})\n",
        expect![[
            r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false} ["encoded_twice"]"#
        ]],
    )
    .await;
}

#[tokio::test]
async fn q_13_q_14_numbers_come_as_python_writes_them() {
    check(
        "def lambda_handler(request, context):\n    \
             rows = [{'n': float('nan')}, {'n': 10 ** 39 + 1}, {'n': 9007199254740993}, {'n': 'é'}]\n    \
             return {'state': {}, 'insert': {'t': rows}}\n",
        expect![[r#"{"state":{},"insert":{"t":[{"n": NaN}, {"n": 1000000000000000000000000000000000000001}, {"n": 9007199254740993}, {"n": "\u00e9"}]},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
}

#[tokio::test]
async fn q_15_lambdas_own_limit_holds_here_too() {
    let handler = handler(
        "def lambda_handler(request, context):\n    \
             return {'state': 'x' * (7_000_000 if request['state'] == 'large' else 6_000_000)}\n",
    );
    expect!["response_too_large: function broke the protocol: the answer is over the limit of 6291556 bytes; send fewer rows a call and set hasMore to true"].assert_eq(&handler.call(r#""large""#).await);
    let answer = handler.call(r#""small""#).await;
    assert!(answer.len() > 6_000_000, "{answer:.200}");

    let state = State::from_json(&format!("\"{}\"", "x".repeat(7_000_000))).expect("a state");
    let answer = handler.function.call(&Request { state, ..request() }).await;
    expect!["request_too_large: function broke the protocol: the request is 7000158 bytes, and Lambda takes no more than 6291556; most of it is the state that the function returned: keep less in it"].assert_eq(&outcome(&answer));
}

#[tokio::test]
async fn q_16_a_process_that_dies_is_noticed_at_once_and_replaced() {
    let handler = handler(
        "import os, sys, signal\n\
         print('loaded')\n\
         def lambda_handler(request, context):\n    \
             print('token-of-the-test and', request['state'])\n    \
             if request['state'] == 'exit': os._exit(3)\n    \
             if request['state'] == 'sys.exit': sys.exit('no more')\n    \
             if request['state'] == 'kill': os.kill(os.getpid(), signal.SIGKILL)\n    \
             return {'state': {}}\n",
    );
    let mut outcomes = Vec::new();
    for state in [r#""exit""#, r#""sys.exit""#, r#""kill""#, "{}"] {
        outcomes.push(handler.call(state).await);
    }
    expect![[r#"
        function_error: function failed: the handler's process exited with code 3 before it answered; it last printed:
          loaded
          <secret apiToken> and exit
        function_error: function failed: the handler's process exited with code 1 before it answered; it last printed:
          loaded
          <secret apiToken> and sys.exit
          no more
        function_error: function failed: the handler's process was killed by signal 9 (SIGKILL; perhaps memory ran out) before it answered; it last printed:
          loaded
          <secret apiToken> and kill
        {"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]].assert_eq(&outcomes.join("\n"));
    assert_eq!(handler.lines.count("starting handler"), 4);
}

#[tokio::test]
async fn q_17_a_handler_that_cannot_be_loaded_is_refused_with_its_trace() {
    check("import no_such_package\n", expect!["handler_init_failed: the handler could not be loaded: Runtime.ImportModuleError: Unable to import module 'lambda_function': No module named 'no_such_package'"]).await;
    check("def lambda_handler(:\n", expect![[r#"
        handler_init_failed: the handler could not be loaded: Runtime.UserCodeSyntaxError: Syntax error in module 'lambda_function': invalid syntax (lambda_function.py, line 1)
            File "FOLDER/orders/lambda_function.py" Line 1
              def lambda_handler(:"#]]).await;
    check("def other(request, context): pass\n", expect!["handler_init_failed: the handler could not be loaded: Runtime.HandlerNotFound: Handler 'lambda_handler' missing on module 'lambda_function'"]).await;
    let answer = handler("raise RuntimeError('at import')\n").call("{}").await;
    let (first, trace) = answer.split_once('\n').expect("a trace follows");
    expect![[r#"handler_init_failed: the handler could not be loaded: RuntimeError: at import"#]]
        .assert_eq(first);
    assert!(trace.contains("FOLDER/orders/lambda_function.py\", line 1, in <module>"), "{trace}");
    check("import sys\nsys.exit(5)\n", expect!["function_error: function failed: the handler's process exited with code 5 before it answered, and printed nothing"]).await;
}

#[tokio::test]
async fn q_19_a_slow_handler_is_waited_for() {
    // Three minutes of fifteen, scaled down.
    let options = HandlerOptions { timeout: Duration::from_secs(10), ..HandlerOptions::default() };
    let handler = handler_with(
        "import time\n\
         def lambda_handler(request, context):\n    \
             time.sleep(2)\n    \
             return {'state': {}}\n",
        options,
    );
    expect![[r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]]
        .assert_eq(&handler.call("{}").await);
}

#[tokio::test]
async fn f_028_a_handler_that_never_answers_is_killed_with_all_it_started() {
    let source = "import os, subprocess, time\n\
         def lambda_handler(request, context):\n    \
             if request['state'] == 'hang':\n        \
                 child = subprocess.Popen(['sleep', '1000'])\n        \
                 open('processes', 'w').write(f'{os.getpid()} {child.pid}')\n        \
                 time.sleep(1000)\n    \
             return {'state': {}}\n";
    let options = HandlerOptions { timeout: Duration::from_secs(3), ..HandlerOptions::default() };
    let handler = handler_with(source, options);
    expect!["function_timeout: function gave no answer within 3 s"]
        .assert_eq(&handler.call(r#""hang""#).await);
    ended(&handler).await;
    handler.call("{}").await;

    let options =
        HandlerOptions { setup_test_timeout: Duration::from_secs(3), ..HandlerOptions::default() };
    let handler = handler_with(source, options);
    let state = State::from_json(r#""hang""#).expect("a state");
    let setup_test = Request { setup_test: true, state, ..request() };
    expect!["function_timeout: function gave no answer within 3 s"]
        .assert_eq(&outcome(&handler.function.call(&setup_test).await));
    ended(&handler).await;
}

/// The processes that the handler wrote down.
async fn ended(handler: &Handler) {
    let file = handler.folder.path().join("orders/processes");
    let text = std::fs::read_to_string(file).expect("a file with numbers");
    for process in text.split(' ') {
        let process = process.parse().expect("a number");
        eventually("the process ended", || !is_alive(process)).await;
    }
}

const WRITES_ITS_PROCESS: &str = "import os, time\n\
     def lambda_handler(request, context):\n    \
         with open('new', 'w') as file: file.write(str(os.getpid()))\n    \
         os.rename('new', 'processes')\n    \
         time.sleep(request['state'].get('sleep', 0))\n    \
         return {'state': {}}\n";

#[tokio::test]
async fn a_call_that_is_given_up_does_not_answer_the_next_one() {
    let handler = handler(WRITES_ITS_PROCESS);
    let started = handler.folder.path().join("orders/processes");
    {
        let call = handler.call(r#"{"sleep": 1000}"#);
        tokio::select! {
            _ = call => panic!("it never answers"),
            () = eventually("it started", || started.is_file()) => {}
        }
    }
    ended(&handler).await;
    expect![[r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]]
        .assert_eq(&handler.call("{}").await);
}

#[tokio::test]
async fn the_process_ends_when_it_is_closed_or_dropped() {
    let handler = handler(WRITES_ITS_PROCESS);
    handler.call("{}").await;
    handler.function.close().await;
    ended(&handler).await;
    handler.call("{}").await;
    let Handler { folder, lines, function } = handler;
    drop(function);
    let text = std::fs::read_to_string(folder.path().join("orders/processes")).expect("a file");
    let process = text.parse().expect("a number");
    eventually("the process ended", || !is_alive(process)).await;
    assert_eq!(lines.count("starting handler"), 2);
}

#[tokio::test]
async fn when_hasmore_is_killed_its_handler_ends() {
    let place = folder(&[("lambda_function.py", WRITES_ITS_PROCESS)]);
    let test = "handler::when_hasmore_is_killed_its_handler_ends";
    let variables = [("HASMORE_TEST_PLACE", place.path().to_str().expect("a plain path"))];
    let Some(mut killed) = begin_alone(test, &variables) else {
        let options = HandlerOptions {
            folder: std::env::var_os("HASMORE_TEST_PLACE").expect("a folder").into(),
            python: Some(venv().join("bin/python")),
            ..HandlerOptions::default()
        };
        let function = HandlerFunction::new("lambda_function.lambda_handler", options);
        let state = State::from_json(r#"{"sleep": 1000}"#).expect("a state");
        let _ = function.expect("the handler").call(&Request { state, ..request() }).await;
        return;
    };
    let file = place.path().join("processes");
    eventually("it started", || file.is_file()).await;
    killed.kill().expect("a child can be killed");
    killed.wait().expect("a child can be waited for");
    let process = std::fs::read_to_string(file).expect("a file").parse().expect("a number");
    eventually("the handler's process ended", || !is_alive(process)).await;
}

#[tokio::test]
async fn f_018_what_a_handler_prints_becomes_log_lines_without_secrets() {
    let handler = handler(
        "import logging, sys\n\
         print('at import')\n\
         def lambda_handler(request, context):\n    \
             print('the token is', request['secrets']['apiToken'])\n    \
             print('to stderr', file=sys.stderr)\n    \
             logging.getLogger().error('logged')\n    \
             print('', end='unfinished')\n    \
             return {'state': {}}\n",
    );
    handler.call("{}").await;
    handler.function.close().await;
    eventually("the last line came", || handler.lines.count("unfinished") == 1).await;
    let text = handler.lines.text();
    for part in [
        "Hasmore: starting handler lambda_function.lambda_handler",
        "Stdout: at import",
        "Stdout: the token is <secret apiToken>",
        "Stderr: to stderr",
        "\tlogged",
        "Stdout: unfinished",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("token-of-the-test"), "{text}");
}

#[test]
fn a_handler_that_is_not_there_is_refused_with_what_was_looked_for() {
    let folder = folder(&[
        ("orders/lambda_function.py", ""),
        ("both.py", ""),
        ("both.js", ""),
        ("typed.ts", ""),
        ("package/__init__.py", ""),
        ("deep/er/index.mjs", ""),
    ]);
    let path = folder.path().to_str().expect("a plain path").to_owned();
    let find = |handler: &str| {
        let folder = folder.path().to_owned();
        let found =
            HandlerFunction::new(handler, HandlerOptions { folder, ..HandlerOptions::default() });
        let answer = match found {
            Ok(_) => "found".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        format!("{handler}: {}", answer.replace(&path, "FOLDER"))
    };
    let all = [
        find("orders/lambda_function.lambda_handler"),
        find("package.main"),
        find("deep/er/index.nested.handler"),
        find("orders/lambda_function.py"),
        find("orders/lambda_function"),
        find("order/lambda_function.lambda_handler"),
        find("typed.handler"),
        find("both.handler"),
    ];
    expect![[r#"
        orders/lambda_function.lambda_handler: found
        package.main: found
        deep/er/index.nested.handler: found
        orders/lambda_function.py: Refused { code: "handler_not_found", message: "handler orders/lambda_function.py names a file and no function in it", hint: "leave the file's ending out and name the function after a dot, for example orders/lambda_function.lambda_handler" }
        orders/lambda_function: Refused { code: "handler_not_found", message: "there is no handler orders/lambda_function; looked for nothing", hint: "name the file without its ending, then name the function after a dot, for example orders/lambda_function.lambda_handler" }
        order/lambda_function.lambda_handler: Refused { code: "handler_not_found", message: "there is no handler order/lambda_function.lambda_handler; looked for FOLDER/order/lambda_function.py, FOLDER/order/lambda_function/__init__.py, FOLDER/order/lambda_function.js, FOLDER/order/lambda_function.mjs, FOLDER/order/lambda_function.cjs", hint: "check the path; it starts at the folder of the configuration, or where the command runs" }
        typed.handler: Refused { code: "handler_not_found", message: "there is no handler typed.handler; looked for FOLDER/typed.py, FOLDER/typed/__init__.py, FOLDER/typed.js, FOLDER/typed.mjs, FOLDER/typed.cjs", hint: "that is TypeScript; compile it first and name the JavaScript file" }
        both.handler: Refused { code: "handler_ambiguous", message: "handler both.handler may be FOLDER/both.py or FOLDER/both.js", hint: "move one of them to another folder" }"#]].assert_eq(&all.join("\n"));
}

/// The API that the example reads, on a free port; ended with the test.
struct Playground {
    process: std::process::Child,
    url: String,
}

impl Playground {
    fn start() -> Playground {
        use std::io::BufRead;
        let script = "from werkzeug.serving import make_server\n\
             import fivetran_api_playground as playground\n\
             server = make_server('127.0.0.1', 0, playground.app)\n\
             print(server.server_port, flush=True)\n\
             server.serve_forever()\n";
        let mut process = std::process::Command::new(venv().join("bin/python"))
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the playground starts");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let port = std::io::BufReader::new(stdout).lines().next().expect("a line").expect("text");
        Playground { process, url: format!("http://127.0.0.1:{port}") }
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }
}

#[tokio::test]
async fn the_example_copies_every_user_of_the_playground_once_and_then_what_changed() {
    let playground = Playground::start();
    let lines = Lines::default();
    let options = HandlerOptions {
        folder: repository("examples"),
        python: Some(venv().join("bin/python")),
        log: lines.log(),
        ..HandlerOptions::default()
    };
    let function = HandlerFunction::new("playground/lambda_function.lambda_handler", options)
        .expect("the example is there");
    let mut request = request();
    request.custom_payload.insert("base_url".into(), playground.url.clone());

    let setup_test = function.call(&Request { setup_test: true, ..request.clone() }).await;
    assert_eq!(setup_test.expect("the API answers").rows(), 0);

    let mut users = std::collections::BTreeSet::new();
    let (mut pages, mut cursors) = (0, Vec::new());
    loop {
        let page = function
            .call(&request)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", lines.text()));
        pages += 1;
        let rows: Vec<serde_json::Value> = page
            .insert
            .iter()
            .flat_map(|(_, records)| {
                serde_json::from_slice::<Vec<_>>(records.as_json()).expect("rows")
            })
            .collect();
        users.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        cursors.push(page.state.as_json().contains("cursor"));
        request.state = page.state;
        if !page.has_more {
            break;
        }
    }
    assert_eq!((users.len(), pages), (200, 5));
    assert_eq!(cursors, [false, false, false, false, true], "the cursor moves on the last page");

    let again = function.call(&request).await.expect("the next sync");
    assert!(!again.has_more && again.rows() < 5, "{} rows", again.rows());
    assert_eq!(again.state, request.state);

    drop(playground);
    let unreachable = outcome(&function.call(&request).await);
    assert!(
        unreachable.starts_with("function_error: function failed: ConnectionError"),
        "{unreachable}"
    );
}
