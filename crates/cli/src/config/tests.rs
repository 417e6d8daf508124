use expect_test::{Expect, expect};

use super::*;
use connector::yaml::{self, Place};

/// What the file says, or every mistake as it is shown.
fn check(text: &str, expected: Expect) {
    let found = match parse(text) {
        Ok(content) => content.connections.keys().cloned().collect::<Vec<_>>().join(", "),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.render("hasmore.yaml", text))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&found);
}

#[test]
fn a_whole_file_is_read() {
    let text = r#"
destination: {to: warehouse.duckdb}
connections:
  orders:
    handler: orders/lambda_function.lambda_handler
    environment: {TZ: UTC}
    secrets:
      api_token: ${ORDERS_API_TOKEN}
      certificate: file:secrets/certificate.pem
    secrets_file: secrets/old.json
    custom_payload: {region: eu, page_size: 100, fast: true}
    namespace: shop_orders
    options:
      delete_mode: hard
      string_inference: none
      naming: source
      keyless: row_hash
      soft_delete_timing: on_response
      lenient_numbers: true
      agent: somebody
    limits:
      empty_pages: 0
      sync_time: 0
      batch_rows: 50_000
      batch_bytes: 64 MB
      batch_age: 10s
      response_bytes: 6MiB
      call_timeout: 15m
      memory: 1 GB
  refunds:
    url: https://example.com/refunds?code=${CODE}
    headers: {Authorization: "Bearer ${TOKEN}"}
    destination: {to: refunds.duckdb}
  stock:
    command: ./stock --format 'a b'
"#;
    check(text, expect!["orders, refunds, stock"]);
    let content = parse(text).expect("a configuration");
    let orders = &content.connections["orders"];
    assert_eq!(orders.custom_payload["page_size"], "100");
    assert_eq!(orders.custom_payload["fast"], "true");
    assert_eq!(orders.options.delete_mode, Some(DeleteMode::Hard));
    assert_eq!(orders.limits.batch_rows, Some(50_000));
    assert_eq!(orders.limits.response_bytes, Some(Size(6 << 20)));
    let stock = content.connections["stock"].command.clone();
    assert_eq!(
        stock.map(|command| command.0),
        Some(vec!["./stock".into(), "--format".into(), "a b".into()])
    );
}

#[test]
fn an_empty_file_names_no_connection() {
    check("", expect![""]);
    check("# nothing yet\n", expect![""]);
    check("connections:\n", expect![""]);
}

