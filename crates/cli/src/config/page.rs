//! The page of the configuration, made of its JSON Schema and one example.

use std::fmt::Write;

use serde_json::Value;

/// The example that the page begins with; a test reads it.
pub(super) const EXAMPLE: &str = "\
destination:
  to: warehouse.duckdb

connections:
  orders:
    handler: orders/lambda_function.lambda_handler
    secrets:
      api_token: ${ORDERS_API_TOKEN}
      certificate: file:secrets/certificate.pem
    custom_payload:
      region: eu
    options:
      delete_mode: hard
    limits:
      sync_time: 2h

  refunds:
    url: https://example.com/refunds
    headers:
      Authorization: Bearer ${REFUNDS_TOKEN}
    namespace: shop_refunds
";

const INTRODUCTION: &str = "\
# hasmore.yaml

One file names the connections of a project. `hasmore` looks for it in the current folder; `--config`
names another. What a connection is can also be said on the command line, without a file:
`hasmore sync --help` lists how. This page and the [JSON Schema](config.schema.json) are made from
`crates/cli/src/config.rs` by the tests; an editor that knows YAML schemas checks the file while you write:

```yaml
# yaml-language-server: $schema=docs/reference/config.schema.json
";

const RULES: &str = "\
```

Rules for the whole file:

- Paths begin in the folder of the file.
- Unknown keys and wrong values are refused; `hasmore config check` shows each with its line, its column and
  the word that was probably meant.
- `${NAME}` stands for an environment variable, in `url`, `headers`, `environment` and `secrets`; it may be part
  of a text. `$${` is a plain `${`. A variable that is not set is an error of the connections that need it.
- `file:path` in `secrets` stands for the content of a file, without its last line end.
- A secret that is written out is refused. `allow_inline_secrets: true` lets it pass with a warning in every sync.
- No secret, no header and no value of `environment` that refers to a variable is ever logged: each is
  replaced by its name. Values shorter than four characters are not, since they would blot out ordinary words.
- While a sync runs, a file `warehouse.duckdb.lock` lies beside the DuckDB file and tells who writes to it.
";

pub(super) fn page() -> String {
    let schema = serde_json::to_value(schemars::schema_for!(super::ConfigFile)).expect("JSON");
    let mut page = format!("{INTRODUCTION}{EXAMPLE}{RULES}");
    section(&mut page, "The file", &schema, &schema);
    for (name, title) in [
        ("DestinationConfig", "`destination`"),
        ("ConnectionConfig", "`connections.NAME`"),
        ("OptionsConfig", "`options`"),
        ("LimitsConfig", "`limits`"),
    ] {
        section(&mut page, title, &schema["$defs"][name], &schema);
    }
    page
}

fn section(page: &mut String, title: &str, object: &Value, schema: &Value) {
    let _ = write!(
        page,
        "\n## {title}\n\n{}\n\n| key | value | meaning |\n|---|---|---|\n",
        one_line(object)
    );
    for (key, member) in object["properties"].as_object().expect("an object has properties") {
        let _ = writeln!(page, "| `{key}` | {} | {} |", kind(member, schema), one_line(member));
    }
}

fn one_line(described: &Value) -> String {
    described["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

/// What may stand there, in a word or as the list of words.
fn kind(member: &Value, schema: &Value) -> String {
    if let Some(options) = member["anyOf"].as_array() {
        let kinds = options.iter().filter(|option| option["type"] != "null");
        let mut kinds: Vec<_> = kinds.map(|option| kind(option, schema)).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(options) = member["oneOf"].as_array() {
        let words = options.iter().filter_map(|option| option["const"].as_str());
        return words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(name) = member["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return match name {
            "DestinationConfig" => "see `destination`".to_owned(),
            "OptionsConfig" => "see `options`".to_owned(),
            "LimitsConfig" => "see `limits`".to_owned(),
            other => kind(&schema["$defs"][other], schema),
        };
    }
    if member.get("const").is_some() {
        return "`0`".to_owned();
    }
    let types = match &member["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => vec![one.as_str().unwrap_or_default()],
    };
    let known = types.iter().find(|name| **name != "null").copied().unwrap_or_default();
    match (known, member.get("pattern").is_some()) {
        ("string", true) if one_of(member, "ms") => "duration".to_owned(),
        ("string", true) => "size".to_owned(),
        ("string", false) => "text".to_owned(),
        ("integer", _) => "number".to_owned(),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("array", _) => "list of texts".to_owned(),
        ("object", _) if member["additionalProperties"]["$ref"].is_string() => {
            "connections by name".to_owned()
        }
        ("object", _) => "names with texts".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn one_of(member: &Value, unit: &str) -> bool {
    member["pattern"].as_str().is_some_and(|pattern| pattern.contains(unit))
}
