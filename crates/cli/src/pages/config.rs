//! The page of the configuration, made of its JSON Schema and one example.

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
    let schema = schemars::schema_for!(crate::config::ConfigFile);
    let sections = super::schema::sections(schema.as_value());
    format!("{INTRODUCTION}{EXAMPLE}{RULES}{sections}")
}
