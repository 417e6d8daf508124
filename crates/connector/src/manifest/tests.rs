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
            shop.yaml:5:8: expected one of `none`, `bearer`, `basic`, `api_key`, `oauth2`, `session`
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
