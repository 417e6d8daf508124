use expect_test::{Expect, expect};

use super::*;

/// Every mistake as it is shown, or the names of the tables.
fn check(text: &str, expected: Expect) {
    let found = match Manifest::parse(text) {
        Ok(manifest) => manifest.tables.keys().cloned().collect::<Vec<_>>().join(", "),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.render("shop.yaml", text))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&found);
}

const SHOP: &str = r#"
name: shop
base_url: https://api.example.com/v1
secrets: [api_key]
auth: {bearer: "{{ secrets.api_key }}"}
pagination: {cursor: {from: body.next_cursor, to: query.cursor}, size: {to: query.limit, value: 100}}
tables:
  customers:
    records: data
    primary_key: id
    cursor: {field: updated_at, to: query.updated_since, start: 2024-01-01}
  orders:
    for_each: customers
    path: /customers/{{ parent.id }}/orders
    primary_key: id
"#;

#[test]
fn a_manifest_of_a_dozen_lines_is_read() {
    check(SHOP, expect!["customers, orders"]);
}

#[test]
fn misspelt_keys_and_words_are_told_with_the_right_ones() {
    let text = SHOP.replace("primary_key: id\n    cursor", "primry_key: id\n    cursor");
    check(
        &text,
        expect![[r#"
        shop.yaml:10:5: unknown key `primry_key`
           |
        10 |     primry_key: id
           |     ^^^^^^^^^^ did you mean `primary_key`?"#]],
    );
    check(
        &SHOP.replace("for_each: customers", "for_each: custmers"),
        expect![[r#"
        shop.yaml:13:5: there is no table `custmers`
           |
        13 |     for_each: custmers
           |     ^^^^^^^^ did you mean `customers`?"#]],
    );
    check(
        &SHOP.replace("query.cursor", "qury.cursor"),
        expect![[r#"
        shop.yaml:6:51: expected query.NAME, header.NAME, body.PATH, path.NAME or url
          |
        6 | pagination: {cursor: {from: body.next_cursor, to: qury.cursor}, size: {to: query.limit, value: 100}}
          |                                                   ^^^^^^^^^^^"#]],
    );
    check(
        &SHOP.replace("bearer:", "bearr:"),
        expect![[r#"
            shop.yaml:5:8: expected one of `none`, `bearer`, `basic`, `api_key`, `oauth2`, `session`, `jwt`, `aws`, `hmac`
              |
            5 | auth: {bearr: "{{ secrets.api_key }}"}
              |        ^^^^^ did you mean `bearer`?"#]],
    );
    check(
        &SHOP.replace("field: updated_at", "short_page_ends: true"),
        expect![[r#"
        shop.yaml:11:14: unknown key `short_page_ends`
           |
        11 |     cursor: {short_page_ends: true, to: query.updated_since, start: 2024-01-01}
           |              ^^^^^^^^^^^^^^^ it belongs under `pagination`"#]],
    );
}

#[test]
fn templates_are_checked_before_anything_is_sent() {
    check(
        &SHOP.replace("parent.id", "parnt.id"),
        expect![[r#"
        shop.yaml:14:5: `parnt` is unknown here; known are secrets, config, parent, cursor
           |
        14 |     path: /customers/{{ parnt.id }}/orders
           |     ^^^^"#]],
    );
    check(
        &SHOP.replace("parent.id }}", "parent.id"),
        expect![[r#"
        shop.yaml:14:5: syntax error: unexpected end of input, expected end of variable block
           |
        14 |     path: /customers/{{ parent.id/orders
           |     ^^^^"#]],
    );
    check(
        &SHOP.replace("secrets: [api_key]\n", ""),
        expect![[r#"
        shop.yaml:4:16: the secret `api_key` is not declared
          |
        4 | auth: {bearer: "{{ secrets.api_key }}"}
          |                ^^^^^^^^^^^^^^^^^^^^^^^ add it: `secrets: [api_key]`"#]],
    );
}

#[test]
fn what_cannot_be_is_refused() {
    check(
        &SHOP.replace("start: 2024-01-01", "start: soon"),
        expect![[r#"
        shop.yaml:11:58: this is no value of the cursor's kind
           |
        11 |     cursor: {field: updated_at, to: query.updated_since, start: soon}
           |                                                          ^^^^^"#]],
    );
    check(
        &SHOP.replace("    records: data", "    deletes: sweep"),
        expect![[r#"
        shop.yaml:9:5: a table with a `cursor` shows only what is new: nothing can be told from what it does not show
          |
        9 |     deletes: sweep
          |     ^^^^^^^"#]],
    );
    check(
        &SHOP.replace("size:", "page: {to: query.page}, size:"),
        expect![[r#"
        shop.yaml:6:14: pages follow each other by `page` or by `cursor`; keep one
          |
        6 | pagination: {cursor: {from: body.next_cursor, to: query.cursor}, page: {to: query.page}, size: {to: query.limit, value: 
          |              ^^^^^^"#]],
    );
    check(
        &SHOP.replace("    records: data", "    for_each: orders"),
        expect![[r#"
        shop.yaml:9:5: the table `customers` would be read for each of its own rows
          |
        9 |     for_each: orders
          |     ^^^^^^^^
        shop.yaml:13:5: the table `orders` would be read for each of its own rows
           |
        13 |     for_each: customers
           |     ^^^^^^^^"#]],
    );
    check(
        "name: x\nbase_url: https://x\ntables: {}\n",
        expect![[r#"
        shop.yaml:3:1: the manifest has no table
          |
        3 | tables: {}
          | ^^^^^^ add `tables: {customers: {}}`"#]],
    );
}

#[test]
fn what_is_hidden_is_not_shown_by_another_way() {
    let hidden = SHOP.replace(
        "    records: data",
        "    records: data\n    mask: {email: 0}\n    add: {who: '{{ row.email }}'}",
    );
    check(
        &hidden,
        expect![[r#"
            shop.yaml:11:11: `row.email` is hidden, and this field would show it; hide `who` too
               |
            11 |     add: {who: '{{ row.email }}'}
               |           ^^^"#]],
    );
    check(
        &hidden.replace("mask: {email: 0}", "mask: {email: 0, who: 0}"),
        expect!["customers, orders"],
    );
    let child = SHOP.replace("    records: data", "    records: data\n    mask: {address: 0}")
        + "    add: {city: '{{ parent.address.city }}'}\n";
    check(
        &child,
        expect![[r#"
            shop.yaml:17:11: `parent.address.city` is hidden, and this field would show it; hide `city` too
               |
            17 |     add: {city: '{{ parent.address.city }}'}
               |           ^^^^"#]],
    );
    check(
        &SHOP.replace("    records: data", "    records: data\n    mask: {updated_at: 0}"),
        expect![[r#"
            shop.yaml:8:3: `updated_at` is hidden, and as a cursor it would stand in the state for all to read
              |
            8 |   customers:
              |   ^^^^^^^^^"#]],
    );
}

#[test]
fn parents_and_what_stands_in_rows_are_checked() {
    let with = |table: &str| format!("{SHOP}  lines: {table}\n");
    check(
        &with("{for_each: {request: {path: /x, filter: row.a}}}"),
        expect![[r#"
        shop.yaml:16:11: rows that are only parents are taken as they come, all of them: a `request` has nothing that filters, reshapes or remembers
           |
        16 |   lines: {for_each: {request: {path: /x, filter: row.a}}}
           |           ^^^^^^^^"#]],
    );
    check(
        &with("{for_each: {all: custmers}}"),
        expect![[r#"
        shop.yaml:16:11: there is no table `custmers`
           |
        16 |   lines: {for_each: {all: custmers}}
           |           ^^^^^^^^ did you mean `customers`?"#]],
    );
    check(
        &with("{for_each: {every: customers}}"),
        expect![[r#"
        shop.yaml:16:22: unknown key `every`
           |
        16 |   lines: {for_each: {every: customers}}
           |                      ^^^^^ known here: all, request
        shop.yaml:16:21: expected either `all` or `request`
           |
        16 |   lines: {for_each: {every: customers}}
           |                     ^"#]],
    );
    check(
        &with("{for_each: orders, explode: lines, path: /x}"),
        expect![[r#"
        shop.yaml:16:29: these rows are in others: nothing is asked for, paged or remembered
           |
        16 |   lines: {for_each: orders, explode: lines, path: /x}
           |                             ^^^^^^^"#]],
    );
    check(
        &with("{explode: lines}"),
        expect![[r#"
        shop.yaml:16:11: `explode` needs `for_each`: the table in whose rows these stand
           |
        16 |   lines: {explode: lines}
           |           ^^^^^^^"#]],
    );
    check(
        &with("{primary_key: id, deletes: {}}"),
        expect![[r#"
        shop.yaml:16:28: this notices nothing: say `sweep`, or a `flag`, or the `path` of a feed
           |
        16 |   lines: {primary_key: id, deletes: {}}
           |                            ^^^^^^^"#]],
    );
    check(
        &with("{primary_key: id, deletes: {flag: gone, max_deletes: 20 %}}"),
        expect![[r#"
        shop.yaml:16:50: `max_deletes` is for `sweep: true`
           |
        16 |   lines: {primary_key: id, deletes: {flag: gone, max_deletes: 20 %}}
           |                                                  ^^^^^^^^^^^"#]],
    );
    check(
        &with("{primary_key: id, deletes: {path: /x, cursor: {to: query.s}}}"),
        expect![[r#"
        shop.yaml:16:48: a cursor has either a `field` of the rows or a `from`
           |
        16 |   lines: {primary_key: id, deletes: {path: /x, cursor: {to: query.s}}}
           |                                                ^^^^^^"#]],
    );
    check(
        &with("{primary_key: id, deletes: {sweep: true, max_deletes: a few}}"),
        expect![[r#"
        shop.yaml:16:64: expected a share such as 20 %
           |
        16 |   lines: {primary_key: id, deletes: {sweep: true, max_deletes: a few}}
           |                                                                ^^^^^"#]],
    );
    check(
        &with("{for_each: {request: {path: '/{{ parnt.x }}'}}}"),
        expect![[r#"
        shop.yaml:16:11: `parnt` is unknown here; known are secrets, config, parent, cursor
           |
        16 |   lines: {for_each: {request: {path: '/{{ parnt.x }}'}}}
           |           ^^^^^^^^"#]],
    );
}

#[test]
fn steps_over_whole_numbers_are_checked() {
    let with = |table: &str| format!("{SHOP}  lines: {table}\n");
    check(
        &with("{cursor: {field: id, to: query.a, until: query.b, start: 1, step: 100}}"),
        expect![[r#"
            shop.yaml:16:70: a `step` over whole numbers needs to know where they end: by `end` or by `empty_steps`
               |
            16 |   lines: {cursor: {field: id, to: query.a, until: query.b, start: 1, step: 100}}
               |                                                                      ^^^^"#]],
    );
    check(
        &with("{cursor: {field: id, to: query.a, until: query.b, start: 1, step: 1d}}"),
        expect![[r#"
            shop.yaml:16:70: the cursor is a whole number, and so is its step
               |
            16 |   lines: {cursor: {field: id, to: query.a, until: query.b, start: 1, step: 1d}}
               |                                                                      ^^^^
            shop.yaml:16:70: a `step` over whole numbers needs to know where they end: by `end` or by `empty_steps`
               |
            16 |   lines: {cursor: {field: id, to: query.a, until: query.b, start: 1, step: 1d}}
               |                                                                      ^^^^"#]],
    );
}

#[test]
fn files_stand_in_place_of_requests() {
    let files = |table: &str| format!("name: x\ntables:\n  items: {table}\n");
    check(&files("{files: 'a/*.csv', format: csv}"), expect!["items"]);
    check(&files("{files: {paths: ['s3://a/b', 'gs://a/'], lookback: 2d}}"), expect!["items"]);
    check(
        &files("{primary_key: id}"),
        expect![[r#"
        shop.yaml:1:1: `base_url` is missing
          |
        1 | name: x
          | ^ add `base_url: https://api.example.com`"#]],
    );
    check(
        &files("{files: 'ftp://a/b'}"),
        expect![[r#"
        shop.yaml:3:11: `ftp://` is unknown; known are file, s3, gs, az, sftp and https
          |
        3 |   items: {files: 'ftp://a/b'}
          |           ^^^^^"#]],
    );
    check(
        &files("{files: []}"),
        expect![[r#"
        shop.yaml:3:11: where are the files? say `files: PATH`
          |
        3 |   items: {files: []}
          |           ^^^^^"#]],
    );
    check(
        &files("{files: 'a/*', path: /items}"),
        expect![[r#"
        shop.yaml:3:11: these rows are in files: nothing is asked of an API, paged or remembered
          |
        3 |   items: {files: 'a/*', path: /items}
          |           ^^^^^"#]],
    );
    check(
        &files("{files: 'a/*', deletes: sweep}"),
        expect![[r#"
        shop.yaml:3:25: only new files are read: nothing can be told from what they do not show
          |
        3 |   items: {files: 'a/*', deletes: sweep}
          |                         ^^^^^^^"#]],
    );
    check(
        &files("{files: {path: 'a/*'}}"),
        expect![[r#"
        shop.yaml:3:19: unknown key `path`
          |
        3 |   items: {files: {path: 'a/*'}}
          |                   ^^^^ did you mean `paths`?"#]],
    );
    check(
        &(files("{files: 'a/*'}")
            + "  parts: {for_each: items, path: 'https://x/{{ parent.id }}'}\n"),
        expect![[r#"
            shop.yaml:1:1: `base_url` is missing
              |
            1 | name: x
              | ^ add `base_url: https://api.example.com`
            shop.yaml:4:11: the rows of `files` are no parents to ask for; `explode` what is in them
              |
            4 |   parts: {for_each: items, path: 'https://x/{{ parent.id }}'}
              |           ^^^^^^^^"#]],
    );
    check(
        &(files("{files: 'a/*'}") + "  lines: {for_each: items, explode: lines}\n"),
        expect!["items, lines"],
    );
}