#[test]
fn every_unknown_key_and_wrong_value_is_told_at_its_place() {
    check(
        "\
destination:
  too: warehouse.duckdb
connections:
  orders:
    handler: orders/lambda_function.lambda_handler
    delete_mode: soft
    flavour: sweet
    options:
      delete_mod: hard
      string_inference: ful
      lenient_numbers: yes
    limits:
      sync_time: 6 parsecs
      empty_pages: -1
    custom_payload: [a]
    destination:
      to:
",
        expect![[r#"
            hasmore.yaml:2:3: unknown key `too`
              |
            2 |   too: warehouse.duckdb
              |   ^^^ did you mean `to`?
            hasmore.yaml:6:5: unknown key `delete_mode`
              |
            6 |     delete_mode: soft
              |     ^^^^^^^^^^^ it belongs under `options`
            hasmore.yaml:7:5: unknown key `flavour`
              |
            7 |     flavour: sweet
              |     ^^^^^^^ known here: url, headers, lambda, aws, s3, google, azure, handler, python, task_root, command, manifest, environment, secrets, secrets_file, allow_inline_secrets, custom_payload, destination, namespace, schema_changes, mode, max_deletes, tables, options, limits
            hasmore.yaml:9:7: unknown key `delete_mod`
              |
            9 |       delete_mod: hard
              |       ^^^^^^^^^^ did you mean `delete_mode`?
            hasmore.yaml:10:25: expected one of `temporal`, `full`, `none`
               |
            10 |       string_inference: ful
               |                         ^^^ did you mean `full`?
            hasmore.yaml:11:24: expected true or false
               |
            11 |       lenient_numbers: yes
               |                        ^^^
            hasmore.yaml:13:18: expected a duration such as 500ms, 10s, 15m, 6h or 1h 30m
               |
            13 |       sync_time: 6 parsecs
               |                  ^^^^^^^^^
            hasmore.yaml:14:20: expected a whole number, 0 or greater
               |
            14 |       empty_pages: -1
               |                    ^^
            hasmore.yaml:15:21: expected a map, found a list
               |
            15 |     custom_payload: [a]
               |                     ^
            hasmore.yaml:17:7: expected text, found nothing
               |
            17 |       to:
               |       ^^"#]],
    );
}

#[test]
fn a_connection_names_one_function_and_one_place() {
    check(
        "\
connections:
  orders:
    handler: a.b
    url: http://localhost
  none:
    destination: {to: a.duckdb}
  headed:
    headers: {a: b}
    command: [a, b]
  mine: {namespace: orders, url: http://localhost, destination: {to: a.duckdb}}
  orders2: {namespace: orders, url: http://localhost, destination: {to: a.duckdb}}
",
        expect![[r#"
            hasmore.yaml:2:3: connection orders has no destination
              |
            2 |   orders:
              |   ^^^^^^ add `destination: {to: warehouse.duckdb}`
            hasmore.yaml:3:5: connection orders names both `url` and `handler`; keep one
              |
            3 |     handler: a.b
              |     ^^^^^^^
            hasmore.yaml:5:3: connection none names no function
              |
            5 |   none:
              |   ^^^^ add one of `url`, `lambda`, `handler`, `command` and `manifest`
            hasmore.yaml:7:3: connection headed has no destination
              |
            7 |   headed:
              |   ^^^^^^ add `destination: {to: warehouse.duckdb}`
            hasmore.yaml:8:5: `headers` are sent to a `url` only
              |
            8 |     headers: …
              |     ^^^^^^^
            hasmore.yaml:11:13: connections mine and orders2 would share the namespace orders of one destination; give one of them another `namespace`
               |
            11 |   orders2: …
               |             ^"#]],
    );
}

#[test]
fn f_018_a_secret_in_the_file_is_refused_and_never_shown() {
    check(
        "\
destination: {to: a.duckdb}
connections:
  orders:
    url: http://localhost
    secrets:
      token: hunter2hunter2
      other: ${TOKEN
      third: [hunter2]
",
        expect![[r#"
            hasmore.yaml:8:14: expected text, found a list
              |
            8 |       third: …
              |              ^"#]],
    );
    check(
        "\
destination: {to: a.duckdb}
connections:
  orders:
    url: http://localhost
    secrets:
      token: hunter2hunter2
      other: ${TOKEN
",
        expect![[r#"
            hasmore.yaml:6:7: the secret token stands in the file itself
              |
            6 |       token: …
              |       ^^^^^ write `${NAME}` for an environment variable, `file:path`, or the place in a store
            hasmore.yaml:7:7: a ${ has no closing }
              |
            7 |       other: …
              |       ^^^^^"#]],
    );
    check(
        "connections:\n  a:\n    secrets:\n      token: \"hunter2\n      hunter2: [x\n",
        expect![[r#"
            hasmore.yaml:4:14: this is not YAML: invalid indentation in quoted scalar
              |
            4 |       token: …
              |              ^"#]],
    );
}

#[test]
fn f_150_a_namespace_that_is_no_identifier_is_refused() {
    for (namespace, instead) in [("9x", "_9x"), ("A-b", "a_b"), ("\"\"", "_")] {
        let text = format!(
            "connections:\n  a:\n    url: http://localhost\n    namespace: {namespace}\n    destination: {{to: a.duckdb}}\n"
        );
        let problems = parse(&text).expect_err("the namespace is refused");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place.line, 4);
        assert_eq!(problems[0].suggestion, Some(format!("for example `{instead}`")));
    }
}

#[test]
fn what_is_not_yaml_is_told_at_its_place() {
    check(
        "connections: [\n",
        expect![[r#"
        hasmore.yaml:2:1: this is not YAML: while parsing a node, did not find expected node content
          |
        2 | 
          | ^"#]],
    );
    check(
        "a: 1\na: 2\n",
        expect![[r#"
        hasmore.yaml:2:1: the key `a` stands here twice; the first is in line 1
          |
        2 | a: 2
          | ^"#]],
    );
    check(
        "a: 1\n---\nb: 2\n",
        expect![[r#"
        hasmore.yaml:2:1: a second document begins here; one file holds one document
          |
        2 | ---
          | ^^^"#]],
    );
    check(
        "[1]",
        expect![[r#"
            hasmore.yaml:1:1: expected a map, found a list
              |
            1 | [1]
              | ^"#]],
    );
    check(
        "connections: {a: &x {options: *x}}",
        expect![[r#"
        hasmore.yaml:1:31: this alias stands inside the value it repeats
          |
        1 | connections: {a: &x {options: *x}}
          |                               ^^"#]],
    );
    check(
        "connections: *nowhere",
        expect![[r#"
        hasmore.yaml:1:14: this is not YAML: while parsing node, found unknown anchor
          |
        1 | connections: *nowhere
          |              ^"#]],
    );
    check(
        "? [a]\n: b\n",
        expect![[r#"
        hasmore.yaml:1:3: a key must be a plain word
          |
        1 | ? [a]
          |   ^"#]],
    );
}

#[test]
fn aliases_and_depth_have_an_end() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 10].join(", ")));
    }
    for text in [bomb, "[".repeat(10_000), "- ".repeat(10_000), "a".repeat(2 << 20)] {
        let problems = parse(&text).expect_err("too much");
        assert!(!problems.is_empty());
    }
}

/// Any bytes give a configuration or a located mistake: five seconds of it, or as long as
/// `HASMORE_FUZZ_SECONDS` says.
#[test]
fn any_text_is_a_configuration_or_has_a_located_mistake() {
    let seconds = std::env::var("HASMORE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds.unwrap_or(5));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut tried = 0u64;
    while std::time::Instant::now() < end {
        let text = chance.text();
        let outcome = std::panic::catch_unwind(|| located(&text));
        let located = outcome.unwrap_or_else(|_| Err("the parser panicked".to_owned()));
        assert_eq!(located, Ok(()), "for {text:?}");
        tried += 1;
    }
    assert!(tried > 100, "only {tried} texts were tried");
}

/// Whether the text is a configuration, or every mistake of it has a place that can be shown.
fn located(text: &str) -> Result<(), String> {
    let Err(problems) = parse(text) else { return Ok(()) };
    if problems.is_empty() {
        return Err("no mistake is told".to_owned());
    }
    let lines = yaml::lines(text).count() + 1;
    for problem in &problems {
        let Place { line, column, .. } = problem.place;
        let _ = problem.render("hasmore.yaml", text);
        if !(1..=lines).contains(&line) || column < 1 {
            return Err(format!("no such place: {line}:{column}"));
        }
    }
    Ok(())
}

/// A small generator: the same texts in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % below
    }

    /// A good file with pieces taken out, doubled, replaced by what YAML finds special, or by bytes.
    fn text(&mut self) -> String {
        const GOOD: &str = "destination: {to: warehouse.duckdb}\nconnections:\n  orders: &o\n    handler: orders/lambda_function.lambda_handler\n    secrets:\n      token: ${TOKEN}\n    options: {delete_mode: hard}\n    limits:\n      sync_time: 6h\n      batch_bytes: 64 MB\n  refunds:\n    url: http://localhost\n    command: [a, 'b']\n  stock: *o\n";
        const SPECIAL: &[&str] = &[
            "\n",
            "  ",
            "\t",
            ":",
            ": ",
            "- ",
            "? ",
            "#",
            "&a ",
            "*a",
            "!",
            "!!str ",
            "|",
            ">",
            "|2\n",
            "'",
            "\"",
            "\\",
            "{",
            "}",
            "[",
            "]",
            ",",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\u{feff}",
            "\0",
            "😀",
            "\u{85}",
            "\u{2028}",
            "~",
            "null",
            "0",
            "-1",
            "1e9",
            "9999999999999999999999",
            "<<",
            "${",
        ];
        let mut bytes = if self.next(8) == 0 { Vec::new() } else { GOOD.as_bytes().to_vec() };
        for _ in 0..=self.next(12) {
            let at = self.next(bytes.len() + 1);
            match self.next(5) {
                0 => {
                    let end = (at + self.next(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
                1 => {
                    let end = (at + self.next(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let place = self.next(bytes.len() + 1);
                    bytes.splice(place..place, piece);
                }
                2 => bytes.insert(at, u8::try_from(self.next(256)).expect("a byte")),
                _ => {
                    let special = SPECIAL[self.next(SPECIAL.len())].bytes();
                    bytes.splice(at..at, special);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn contracts_are_read_and_their_mistakes_shown() {
    let connection = |contract: &str| {
        format!(
            "destination: {{to: w.duckdb}}\nconnections:\n  a:\n    url: https://example.com\n    tables:\n      t:\n        columns:\n          v: {contract}\n"
        )
    };
    let right = connection(
        "{hash: true, contract: {required: true, accepted: [a, 5, true], min: -1.5, max: 2024-12-31, on_breach: drop_row}}",
    );
    check(&right, expect!["a"]);
    let contract = parse(&right).expect("a configuration").connections["a"].policy().tables["t"]
        .contracts["v"]
        .clone();
    assert_eq!(contract.accepted, ["a", "5", "true"]);
    assert_eq!(contract.min, Some(engine::Bound::Number("-1.5".to_owned())));
    assert!(matches!(contract.max, Some(engine::Bound::Moment(_))), "{contract:?}");
    check(
        &connection("{contract: {min: low}}"),
        expect![[r#"
        hasmore.yaml:8:31: expected a number, a date or a time, as in `0`, `2024-12-31` or `2024-12-31T12:00:00Z`, not low
          |
        8 |           v: {contract: {min: low}}
          |                               ^^^"#]],
    );
    check(
        &connection("{contract: {on_breach: quarantined}}"),
        expect![[r#"
        hasmore.yaml:8:37: expected one of `fail`, `quarantine`, `drop_row`
          |
        8 |           v: {contract: {on_breach: quarantined}}
          |                                     ^^^^^^^^^^^ did you mean `quarantine`?"#]],
    );
    check(
        &connection("{block: true, contract: {unique: true}}"),
        expect![[r#"
        hasmore.yaml:6:7: table t, column v: of a column that is left out nothing must hold; keep one of `block` and `contract`
          |
        6 |       t:
          |       ^"#]],
    );
}
