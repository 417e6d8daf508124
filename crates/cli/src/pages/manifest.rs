//! The page of manifests, made of their JSON Schema and one example.

/// The example that the page begins with; a test reads it.
pub(super) const EXAMPLE: &str = "\
name: shop
base_url: https://api.example.com/v1
secrets: [api_key]
auth: {bearer: \"{{ secrets.api_key }}\"}
pagination:
  cursor: {from: body.next_cursor, to: query.cursor}
  size: {to: query.limit, value: 100}
tables:
  customers:
    records: data
    primary_key: id
    cursor: {field: updated_at, to: query.updated_since, start: 2024-01-01}
  orders:
    for_each: customers
    path: /customers/{{ parent.id }}/orders
    primary_key: id
    include: {customer_id: parent.id}
";

const INTRODUCTION: &str = "\
# Manifests

A manifest describes an API as tables: where it is, how to log in, how it pages, and what is new since the
last sync. `hasmore sync --manifest shop.yaml --to warehouse.duckdb` reads it; so does `manifest: shop.yaml` of a
connection in [hasmore.yaml](config.md). `hasmore init URL` writes one, and `hasmore manifest check shop.yaml` looks
for mistakes without calling anything. This page and the [JSON Schema](manifest.schema.json) are made from
`crates/connector/src/manifest.rs` by the tests; an editor that knows YAML schemas checks the file while you write:

```yaml
# yaml-language-server: $schema=docs/reference/manifest.schema.json
";

const RULES: &str = "\
```

## Places and templates

A value is **read** at a *place in an answer* and **written** to a *place in a request*:

| read from | what it is |
|---|---|
| `body.PATH` | a value in the JSON body: `body.next_cursor`, `body.meta.page.next`, `body.data.0.id` |
| `header.NAME` | a header of the answer |
| `link.REL` | the address of this relation in a `Link` header: `link.next` |
| `last_row.PATH` | a field of the last row of the page |

| written to | what it is |
|---|---|
| `query.NAME` | a query parameter |
| `header.NAME` | a header of the request |
| `body.PATH` | a member of the JSON body, made where it is missing |
| `path.NAME` | what `{{ NAME }}` stands for in `path` |
| `url` | the whole address of the next page |

A **path** leads to a value in JSON: names with a point between them, numbers for elements of lists, `*` for all of
them, `$` for the whole.

A **template** is a text with holes: `{{ secrets.NAME }}`, `{{ config.NAME }}`, `{{ parent.FIELD }}` in a table with
`for_each`, `{{ cursor.since }}` and `{{ cursor.until }}` in one with a `cursor`. The language is that of
[minijinja](https://docs.rs/minijinja/latest/minijinja/syntax/index.html). A name that is unknown is an error before
anything is sent, and so is a secret that `secrets` does not list. What fills a hole of a path is percent-encoded.

## What holds for every table

- **A reading ends for a reason, or fails.** The reason stands in the summary: `last_page`, `empty_page`, `short_page`,
  `no_token`, `total_reached`, `cursor_reached`, `window_end`, `files_read`. Fewer rows than `total`, a page or a token that comes again, more
  pages than `pages_max`: each is an error with a code, never a quiet end.
- **The cursor is the newest value seen**, never the time of day, and it moves only when all pages are read. The upper
  bound of `until` is fixed before the first page.
- **A range of the past** is read beside that: `hasmore sync --from 2024-01-01 --until 2024-01-31` lands the rows whose
  cursor is from one value up to another, both included, and leaves the cursor where it is. It reads the tables that
  have a cursor with a `field`, their parents, and what is read for their rows; each needs a `primary_key`.
- **Page numbers are only as good as the table is still.** Where `total` gets smaller between two pages, rows went, and
  others moved to a page that was read already: the table is read again, and if that does not help, the reading is not
  whole and the cursor stays. Rows that come in front are seen by the page's last row coming again, and lose nothing.
  Without `total`, a row that goes, or moves to the end because it was changed, cannot be noticed by page numbers: read
  such a table by the last row's key, by a token, or in windows (`until`, `step`), and give it a `lookback`.
- **A sync that stops goes on where it was.** The position inside parents, pages and windows is part of the state. A
  token that may have expired is not used in another sync: its window is read again, and keys make one row of two.
- **Parents** come from another table as it is read (`for_each: customers`), from all of its rows, new or not
  (`{all: customers}`), from a request of their own that lands nowhere (`{request: {path: /regions}}`), or from a list.
- **Records inside records** are rows of a table that asks for nothing: `for_each: orders` with `explode: lines`. They
  are reshaped like any others, and leave with the row that they are in; `drop: lines` takes them out of it there.
- **Deletes come before rows.** A feed of deletes (`deletes: {path: /deleted}`) has its own cursor and is asked before
  its table, in an answer of its own: a row that was deleted and came back stays.
- **Memory does not grow with an export of an API**: an answer in `json`, `json_lines`, `csv`, `fixed_width` or `xml` that
  is packed or larger than 4 MiB goes to a temporary file as it comes, and is read from there in pieces of 1 MiB; the next call goes on
  in its middle. A process that goes on with one asks for it again; if it is another answer then, it is read from its
  beginning (the warning `answer_changed`), or is the error `page_changed` where rows have no key. So it is for tables that
  have one page, and no `for_each`, no children and no `order: descending`. Other answers, and those in Excel, Parquet and
  Avro, are held whole, up to `requests.body_bytes`; where that is said, it limits every answer.
- **In XML**, a name of `records` means all elements of that name: `list.group.item` is every item of every group.
  Elements are members of a row, attributes `@name`, text beside them `#text`.
- **A row that is larger than an answer's budget is sent alone**; a page larger than it is sent in parts.
- **Nothing is retried blindly.** 408, 425, 429, 500, 502, 503 and 504 are tried again after `Retry-After`, or after
  pauses that grow; every other status is the answer. Redirects to another host take no header along that lets a
  request in.
- **What is signed is signed last**, request by request, and a token that was made or fetched is used until it is about to
  expire or is refused. A refresh token that changes with every use is kept in the state, encrypted by the key of
  `keep_with` ([why](../decisions/016-a-refresh-token-that-changes-is-kept-encrypted-in-the-state.md)).
- **Nothing leads into the network around a function** that runs in a cloud: a redirect or a link to such an address is
  refused there. The certificate of `tls` is shown to the manifest's own host alone.
- No secret and no value of a row is in a log or an error message; an error tells table, row number and field.

## Rows in files

A table is read from files in place of an API, where it says `files`:

```yaml
name: exports
secrets: [key_id, key]
storage:
  s3: {region: eu-west-1, access_key_id: \"{{ secrets.key_id }}\", secret_access_key: \"{{ secrets.key }}\"}
tables:
  orders:
    files: s3://exports/orders/*/*.csv.gz
    format: csv
```

- **Where**: a path of this machine, from the manifest's folder on; `s3://bucket/path`, `gs://bucket/path`,
  `az://container/path`; `sftp://host/path`; or the address of one file, `https://…`, to which `auth` and `headers` of the manifest are not
  sent. A path that ends with `/` is all that is in it. A deployed function reads no files of its machine.
- **Every row has** `_file`, `_line` (its number in the file, the first row is 1) and `_modified`; `[_file, _line]` is the
  key unless `primary_key` says another. `select`, `drop`, `filter`, `hash` and `rename` see them like any field.
- **New and changed** files are read, by the time of their change and then by path, and no other. One that changes has its
  rows read again, which replace those with the same key; rows that it no longer has stay. What was read is
  remembered file by file as far back as `lookback`, and at most 500 files of each path; older ones are taken as read,
  and the warning `late_files` tells of any that come later than that. A path that is added has its old files read.
- **A call may end in the middle of a file**, and the next one goes on there. If the file is another one then, by its
  etag or by its time, it is begun anew; without a key that is an error, `page_changed`, since rows would be there twice.
- **Memory does not grow with the file**, packed or not; a row may have `requests.body_bytes`. Excel is read whole, up to
  that many bytes, and so is XML whose `records` are not plain names. JSON without `records` is read twice where it is no
  list: which of its lists holds the rows is known when there is no other.
- **SFTP**: `sftp://user@host:port/path`, a path from the server's root, or with `/~/` from the folder that one logs in
  to. One logs in by `private_key` or `password` of `storage: {sftp: …}`. The server must show a key that is known, by its
  fingerprint in `host_key` or from `known_hosts`; without one nothing is sent, and the error `host_key_unknown` names the
  key that it shows. Links to files are followed, links to folders are not. The protocol tells the time of a change in
  whole seconds: a file that is changed twice in one second and keeps its length is not noticed the second time.
  `hasmore-function`, which is small, leaves SFTP out as it does Parquet and Avro.
- A packed file, one in JSON, XML or Avro, or in another encoding than UTF-8 cannot be entered in its middle: a process that goes
  on with one reads it from its beginning, once.
- **Parquet and Avro** give decimals and times with every digit, instants in UTC, and bytes in Base64. Parquet may be
  packed inside by snappy, gzip, brotli, LZ4 or zstd, Avro by deflate, snappy or zstd.
- Amazon S3 is tested against moto, Google Cloud Storage against moto too, whose answers are those of its XML interface,
  Azure Blob Storage against Azurite, SFTP against OpenSSH, addresses against a server of the tests' own, with and without
  ranges.
";

pub(super) fn page() -> String {
    let schema = schemars::schema_for!(connector::manifest::Manifest);
    let sections = super::schema::sections(schema.as_value());
    format!("{INTRODUCTION}{EXAMPLE}{RULES}{sections}")
}
