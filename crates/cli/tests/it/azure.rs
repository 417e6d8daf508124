//! Functions of Azure's, by key and by Entra ID: its token endpoints are scripts written from Microsoft's
//! published interface.

use std::path::Path;

use serde_json::json;

use crate::support::{Answer, Ended, FakeFunction, Hasmore, Process, Received, query, write};

const PAGE: &str = r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#;
const MORE: &str = r#"{"state":{"n":0},"insert":{"t":[{"a":0}]},"hasMore":true}"#;
const TOKEN: &str = "token-of-entra-id";
const SECRET: &str = "client secret/of+the test";

fn hasmore(folder: &Path, function: &FakeFunction, azure: &str) -> Hasmore {
    let config = format!(
        "connections:\n  orders:\n    url: {}api/orders\n    azure: {azure}\n    destination: {{to: a.duckdb}}\n",
        function.url()
    );
    write(folder, "hasmore.yaml", &config);
    Hasmore::new(folder).args(["sync"]).env("ORDERS_KEY", "key/of the==function")
}

fn assert_silent(ended: &Ended) {
    for secret in [TOKEN, SECRET, "key/of the==function", "key%2Fof%20the%3D%3Dfunction"] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "F-018");
    }
}

#[test]
fn f_010_a_function_key_goes_in_a_header_or_on_request_in_the_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([Answer::json(PAGE), Answer::json(PAGE)]);
    assert_silent(
        &hasmore(folder.path(), &function, "{key: '${ORDERS_KEY}'}").run().expect_code(0),
    );
    let query = "{key: '${ORDERS_KEY}', key_in: query}";
    assert_silent(&hasmore(folder.path(), &function, query).run().expect_code(0));
    let received = function.received();
    assert_eq!(received[0].header("x-functions-key"), Some("key/of the==function"));
    assert_eq!(received[0].line, "POST /api/orders HTTP/1.1", "not in the address");
    assert_eq!(received[1].line, "POST /api/orders?code=key%2Fof%20the%3D%3Dfunction HTTP/1.1");
    assert_eq!(received[1].header("x-functions-key"), None);
    // A key that is refused, and echoed, is not told.
    let refusal = "the key key/of the==function does not open this";
    let function = FakeFunction::start([Answer::status(401, refusal)]);
    let ended = hasmore(folder.path(), &function, "{key: '${ORDERS_KEY}'}").run();
    assert_silent(&ended.expect_error(2, "function_access_denied"));
}

/// Answers by what comes, as Entra ID does.
fn entra(received: &Received) -> Answer {
    assert_eq!(received.line, "POST /tenant-1/oauth2/v2.0/token HTTP/1.1");
    let wanted =
        "grant_type=client_credentials&client_id=app-1&scope=api%3A%2F%2Forders%2F.default";
    let rest = received.body.strip_prefix(wanted).expect("what the protocol wants");
    let by_secret = "&client_secret=client%20secret%2Fof%2Bthe%20test";
    let by_assertion = "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=token.of.the-cluster";
    if rest != by_secret && rest != by_assertion {
        let told = json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1" });
        return Answer::status(401, told.to_string());
    }
    let token = json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN });
    Answer::json(token.to_string())
}

#[test]
fn f_010_an_application_calls_with_a_token_of_entra_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let login = FakeFunction::answering(entra);
    let azure = "{resource: 'api://orders', tenant_id: tenant-1, client_id: app-1, client_secret: '${SECRET}'}";
    let function = FakeFunction::start([Answer::json(MORE), Answer::json(PAGE)]);
    let run = |azure: &str, function: &FakeFunction| {
        hasmore(folder.path(), function, azure).env("AZURE_AUTHORITY_HOST", &login.url())
    };
    assert_silent(&run(azure, &function).env("SECRET", SECRET).run().expect_code(0));
    for request in function.received() {
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(login.take_received().len(), 1, "one token for both calls");
    // The same from the environment, and by the token of a cluster.
    let whom = [("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "app-1")];
    let function = FakeFunction::start([Answer::json(PAGE), Answer::json(PAGE)]);
    let by = |name: &str, value: &str| {
        let it = run("{resource: 'api://orders'}", &function).env(name, value);
        whom.iter().fold(it, |it, (name, value)| it.env(name, value)).run()
    };
    by("AZURE_CLIENT_SECRET", SECRET).expect_code(0);
    write(folder.path(), "token", "token.of.the-cluster\n");
    by("AZURE_FEDERATED_TOKEN_FILE", "token").expect_code(0);
    // What Entra ID says against it is told, without the secret.
    let ended = by("AZURE_CLIENT_SECRET", "wrong-secret").expect_error(2, "azure_no_token");
    assert!(ended.stderr.contains("invalid_client AADSTS7000215"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("wrong-secret") && !ended.stderr.contains("Trace ID"));
    assert_eq!(function.received().len(), 2, "it is not called without a token");
}

/// As App Service's own login refuses it; what the token should have been for is told.
#[test]
fn f_010_a_token_for_another_resource_is_told_with_cause_and_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    let login = FakeFunction::answering(entra);
    let wanted = r#"Bearer realm="orders.azurewebsites.net" resource_id="api://other""#;
    let refusal = Answer::Body {
        status: 401,
        headers: vec![("WWW-Authenticate".into(), wanted.into())],
        body: b"You do not have permission to view this directory or page.".to_vec(),
    };
    let function = FakeFunction::start([refusal]);
    let azure = "{resource: 'api://orders', tenant_id: tenant-1, client_id: app-1, client_secret: '${SECRET}'}";
    let ended = hasmore(folder.path(), &function, azure)
        .env("AZURE_AUTHORITY_HOST", &login.url())
        .env("SECRET", SECRET)
        .run()
        .expect_error(2, "function_access_denied");
    for part in [wanted, "You do not have permission", "`resource`"] {
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
    }
    assert_silent(&ended);
    assert_eq!(function.received().len(), 1, "F-053: it is not tried again");
}

#[test]
fn f_010_a_machine_calls_with_its_managed_identity() {
    let folder = tempfile::tempdir().expect("a folder");
    let life = |seconds: &str| json!({ "access_token": TOKEN, "expires_in": seconds }).to_string();
    // The first ends too soon to be used twice.
    let instance = FakeFunction::start([Answer::json(life("60")), Answer::json(life("86399"))]);
    let function =
        FakeFunction::start([Answer::json(MORE), Answer::json(PAGE), Answer::json(PAGE)]);
    let azure = "{resource: 'api://orders', client_id: app-1}";
    let ended = hasmore(folder.path(), &function, azure)
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &instance.url())
        .run()
        .expect_code(0);
    assert_silent(&ended);
    let asked = instance.received();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("metadata"), Some("true"));
    assert_eq!(
        asked[0].line,
        "GET /metadata/identity/oauth2/token?resource=api%3A%2F%2Forders&client_id=app-1&api-version=2018-02-01 HTTP/1.1"
    );
    let service = FakeFunction::start([Answer::json(life("3600"))]);
    let ended = hasmore(folder.path(), &function, "{resource: 'api://orders'}")
        .env("IDENTITY_ENDPOINT", &format!("{}msi/token", service.url()))
        .env("IDENTITY_HEADER", "header-of-the-service")
        .run()
        .expect_code(0);
    assert_silent(&ended);
    let asked = &service.received()[0];
    assert_eq!(asked.header("x-identity-header"), Some("header-of-the-service"));
    assert_eq!(
        asked.line,
        "GET /msi/token?resource=api%3A%2F%2Forders&api-version=2019-08-01 HTTP/1.1"
    );
    let nobody = hasmore(folder.path(), &function, "{resource: 'api://orders'}")
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
        .run();
    nobody.expect_error(2, "azure_no_token");
}

