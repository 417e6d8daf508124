//! Google's functions framework in front of a client: what handlers return there, and fail with.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use expect_test::{Expect, expect};
use protocol::{Function, Request, State};
use transport::{HttpFunction, HttpOptions};

use crate::world::{folder, repository, venv};
use crate::{outcome, request};

/// A function served by the framework on a free port; ended with the test.
struct Framework {
    process: Child,
    url: String,
}

impl Framework {
    /// The framework's own command cannot tell which port it took, so its application is served.
    fn start(source: &Path, target: &str) -> Framework {
        let script = "import sys\n\
             from functions_framework import create_app\n\
             from werkzeug.serving import make_server\n\
             server = make_server('127.0.0.1', 0, create_app(sys.argv[1], sys.argv[2], 'http'), threaded=True)\n\
             print(server.server_port, flush=True)\n\
             server.serve_forever()\n";
        let mut process = Command::new(venv().join("bin/python"))
            .args(["-c", script, target])
            .arg(source)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the framework starts");
        let stdout = process.stdout.take().expect("its output is a pipe");
        let port = BufReader::new(stdout).lines().next().expect("a line").expect("text");
        Framework { process, url: format!("http://127.0.0.1:{port}/") }
    }

    async fn call(&self, request: &Request) -> String {
        let function = HttpFunction::new(&self.url, HttpOptions::default()).expect("a URL");
        outcome(&function.call(request).await)
    }
}

impl Drop for Framework {
    fn drop(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }
}

async fn check(source: &str, expected: Expect) {
    let folder = folder(&[("main.py", source)]);
    let framework = Framework::start(&folder.path().join("main.py"), "serve");
    expected.assert_eq(&framework.call(&request()).await);
}

#[tokio::test]
async fn q_22_f_044_a_dict_a_tuple_a_text_and_a_flask_response_are_answers() {
    check(
        "def serve(request): return {'state': {'n': 1}}\n",
        expect![[r#"{"state":{"n":1},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
    check(
        "def serve(request): return {'state': {'n': 2}}, 200\n",
        expect![[r#"{"state":{"n":2},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
    check(
        "import json\ndef serve(request): return json.dumps({'state': {'n': 3}})\n",
        expect![[r#"{"state":{"n": 3},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
    check(
        "from flask import Response\n\
         def serve(request): return Response('{\"state\": {\"n\": 4}}', mimetype='text/plain')\n",
        expect![[r#"{"state":{"n": 4},"insert":{},"delete":{},"schema":{},"hasMore":false}"#]],
    )
    .await;
}

#[tokio::test]
async fn f_046_q_11_errors_of_the_framework_keep_status_and_text() {
    check(
        "def serve(request): return {'errorMessage': 'no', 'errorType': 'Mine', 'stackTrace': []}, 500\n",
        expect!["function_error: function failed: Mine: no"],
    )
    .await;
    check("def serve(request): raise ValueError('no')\n", expect!["function_error: function failed: HTTP 500 Internal Server Error: 500 Internal Server Error: The server encountered an internal error and was unable to complete your request. Either the server is overloaded or there is an error in the application."]).await;
    check(
        "def serve(request): return 'who are you', 401\n",
        expect!["function_error: function failed: HTTP 401 Unauthorized: who are you"],
    )
    .await;
}

/// In the manner of the vendor's samples, which answer 400 when either is undefined.
const STRICT: &str = "def serve(request):\n    \
     body = request.get_json()\n    \
     if body.get('state') is None or body.get('secrets') is None:\n        \
         return {'errorMessage': 'Bad request'}, 400\n    \
     return {'state': body['state'], 'insert': {}, 'hasMore': 'false'}\n";

#[tokio::test]
async fn f_014_q_24_functions_that_insist_on_state_and_secrets_get_both() {
    let folder = folder(&[("main.py", STRICT)]);
    let framework = Framework::start(&folder.path().join("main.py"), "serve");
    let bare = Request::default();
    let expected = r#"{"state":{},"insert":{},"delete":{},"schema":{},"hasMore":false}"#;
    assert_eq!(framework.call(&bare).await, expected);
    assert_eq!(framework.call(&Request { setup_test: true, ..bare }).await, expected);
}

#[tokio::test]
async fn the_example_sends_its_inventory_and_names_it_for_the_sweep() {
    let framework = Framework::start(&repository("examples/google/main.py"), "inventory");
    let mut request = request();
    let mut answers = Vec::new();
    for state in ["{}", r#"{"sent": 2}"#] {
        request.state = State::from_json(state).expect("a state");
        answers.push(framework.call(&request).await);
    }
    answers.push(framework.call(&Request { setup_test: true, ..request.clone() }).await);
    request.secrets = protocol::Secrets::default();
    answers.push(framework.call(&request).await);
    expect![[r#"
        {"state":{"sent":2},"insert":{"inventory":[{"name":"Lamp","price":{"amount":39.5,"currency":"EUR"},"sku":"A-100","stock":12},{"name":"Chair","price":{"amount":129,"currency":"EUR"},"sku":"A-200","stock":0}]},"delete":{},"schema":{"inventory":{"primary_key":["sku"]}},"softDelete":["inventory"],"hasMore":true}
        {"state":{"sent":0},"insert":{"inventory":[{"name":"Desk","price":{"amount":349,"currency":"EUR"},"sku":"B-100","stock":3}]},"delete":{},"schema":{"inventory":{"primary_key":["sku"]}},"softDelete":["inventory"],"hasMore":false}
        {"state":{"sent":2},"insert":{"inventory":[]},"delete":{},"schema":{"inventory":{"primary_key":["sku"]}},"hasMore":false}
        function_error: function failed: Setup: the secret apiToken is missing"#]].assert_eq(&answers.join("\n"));
}
