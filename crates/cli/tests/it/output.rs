//! What a person and a program see: the last lines, `--json`, `-q`, `NO_COLOR`, no secrets.

use expect_test::expect;

use crate::support::{Answer, FakeFunction, Hasmore, page, query};

/// Times and ids differ from run to run.
fn steady(text: &str) -> String {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = match line.split_once(" in ").filter(|(head, _)| head.contains("row")) {
            Some((head, _)) => format!("{head} in …"),
            None => line.to_owned(),
        };
        out.push(line);
    }
    out.join("\n")
}

#[test]
fn the_last_lines_say_why_it_stopped_and_what_it_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Answer::json(
        r#"{"state":{"p":1},"insert":{"t":[{"id":1,"n":1},{"id":2,"n":2}],"Log Lines":[{"a":1}]},"schema":{"t":{"primary_key":["id"]}}}"#,
    );
    let second = Answer::json(
        r#"{"state":{"p":2},"insert":{"t":[{"id":1,"n":1},{"id":2,"n":2.5},{"id":3,"new":"x"}]},"delete":{"t":[{"id":1}]},"surprise":1}"#,
    );
    let failing = Answer::json("[]");
    let function = FakeFunction::start([first, second, failing]);
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    expect![[r#"
        orders: complete: 1 page, 3 rows in …
          the function has no more
          table      inserted
          log_lines         1
          t                 2
          schema: created log_lines with 1 column
          schema: created t with 2 columns
          duckdb warehouse.duckdb 'FROM orders.log_lines LIMIT 10'"#]]
    .assert_eq(&steady(&ended.stdout));
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    expect![[r#"
        orders: complete: 1 page, 3 rows in …
          the function has no more
          table  inserted  updated  unchanged  deleted
          t             1        1          1        1
          schema: t.n was widened from long to double
          schema: t has a new column new (string)
          schema: t has a new column _fivetran_deleted
          1 warning
          duckdb warehouse.duckdb 'FROM orders.t LIMIT 10'"#]]
    .assert_eq(&steady(&ended.stdout));
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(3);
    expect![[r#"
        orders: failed: 0 pages, 0 rows in …
          invalid_response; this sync landed nothing, and the next one begins where it did"#]]
    .assert_eq(&steady(&ended.stdout));
}

#[test]
fn the_pasted_line_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([Answer::json(
        r#"{"state":{},"insert":{"select":[{"id":1}]},"schema":{"select":{"primary_key":["id"]}}}"#,
    )]);
    let ended = Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    let line = ended.stdout.lines().last().expect("a line").trim();
    let sql = line.strip_prefix("duckdb warehouse.duckdb '").and_then(|l| l.strip_suffix('\''));
    assert_eq!(query(&folder.path().join("warehouse.duckdb"), sql.expect("a query")).len(), 1);
}

#[test]
fn json_is_one_object_for_each_connection_and_quiet_is_quiet() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, "{}", false),
        page(r#"[{"id":1}]"#, "{}", false),
        page(r#"[{"id":1}]"#, "{}", false),
        Answer::status(500, r#"{"errorMessage":"no luck"}"#),
    ]);
    let ended = Hasmore::sync(folder.path(), &function.url()).args(["--json"]).run().expect_code(0);
    let answers = ended.json_lines();
    assert_eq!(answers.len(), 1);
    let answer = &answers[0];
    assert_eq!(answer["status"], "SUCCESSFUL");
    assert_eq!(answer["outcome"], "complete");
    assert_eq!(answer["tables"]["t"]["inserted"], 1);
    assert_eq!(answer["changes"][0]["change"], "create_table");
    assert_eq!(answer["destination"], "warehouse.duckdb");
    assert_eq!(answer["error"], serde_json::Value::Null);

    let quiet = Hasmore::sync(folder.path(), &function.url()).args(["-q"]).run().expect_code(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let line = ["-q", "--json", "--log-format", "json"];
    let quiet = Hasmore::sync(folder.path(), &function.url()).args(line).run().expect_code(0);
    assert_eq!((quiet.json_lines().len(), quiet.stderr.as_str()), (1, ""));
    let failed = Hasmore::sync(folder.path(), &function.url()).args(line).run().expect_code(3);
    assert_eq!(failed.json_lines()[0]["error"]["code"], "function_error");
    assert_eq!(failed.events().len(), 1, "errors are told even then");
}

#[test]
fn verbose_tells_each_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([
        page(r#"[{"id":1}]"#, r#"{"p":1}"#, true),
        page(r#"[{"id":2}]"#, r#"{"p":2}"#, false),
    ]);
    let ended = Hasmore::sync(folder.path(), &function.url()).args(["-v"]).run().expect_code(0);
    for part in ["page 1: 1 row, ", "more to come", "page 2: 1 row, ", "the last", "landed 2 pages"]
    {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn no_color_wins_over_force() {
    let folder = tempfile::tempdir().expect("a folder");
    let answers = || [page(r#"[{"id":1}]"#, "{}", false), Answer::json("[]")];
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let function = FakeFunction::start(answers());
        let mut codes = Vec::new();
        for _ in 0..2 {
            let mut sync = Hasmore::sync(folder.path(), &function.url());
            for (name, value) in variables {
                sync = sync.env(name, value);
            }
            let ended = sync.run();
            assert_eq!(ended.stdout.contains('\x1b'), coloured, "{}", ended.stdout);
            assert_eq!(ended.stderr.contains('\x1b'), coloured, "{}", ended.stderr);
            codes.push(ended.code);
        }
        assert_eq!(codes, [Some(0), Some(3)]);
    }
}

/// F-018, and no row value either: every output of every kind of run is searched.
#[test]
fn f_018_no_output_of_a_sync_holds_a_secret_or_a_row() {
    const SECRETS: [(&str, &str); 3] =
        [("API_TOKEN", "s3cret-t0ken"), ("HEADER_KEY", "h3ader-k3y"), ("QUERY_KEY", "qu3ry-k3y")];
    let good = r#"{"state":{"token":"st4te-token"},"insert":{"t":[{"id":"r0w-value","n":1}]},"schema":{"t":{"primary_key":["id"]}}}"#;
    let answers = [
        Answer::json(good),
        Answer::json(r#"{"state":{},"insert":{"t":[{"id":"r0w-value","n":"w1den"}]}}"#),
        Answer::json(r#"{"state":{},"insert":{"t":[{"n":"r0w-value"}]}}"#),
        Answer::json(
            r#"{"errorMessage":"s3cret-t0ken and h3ader-k3y are wrong","errorType":"s3cret-t0ken","stackTrace":["qu3ry-k3y"]}"#,
        ),
        Answer::status(403, "go away, s3cret-t0ken h3ader-k3y qu3ry-k3y"),
        Answer::json("<html>s3cret-t0ken h3ader-k3y qu3ry-k3y</html>"),
        Answer::status(503, "s3cret-t0ken h3ader-k3y qu3ry-k3y"),
        Answer::json(good),
    ];
    for line in [&["-v"][..], &["-v", "--json"], &["-v", "--log-format", "json"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let function = FakeFunction::start(answers.clone());
        let url = format!("{}?code=${{QUERY_KEY}}", function.url());
        let mut said = String::new();
        for _ in 0..7 {
            let mut sync = Hasmore::sync(folder.path(), &url)
                .args(["--secret", "API_TOKEN", "--header", "X-Key: ${HEADER_KEY}"])
                .args(line);
            for (name, value) in SECRETS {
                sync = sync.env(name, value);
            }
            let ended = sync.run();
            said.push_str(&ended.stdout);
            said.push_str(&ended.stderr);
        }
        let first = &function.received()[0];
        assert_eq!(first.header("x-key"), Some("h3ader-k3y"));
        assert_eq!(first.line, "POST /?code=qu3ry-k3y HTTP/1.1");
        assert_eq!(function.received().len(), 8);
        let hidden = SECRETS.map(|(_, value)| value).into_iter();
        for word in hidden.chain(["r0w-value", "w1den", "st4te-token"]) {
            assert!(!said.contains(word), "{word} in:\n{said}");
        }
        assert!(said.contains("<secret API_TOKEN>"), "{said}");
    }
}

#[test]
fn f_018_no_output_of_a_preview_or_a_test_holds_a_secret() {
    const ECHO: &str = "s3cret-t0ken h3ader-k3y";
    let answers = [
        Answer::status(403, ECHO),
        Answer::json(format!("<html>{ECHO}</html>")),
        Answer::json(format!(r#"{{"errorMessage":"{ECHO}","stackTrace":["{ECHO}"]}}"#)),
        Answer::json(format!(r#"{{"state":{{}},"{ECHO}":1,"insert":{{"t":[{{"id":1}}]}}}}"#)),
    ];
    for command in ["preview", "test"] {
        for line in [&["-v"][..], &["--json"], &["--log-format", "json"]] {
            let folder = tempfile::tempdir().expect("a folder");
            let function = FakeFunction::start(answers.clone());
            for _ in &answers {
                let ended = Hasmore::new(folder.path())
                    .args([command, "--url", &function.url(), "--secret", "API_TOKEN"])
                    .args(["--header", "X-Key: ${HEADER_KEY}"])
                    .args(line)
                    .env("API_TOKEN", "s3cret-t0ken")
                    .env("HEADER_KEY", "h3ader-k3y")
                    .run();
                let said = ended.stdout + &ended.stderr;
                assert!(!said.contains("t0ken") && !said.contains("k3y"), "{said}");
            }
        }
    }
}

#[test]
fn a_code_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let explain = |code: &str| Hasmore::new(folder.path()).args(["explain", code]).run();
    let ended = explain("no_progress").expect_code(0);
    for part in ["error[no_progress]\n  cause: ", "warning[no_progress]\n  cause: ", "cure: "] {
        assert!(ended.stdout.contains(part), "{}", ended.stdout);
    }
    let ended = explain("no_progres").expect_error(2, "usage");
    assert!(ended.stderr.contains("did you mean no_progress?"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false)]);
    Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
    for command in ["tables", "config", "demo"] {
        let mut line = vec![command];
        line.extend(match command {
            "tables" => vec!["--to", "warehouse.duckdb"],
            "config" => vec!["schema"],
            _ => vec![],
        });
        let ended = Hasmore::new(folder.path()).args(line).run_unread().expect_code(0);
        assert_eq!(ended.stderr, "", "{command}");
    }
}

#[test]
fn another_kind_of_destination_is_not_taken_for_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    Hasmore::new(folder.path())
        .args(["sync", "--url", "http://localhost", "--to", "mysql://localhost/warehouse"])
        .run()
        .expect_error(2, "unknown_destination");
}