#[test]
fn azure_is_checked_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str, part: &str| {
        let config = format!("connections:\n  a:\n    {text}\n    destination: {{to: a.duckdb}}\n");
        write(folder.path(), "hasmore.yaml", &config);
        let ended = Hasmore::new(folder.path()).args(["config", "check"]).run();
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "no {part} in {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") || text.contains("hunter2"));
    };
    check("lambda: a\n    azure: {key: '${K}'}", "`azure` is for a `url`");
    check("url: http://localhost\n    azure: {}", "`azure` wants a `key`");
    check("url: http://localhost\n    azure: {key: '${K}', resource: a}", "keep one of `key` and");
    check("url: http://localhost\n    azure: {key: '${K}'}\n    google: {}", "keep one of `azure`");
    check("url: http://localhost\n    azure: {key: of-the-file}", "the secret `key` stands in");
}

/// A function as Microsoft's documentation has them written, and a host that gives it what the Functions host
/// gives: requests and responses of `azure.functions`, behind the function's key.
const HOST: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import azure.functions as func

def main(req: func.HttpRequest) -> func.HttpResponse:
    try:
        request = req.get_json()
    except ValueError:
        return func.HttpResponse("no JSON", status_code=400)
    n = request["state"].get("n", 0)
    if request["secrets"]["apiKey"] != "secret-of-the-test":
        report = {"errorMessage": "the API is closed", "errorType": "Closed", "stackTrace": []}
        return func.HttpResponse(json.dumps(report), status_code=500, mimetype="application/json")
    answer = {
        "state": {"n": n + 1},
        "insert": {"t": [{"id": n, "text": "größe"}]},
        "schema": {"t": {"primary_key": ["id"]}},
        "hasMore": n < 2,
    }
    return func.HttpResponse(json.dumps(answer), mimetype="application/json")

class Host(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/api/orders" or self.headers.get("x-functions-key") != "key of the==function":
            return self.answer(401, {}, b"")
        host = f"http://{self.headers['host']}{self.path}"
        request = func.HttpRequest(
            method="POST", url=host, headers=dict(self.headers), params={}, route_params={}, body=body)
        response = main(request)
        headers = {"content-type": f"{response.mimetype}; charset={response.charset}"}
        self.answer(response.status_code, headers, response.get_body())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn f_010_a_function_of_microsofts_own_types_is_called_by_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_host, port) = Process::serve(folder.path(), HOST);
    let config = format!(
        "connections:\n  orders:\n    url: http://127.0.0.1:{port}/api/orders\n    azure: {{key: '${{ORDERS_KEY}}'}}\n    secrets: {{apiKey: '${{API_KEY}}'}}\n    destination: {{to: a.duckdb}}\n"
    );
    write(folder.path(), "hasmore.yaml", &config);
    let sync = |key: &str, secret: &str| {
        let sync = Hasmore::new(folder.path()).args(["sync"]);
        sync.env("ORDERS_KEY", key).env("API_KEY", secret).run()
    };
    sync("key of the==function", "secret-of-the-test").expect_code(0);
    let rows = query(&folder.path().join("a.duckdb"), "SELECT id, text FROM orders.t ORDER BY 1");
    assert_eq!(rows, [["0", "größe"], ["1", "größe"], ["2", "größe"]]);
    sync("another key", "secret-of-the-test").expect_error(2, "function_access_denied");
    let closed = sync("key of the==function", "wrong").expect_error(3, "function_error");
    assert!(closed.stderr.contains("Closed: the API is closed"), "{}", closed.stderr);
}
