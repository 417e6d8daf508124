use std::path::Path;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use protocol::{Function, Request, State};
use transport::{CommandFunction, CommandOptions};

use crate::world::{Lines, alone, begin_alone, eventually, folder, is_alive, repository};
use crate::{PAGE, outcome, request};

fn shell(script: &str, options: CommandOptions) -> CommandFunction {
    CommandFunction::new("/bin/sh", ["-c", script], options)
}

/// Runs a script once and compares the outcome and the log.
async fn check(script: &str, expected: Expect) {
    check_with(script, CommandOptions::default(), expected).await;
}

async fn check_with(script: &str, options: CommandOptions, expected: Expect) {
    let lines = Lines::default();
    let function = shell(script, CommandOptions { log: lines.log(), ..options });
    let outcome = outcome(&function.call(&request()).await);
    expected.assert_eq(&format!("{outcome}\n{}", lines.text()));
}

#[tokio::test]
async fn the_request_comes_in_and_the_response_goes_out() {
    check(
        r#"request=$(cat); echo "$request" >&2; echo '{"state":{"n":2},"hasMore":true}'"#,
        expect![[r#"
            {"state":{"n":2},"insert":{},"delete":{},"schema":{},"hasMore":true}
            Stderr: {"agent":"hasmore/0.0.0/shop/sales","state":{},"secrets":{"apiToken":"<secret apiToken>"},"customPayload":{},"sync_id":"468b681a-c376-4117-bbc0-25d8ae02ace1"}"#]],
    )
    .await;
}

#[tokio::test]
async fn a_program_need_not_read_the_request() {
    check(
        &format!("echo '{PAGE}'"),
        expect![[r#"
        {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}
    "#]],
    )
    .await;
    let large = State::from_json(&format!("\"{}\"", "x".repeat(1 << 20))).expect("a state");
    let function = shell(&format!("exec <&-; echo '{PAGE}'"), CommandOptions::default());
    let answer = function.call(&Request { state: large, ..request() }).await;
    answer.expect("a page");
}

#[tokio::test]
async fn large_requests_and_answers_pass_each_other() {
    // The program answers while it still reads: neither side may wait for the other.
    let state = State::from_json(&format!("\"{}\"", "x".repeat(4 << 20))).expect("a state");
    let script = r#"printf '{"insert":{"t":[{"r":'; tee /dev/null; printf '}]},"state":{}}'"#;
    let answer = shell(script, CommandOptions::default())
        .call(&Request { state, ..request() })
        .await
        .expect("a page");
    assert!(answer.body_bytes > 4 << 20, "{}", answer.body_bytes);
}

#[tokio::test]
async fn a_bad_exit_is_told_with_the_last_lines() {
    check(
        "echo one >&2; echo token-of-the-test is wrong >&2; exit 3",
        expect![[r#"
        function_error: function failed: /bin/sh exited with code 3; it last printed:
          one
          <secret apiToken> is wrong
        Stderr: one
        Stderr: <secret apiToken> is wrong"#]],
    )
    .await;
    check(
        "exit 1",
        expect![[r#"
        function_error: function failed: /bin/sh exited with code 1, and printed nothing
    "#]],
    )
    .await;
    check("kill -9 $$", expect![[r#"
        function_error: function failed: /bin/sh was killed by signal 9 (SIGKILL; perhaps memory ran out), and printed nothing
    "#]]).await;
    check(
        "for n in $(seq 30); do echo $n >&2; done; exit 1",
        expect![[r#"
        function_error: function failed: /bin/sh exited with code 1; it last printed:
          11
          12
          13
          14
          15
          16
          17
          18
          19
          20
          21
          22
          23
          24
          25
          26
          27
          28
          29
          30
        Stderr: 1
        Stderr: 2
        Stderr: 3
        Stderr: 4
        Stderr: 5
        Stderr: 6
        Stderr: 7
        Stderr: 8
        Stderr: 9
        Stderr: 10
        Stderr: 11
        Stderr: 12
        Stderr: 13
        Stderr: 14
        Stderr: 15
        Stderr: 16
        Stderr: 17
        Stderr: 18
        Stderr: 19
        Stderr: 20
        Stderr: 21
        Stderr: 22
        Stderr: 23
        Stderr: 24
        Stderr: 25
        Stderr: 26
        Stderr: 27
        Stderr: 28
        Stderr: 29
        Stderr: 30"#]],
    )
    .await;
}

#[tokio::test]
async fn q_10_an_error_report_counts_more_than_the_exit_code() {
    check(
        r#"echo '{"errorMessage":"no","errorType":"Mine"}'; exit 1"#,
        expect![[r#"
        function_error: function failed: Mine: no
    "#]],
    )
    .await;
    check(
        r#"echo '{"errorMessage":"no"}'"#,
        expect![[r#"
        function_error: function failed: no
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_program_that_answers_nonsense_breaks_the_protocol() {
    check(
        "true",
        expect![[r#"
        unable_to_parse_json: function broke the protocol: the answer is empty
    "#]],
    )
    .await;
    check("echo done", expect![[r#"
        unable_to_parse_json: function broke the protocol: the answer is not JSON: expected a value at byte 0; it begins: done
    "#]]).await;
}

#[tokio::test]
async fn f_054_an_endless_answer_is_stopped_at_the_guard() {
    let options = CommandOptions { response_bytes_max: 100_000, ..CommandOptions::default() };
    check_with("yes", options, expect![[r#"
        response_too_large: function broke the protocol: the answer is over the limit of 100000 bytes; send fewer rows a call and set hasMore to true
    "#]]).await;
}

#[tokio::test]
async fn a_program_that_never_ends_runs_into_the_timeout_with_all_it_started() {
    let folder = folder(&[]);
    let options = CommandOptions {
        folder: Some(folder.path().to_owned()),
        timeout: Duration::from_millis(500),
        ..CommandOptions::default()
    };
    check_with(
        "sleep 1000 & echo $! > child; echo $$ > own; wait",
        options,
        expect![[r#"
        function_timeout: function gave no answer within 0.5 s
    "#]],
    )
    .await;
    both_end(folder.path()).await;
}

#[tokio::test]
async fn a_program_that_is_given_up_ends_with_all_it_started() {
    let folder = folder(&[]);
    let options =
        CommandOptions { folder: Some(folder.path().to_owned()), ..CommandOptions::default() };
    let function = shell("sleep 1000 & echo $! > child; echo $$ > own; wait", options);
    {
        let request = request();
        let call = function.call(&request);
        tokio::select! {
            _ = call => panic!("it never answers"),
            () = eventually("it started", || folder.path().join("own").is_file()) => {}
        }
    }
    both_end(folder.path()).await;
}

#[tokio::test]
async fn when_hasmore_is_killed_its_programs_end() {
    let place = folder(&[]);
    let test = "command::when_hasmore_is_killed_its_programs_end";
    let variables = [("HASMORE_TEST_PLACE", place.path().to_str().expect("a plain path"))];
    let Some(mut killed) = begin_alone(test, &variables) else {
        let folder = std::env::var_os("HASMORE_TEST_PLACE").map(Into::into);
        let options = CommandOptions { folder, ..CommandOptions::default() };
        let script = "sleep 1000 & echo $! > child; echo $$ > own; wait";
        let _ = shell(script, options).call(&request()).await;
        return;
    };
    eventually("it started", || place.path().join("own").is_file()).await;
    killed.kill().expect("a child can be killed");
    killed.wait().expect("a child can be waited for");
    both_end(place.path()).await;
}

async fn both_end(folder: &Path) {
    for name in ["own", "child"] {
        let text = std::fs::read_to_string(folder.join(name)).expect("a file with a number");
        let process = text.trim().parse().expect("a number");
        eventually(name, || !is_alive(process)).await;
    }
}

#[tokio::test]
async fn what_a_program_leaves_running_does_not_hold_the_answer_up() {
    let begun = Instant::now();
    check(
        &format!("sleep 1000 & echo '{PAGE}'"),
        expect![[r#"
        {"state":{"n":1},"insert":{"t":[{"a":1}]},"delete":{},"schema":{},"hasMore":false}
    "#]],
    )
    .await;
    // This one left the process group.
    let folder = folder(&[]);
    let options =
        CommandOptions { folder: Some(folder.path().to_owned()), ..CommandOptions::default() };
    let escapes = "setsid sh -c 'touch left; sleep 5' & while [ ! -e left ]; do sleep 0.05; done";
    check_with(escapes, options, expect![[r#"
        function_error: function failed: /bin/sh exited with code 0, and something it started keeps its output open, and printed nothing
    "#]]).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_with_a_hint() {
    let refused = async |program: &str, folder: Option<&Path>| {
        let folder = folder.map(Path::to_owned);
        let options = CommandOptions { folder, ..CommandOptions::default() };
        let function = CommandFunction::new(program, ["x"], options);
        format!("{:?}", function.call(&request()).await.expect_err("a refusal"))
    };
    let place = folder(&[("not_executable", "#!/bin/sh\n")]);
    let all = [
        refused("no-such-program", None).await,
        refused("./not_executable", Some(place.path())).await,
        refused("true", Some(Path::new("/no/such/folder"))).await,
    ];
    expect![[r#"
        Refused { code: "command_not_found", message: "there is no program no-such-program, or what its first line names is missing", hint: "install it, or correct the command; a path that is not whole starts at the folder the command runs in" }
        Refused { code: "command_not_executable", message: "./not_executable may not be run", hint: "make it executable: chmod +x ./not_executable" }
        Refused { code: "folder_not_found", message: "there is no folder /no/such/folder", hint: "correct the folder the command runs in" }"#]].assert_eq(&all.join("\n"));
}

#[tokio::test]
async fn arguments_environment_and_folder_arrive() {
    let place = folder(&[("rows", "[1]")]);
    let lines = Lines::default();
    let options = CommandOptions {
        folder: Some(place.path().to_owned()),
        environment: vec![("REGION".into(), "eu".into())],
        log: lines.log(),
        ..CommandOptions::default()
    };
    let script = r#"echo "$1 $REGION $(cat rows)" >&2; echo '{"state":{}}'"#;
    let function = CommandFunction::new("/bin/sh", ["-c", script, "sh", "a b"], options);
    function.call(&request()).await.expect("a page");
    expect!["Stderr: a b eu [1]"].assert_eq(&lines.text());
}

#[tokio::test]
async fn f_018_log_lines_hold_no_secret_whatever_their_shape() {
    let lines = Lines::default();
    let options = CommandOptions { log: lines.log(), ..CommandOptions::default() };
    let script = "printf 'key:\\n-----BEGIN-----\\nabcdef\\n-----END-----\\r\\nhalf' >&2; printf ' token-of-the-test\\n' >&2; head -c 40000 /dev/zero | tr '\\0' x >&2; echo '{\"state\":{}}'";
    let mut request = request();
    request.secrets.insert("pem", "-----BEGIN-----\nabcdef\n-----END-----\n");
    shell(script, options).call(&request).await.expect("a page");
    let text: Vec<_> = lines.text().lines().map(|line| line.replace("xxxxxxxx", "")).collect();
    expect![[r#"
        Stderr: key:
        Stderr: <secret pem line 1>
        Stderr: <secret pem line 2>
        Stderr: <secret pem line 3>
        Stderr: half <secret apiToken>
        Stderr: 
        Stderr: 
        Stderr: "#]]
    .assert_eq(&text.join("\n"));
}

#[tokio::test]
async fn no_process_is_left_unreaped() {
    let test = "command::no_process_is_left_unreaped";
    if !alone(test, &[]) {
        return;
    }
    for _ in 0..5 {
        shell(&format!("echo '{PAGE}'"), CommandOptions::default())
            .call(&request())
            .await
            .expect("a page");
    }
    let own = std::process::id().to_string();
    let children = || {
        let processes = std::fs::read_dir("/proc").expect("a list of processes");
        let stats = processes
            .flatten()
            .filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
        let parent = |stat: &String| {
            let rest = stat.rsplit(')').next().unwrap_or_default().to_owned();
            rest.split_whitespace().nth(1).map(str::to_owned)
        };
        stats.filter(|stat| parent(stat).as_deref() == Some(own.as_str())).count()
    };
    eventually("every child was waited for", || children() == 0).await;
}

#[tokio::test]
async fn the_example_pages_through_its_file() {
    let program = repository("examples/command/orders.py");
    let lines = Lines::default();
    let options = CommandOptions { log: lines.log(), ..CommandOptions::default() };
    let function = CommandFunction::new(program.to_string_lossy(), [""; 0], options);
    let mut request = request();
    let mut pages = Vec::new();
    loop {
        let page = function.call(&request).await.expect("a page");
        pages.push(format!("{} rows, state {}", page.rows(), page.state.as_json()));
        request.state = page.state;
        if !page.has_more {
            break;
        }
    }
    expect![[r#"
        3 rows, state {"order_id": 3}
        3 rows, state {"order_id": 6}
        1 rows, state {"order_id": 7}
        Stderr: 3 of 7 orders after 0
        Stderr: 3 of 4 orders after 3
        Stderr: 1 of 1 orders after 6"#]]
    .assert_eq(&format!("{}\n{}", pages.join("\n"), lines.text()));
}
