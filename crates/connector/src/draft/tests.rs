use expect_test::{Expect, expect};

use super::*;
use crate::manifest::Manifest;

/// The manifest drafted from an answer.
fn check(url: &str, headers: &[(&str, &str)], body: &str, expected: Expect) -> Draft {
    let url: Url = url.parse().expect("an address");
    let (answer, request): (Vec<_>, Vec<_>) =
        headers.iter().partition(|(name, _)| ["link", "content-type"].contains(name));
    let mut answer_headers = HeaderMap::new();
    for (name, value) in answer {
        let name = reqwest::header::HeaderName::try_from(name).expect("a name");
        answer_headers.insert(name, value.parse().expect("a header"));
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let sample = Sample {
        request_headers: request.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        headers: answer_headers,
        ..Sample::new(Origin::Answer, url, "GET", body)
    };
    let draft = sample.draft(None).expect("a draft");
    expect_manifest(&draft, expected);
    draft
}

/// The manifest is as expected, right, and holds no key.
fn expect_manifest(draft: &Draft, expected: Expect) {
    expected.assert_eq(&draft.manifest);
    if let Err(problems) = Manifest::parse(&draft.manifest) {
        panic!("{}", problems[0].render("draft.yaml", &draft.manifest));
    }
    assert!(!draft.manifest.contains("hunter2"), "{}", draft.manifest);
}

#[test]
fn a_link_header_leads_on() {
    check(
        "https://api.github.com/repos/octocat/hello/issues?per_page=2&state=all",
        &[
            ("authorization", "Bearer hunter2"),
            ("link", "<https://api.github.com/repositories/1/issues?page=2>; rel=\"next\""),
        ],
        r#"[{"id":1,"title":"a","updated_at":"2024-01-01T00:00:00Z"},{"id":2,"title":"a","updated_at":"2024-01-02T00:00:00Z"}]"#,
        expect![[r##"
            # Drafted from one answer of https://api.github.com/repos/octocat/hello/issues, with 2 rows. The
            # comments say why; what is guessed says so.
            name: github
            base_url: https://api.github.com/repos/octocat/hello
            # What lets a request in is given beside this file, not in it.
            secrets: [token]
            auth: {bearer: "{{ secrets.token }}"}
            tables:
              issues:
                query: {state: all}
                # Every row has its own `id`.
                primary_key: id
                # The `Link` header has the address of the next page.
                pagination: {cursor: {from: link.next, to: url}, size: {to: query.per_page, value: 2}}
                # Rows tell of their last change in `updated_at`. If the API takes a lower bound, read only what is
                # new:
                # cursor: {field: updated_at, to: query.PARAMETER}
        "##]],
    );
}

#[test]
fn an_address_in_the_body_a_total_and_a_lower_bound() {
    check(
        "http://127.0.0.1:5001/pagination/next_page_url?per_page=2&updated_since=2024-01-01T00:00:00Z",
        &[],
        r#"{"data":[{"id":"x","updatedAt":"2024-01-01T00:00:00Z"},{"id":"y","updatedAt":"2024-01-01T00:00:00Z"}],
           "total_items":9,"page":1,"next_page_url":"http://127.0.0.1:5001/pagination/next_page_url?page=2"}"#,
        expect![[r##"
            # Drafted from one answer of http://127.0.0.1:5001/pagination/next_page_url, with 2 rows. The comments
            # say why; what is guessed says so.
            name: api
            base_url: http://127.0.0.1:5001/pagination
            tables:
              next_page_url:
                # 2 rows stand here.
                records: data
                # Every row has its own `id`.
                primary_key: id
                # The answer has the address of the next page in `next_page_url`. The answer tells in `total_items` how
                # many rows there are; fewer are an error.
                pagination: {cursor: {from: body.next_page_url, to: url}, total: body.total_items, size: {to: query.per_page, value: 2}}
                # Rows have `updatedAt`, and the request has the lower bound `updated_since`.
                cursor: {field: updatedAt, to: query.updated_since, start: "2024-01-01T00:00:00Z"}
        "##]],
    );
}

#[test]
fn a_token_a_key_in_the_query_and_nested_lists() {
    let draft = check(
        "https://maps.example.co/v2/places?api_key=hunter2&pageSize=50",
        &[],
        r#"{"result":{"places":[{"place_id":7,"tags":[{"a":1}]}],"nextPageToken":"abc"},"warnings":[]}"#,
        expect![[r##"
            # Drafted from one answer of https://maps.example.co/v2/places, with one row. The comments say why;
            # what is guessed says so.
            name: example
            base_url: https://maps.example.co/v2
            # What lets a request in is given beside this file, not in it.
            secrets: [api_key]
            auth: {api_key: {to: query.api_key, value: "{{ secrets.api_key }}"}}
            tables:
              places:
                # One row stands here.
                records: result.places
                # Every row has its own `place_id`.
                primary_key: place_id
                # The answer has a token for the next page in `result.nextPageToken`; check in the API's documentation
                # that it is sent by this name.
                pagination: {cursor: {from: body.result.nextPageToken, to: query.pageToken}, size: {to: query.pageSize, value: 50}}
        "##]],
    );
    assert_eq!(draft.secrets, ["api_key"]);
}

#[test]
fn page_numbers_from_zero_and_rows_in_a_list_of_two() {
    check(
        "https://www.example.org/search.json?q=a+b&page=0",
        &[("x-api-key", "hunter2")],
        r#"[{"page":0,"pages":3,"total":5},[{"code":"a","n":1},{"code":"b","n":1}]]"#,
        expect![[r##"
            # Drafted from one answer of https://www.example.org/search.json, with 2 rows. The comments say why;
            # what is guessed says so.
            name: example
            base_url: https://www.example.org
            # What lets a request in is given beside this file, not in it.
            secrets: [api_key]
            auth: {api_key: {to: header.x-api-key, value: "{{ secrets.api_key }}"}}
            tables:
              search:
                path: /search.json
                query: {q: "a b"}
                # 2 rows stand here.
                records: "1"
                # Every row has its own `code`.
                primary_key: code
                # The request numbers its page by `page`. The answer tells in `0.pages` how many pages there are. The
                # answer tells in `0.total` how many rows there are; fewer are an error.
                pagination: {page: {to: query.page, start: 0}, total_pages: body.0.pages, total: body.0.total}
        "##]],
    );
}

#[test]
fn keysets_where_the_answer_only_says_that_there_is_more() {
    check(
        "https://api.stripe.com/v1/charges?limit=1",
        &[("authorization", "Basic aHVudGVyMg==")],
        r#"{"object":"list","has_more":true,"data":[{"id":"ch_1","created":1679090539}]}"#,
        expect![[r##"
            # Drafted from one answer of https://api.stripe.com/v1/charges, with one row. The comments say why;
            # what is guessed says so.
            name: stripe
            base_url: https://api.stripe.com/v1
            # What lets a request in is given beside this file, not in it.
            secrets: [username, password]
            auth: {basic: {username: "{{ secrets.username }}", password: "{{ secrets.password }}"}}
            tables:
              charges:
                # One row stands here.
                records: data
                # Every row has its own `id`.
                primary_key: id
                # The answer says whether there is more and names no next page, so pages may follow the last row's
                # `id`; check the name of the parameter.
                pagination: {cursor: {from: last_row.id, to: query.starting_after}, has_more: body.has_more, size: {to: query.limit, value: 1}}
                # Rows tell of their creation in `created`. If the API takes a lower bound, read only what is new:
                # cursor: {field: created, to: query.PARAMETER}
        "##]],
    );
}

#[test]
fn csv_and_what_is_not_known() {
    check(
        "https://example.com/export",
        &[("content-type", "text/csv; charset=utf-8")],
        "id,name\n1,a\n2,b\n",
        expect![[r#"
            # Drafted from one answer of https://example.com/export, with 2 rows. The comments say why; what is
            # guessed says so.
            name: example
            base_url: https://example.com
            tables:
              export:
                # The answer says that it is CSV; its first line names the columns.
                format: csv
                # There is a column of this name; check that it is the key.
                primary_key: id
        "#]],
    );
    let rows: Vec<String> = (0..10).map(|_| r#"{"kind":"a"}"#.to_owned()).collect();
    check(
        "https://example.com/",
        &[],
        &format!("[{}]", rows.join(",")),
        expect![[r#"
        # Drafted from one answer of https://example.com/, with 10 rows. The comments say why; what is guessed
        # says so.
        name: example
        base_url: https://example.com
        tables:
          rows:
            path: /
            # No field has a value of its own in every row: without a `primary_key` a row that is read again is a
            # new row.
            # The answer has 10 rows and does not tell how to get more. If there are more, see `pagination` in the
            # reference of manifests.
    "#]],
    );
}

/// The manifest drafted from a document; it is right, and holds no key.
fn check_document(text: &str, only: Option<&str>, expected: Expect) -> Draft {
    let draft = draft_document(text, only).expect("a draft");
    expect_manifest(&draft, expected);
    draft
}

const SHOP: &str = r##"
openapi: 3.1.0
info: {title: Shop, version: "1"}
servers:
  - url: https://{region}.api.example.com/v2
    variables: {region: {default: eu}}
security: [{key: []}]
paths:
  /customers:
    get:
      parameters:
        - $ref: "#/components/parameters/Limit"
        - {name: cursor, in: query, schema: {type: string}}
        - {name: updated_since, in: query, schema: {type: string, format: date-time}}
        - {name: X-Version, in: header, required: true, schema: {type: string, default: "2024-05-01"}}
      responses:
        "200": {$ref: "#/components/responses/Customers"}
  /customers/{customerId}:
    get:
      responses: {200: {content: {application/json: {schema: {$ref: "#/components/schemas/Customer"}}}}}
  /customers/{customerId}/orders:
    get:
      parameters: [{name: customerId, in: path, required: true, schema: {type: string}}]
      responses:
        200:
          content:
            application/json:
              schema: {type: array, items: {allOf: [{$ref: "#/components/schemas/Customer"}, {properties: {total: {type: number}}}]}}
  /customers/{customerId}/orders/{orderId}/lines:
    get:
      responses: {200: {content: {application/json: {schema: {type: array, items: {type: object, properties: {sku: {type: string}}}}}}}}
  /{tenant}/teams:
    get:
      parameters: [{name: year, in: query, required: true, schema: {type: integer}}]
      responses: {default: {content: {application/json: {schema: {type: object, properties: {teams: {type: array, items: {$ref: "#/components/schemas/Customer"}}, page: {type: integer}, total_pages: {type: integer}}}}}}}
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Shop-Key}}
  parameters:
    Limit: {name: limit, in: query, schema: {type: integer, default: 20, maximum: 100}}
  responses:
    Customers:
      content:
        application/json:
          schema:
            type: object
            properties:
              errors: {type: array, items: {type: object}}
              data: {type: array, items: {$ref: "#/components/schemas/Customer"}}
              next_cursor: {type: [string, "null"]}
  schemas:
    Customer:
      type: object
      properties:
        id: {type: string, format: uuid}
        updated_at: {type: string, format: date-time}
        friends: {type: array, items: {$ref: "#/components/schemas/Customer"}}
"##;

#[test]
fn an_openapi_document_is_a_table_for_every_list() {
    check_document(
        SHOP,
        None,
        expect![[r##"
            # Drafted from the OpenAPI document of Shop. The comments say why; what is guessed says so.
            name: example
            base_url: https://eu.api.example.com/v2
            # What lets a request in is given beside this file, not in it.
            secrets: [shop_key]
            # Parts of paths that nothing gives a value: write one here, or give it with --payload.
            config: {tenant: ""}
            auth: {api_key: {to: header.X-Shop-Key, value: "{{ secrets.shop_key }}"}}
            tables:
              customers:
                headers: {X-Version: "2024-05-01"}
                # The document has the rows here.
                records: data
                # `id` is named like a key; check that it is.
                primary_key: id
                # The answer has a token for the next page in `next_cursor`; the request has a parameter for it.
                pagination: {cursor: {from: body.next_cursor, to: query.cursor}, size: {to: query.limit, value: 100}}
                # Rows have `updated_at`, and the request has the lower bound `updated_since`.
                cursor: {field: updated_at, to: query.updated_since, start: "2024-01-01T00:00:00Z"}
              teams:
                path: "/{{ config.tenant }}/teams"
                # The document has the rows here.
                records: teams
                # `id` is named like a key; check that it is.
                primary_key: id
                # The answer tells its number in `page`; check that the parameter is called so too. The answer tells in
                # `total_pages` how many pages there are.
                pagination: {page: {to: query.page}, total_pages: body.total_pages}
                # The API wants a value here:
                # query: {year: VALUE}
                # Rows tell of their last change in `updated_at`. If the API takes a lower bound, read only what is
                # new:
                # cursor: {field: updated_at, to: query.PARAMETER}
              orders:
                # The path has the `id` of a row of `customers`.
                for_each: customers
                path: "/customers/{{ parent.id }}/orders"
                # `id` is named like a key; check that it is.
                primary_key: id
                include: {customer_id: parent.id}
                # Rows tell of their last change in `updated_at`. If the API takes a lower bound, read only what is
                # new:
                # cursor: {field: updated_at, to: query.PARAMETER}
              lines:
                # The path has the `id` of a row of `orders`.
                for_each: orders
                path: "/customers/{{ parent.customer_id }}/orders/{{ parent.id }}/lines"
                # `sku` is named like a key; check that it is. Another parent's rows may have the same.
                primary_key: [order_id, sku]
                include: {customer_id: parent.customer_id, order_id: parent.id}
        "##]],
    );
}

#[test]
fn an_openapi_document_may_be_json_and_be_cut_to_some_paths() {
    let json = serde_json::to_string(&openapi::read(SHOP).expect("YAML")).expect("JSON");
    assert_eq!(draft_document(&json, None), draft_document(SHOP, None));
    let draft = draft_document(SHOP, Some("/customers")).expect("a draft");
    assert_eq!(draft.tables, ["customers", "orders", "lines"]);
}

#[test]
fn an_openapi_document_at_an_address_is_of_the_api_there() {
    let document = br#"{"openapi":"3.0.3","info":{"title":"T"},"servers":[{"url":"/v1"}],"paths":{"/pets":{"get":{
        "parameters":[{"name":"page","in":"query","schema":{"type":"integer"}},{"name":"api_key","in":"query","schema":{"type":"string"}}],
        "responses":{"200":{"headers":{"Link":{}},"content":{"application/json":{"example":[{"id":1},{"id":2}]}}}}}}},
        "components":{"securitySchemes":{"o":{"type":"oauth2","flows":{"clientCredentials":{"tokenUrl":"/token"}}}}}}"#;
    let url = "http://127.0.0.1:8080/docs/openapi.json".parse().expect("an address");
    let sample = Sample::new(Origin::Answer, url, "GET", Bytes::from_static(document));
    let draft = sample.draft(None).expect("a draft");
    expect_manifest(
        &draft,
        expect![[r##"
        # Drafted from the OpenAPI document of T. The comments say why; what is guessed says so.
        name: api
        base_url: http://127.0.0.1:8080/v1
        # What lets a request in is given beside this file, not in it.
        secrets: [client_id, client_secret]
        auth: {oauth2: {token_url: http://127.0.0.1:8080/token, client_id: "{{ secrets.client_id }}", client_secret: "{{ secrets.client_secret }}"}}
        tables:
          pets:
            # `id` is named like a key; check that it is.
            primary_key: id
            # The `Link` header has the address of the next page.
            pagination: {cursor: {from: link.next, to: url}}
    "##]],
    );
}

#[test]
fn an_answer_that_speaks_of_openapi_is_an_answer_and_a_document_says_so_anywhere() {
    let rows = r#"{"topics":[{"id":1,"name":"openapi"}],"openapi":"3.0.0"}"#;
    let last = r#"{"info":{"title":"a long description first"},"paths":{},"openapi":"3.0.3"}"#;
    assert!(!openapi::is_one(rows) && !openapi::is_one("[1]") && !openapi::is_one(""));
    assert!(openapi::is_one(last) && openapi::is_one("openapi: 3.1.0\npaths: {}"));
}

#[test]
fn f_018_what_looks_like_a_key_is_one_whatever_its_header_is_called() {
    let headers = [
        ("x-visitor", "hunter2hunter2hunter2"),
        ("x-my-session-of-today", "hunter2"),
        ("x-client-version", "web 2024.10"),
        ("accept", "application/vnd.shop.v2+json"),
    ];
    let text =
        har(&[("GET", "https://x.example/a", &headers, "application/json", r#"[{"id":1}]"#)]);
    let draft = draft_document(&text, None).expect("a draft");
    assert!(!draft.manifest.contains("hunter2"), "{}", draft.manifest);
    assert_eq!(draft.secrets, ["visitor", "my_session_of_today"]);
    assert!(draft.manifest.contains("web 2024.10"), "{}", draft.manifest);
    assert!(draft.manifest.contains("application/vnd.shop.v2+json"), "{}", draft.manifest);
}

/// The method and the address, what was sent, the kind of the answer, and the answer.
type Entry<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

fn har(entries: &[Entry<'_>]) -> String {
    let entries = entries.iter().map(|(method, url, headers, kind, body)| {
        let headers = headers.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value}));
        let sent = (*method == "POST").then(|| serde_json::json!({"mimeType": "application/json", "text": "{\"token\":\"hunter2\",\"q\":1}"}));
        serde_json::json!({
            "request": {"method": method, "url": url, "headers": headers.collect::<Vec<_>>(), "postData": sent},
            "response": {"status": 200, "headers": [], "content": {"mimeType": kind, "text": body}},
        })
    });
    serde_json::json!({"log": {"version": "1.2", "entries": entries.collect::<Vec<_>>()}})
        .to_string()
}

#[test]
fn a_recording_is_a_table_for_every_list_of_its_host_with_the_most_rows() {
    let browser = [
        ("Authorization", "Bearer hunter2"),
        ("User-Agent", "Mozilla"),
        ("sec-fetch-mode", "cors"),
        (":authority", "api.shop.example"),
        ("x-client", "web"),
    ];
    let kind = "application/json; charset=utf-8";
    let customers = r#"{"data":[{"id":7,"name":"a"},{"id":8,"name":"b"}],"next_cursor":"abc"}"#;
    let text = har(&[
        ("GET", "https://tracker.example/list", &[], kind, r#"[{"id":1}]"#),
        ("GET", "https://api.shop.example/v1/customers?limit=2", &browser, kind, customers),
        (
            "GET",
            "https://api.shop.example/v1/customers/7/orders",
            &browser,
            kind,
            r#"[{"id":1,"total":2.5}]"#,
        ),
        (
            "GET",
            "https://api.shop.example/v1/customers/8/orders",
            &browser,
            kind,
            r#"[{"id":2},{"id":3}]"#,
        ),
        ("GET", "https://api.shop.example/v1/customers/8", &browser, kind, r#"{"id":8}"#),
        ("GET", "https://api.shop.example/app.js", &browser, "text/javascript", "[{}]"),
        (
            "POST",
            "https://api.shop.example/search",
            &browser[1..],
            kind,
            r#"{"hits":[{"sku":"x"}]}"#,
        ),
    ]);
    let draft = check_document(
        &text,
        None,
        expect![[r##"
        # Drafted from 4 recorded answers of https://api.shop.example. The comments say why; what is guessed
        # says so. Rows came from other hosts too: https://tracker.example.
        name: shop
        base_url: https://api.shop.example
        # What lets a request in is given beside this file, not in it.
        secrets: [token]
        auth: {bearer: "{{ secrets.token }}"}
        headers: {x-client: web}
        tables:
          search:
            body: {"q":1,"token":"{{ secrets.token }}"}
            # One row stands here.
            records: hits
            # Every row has its own `sku`.
            primary_key: sku
          customers:
            path: /v1/customers
            # 2 rows stand here.
            records: data
            # Every row has its own `id`.
            primary_key: id
            # The answer has a token for the next page in `next_cursor`; check in the API's documentation that it
            # is sent by this name.
            pagination: {cursor: {from: body.next_cursor, to: query.cursor}, size: {to: query.limit, value: 2}}
          orders:
            # The path has the `id` of a row of `customers`.
            for_each: customers
            path: "/v1/customers/{{ parent.id }}/orders"
            # Every row has its own `id`.
            primary_key: id
            include: {customers_id: parent.id}
    "##]],
    );
    assert_eq!(draft.secrets, ["token"]);
    let only = draft_document(&text, Some("tracker")).expect("a draft");
    assert_eq!((only.name.as_str(), only.rows), ("tracker", 1));
}

#[test]
fn what_is_no_document_with_rows_is_told() {
    let check = |text: &str, expected: Expect| {
        let error = draft_document(text, None).expect_err("no draft");
        assert_eq!(error.code(), "invalid_document");
        expected.assert_eq(&error.to_string());
    };
    check("{", expect!["it is no JSON: EOF while parsing an object at line 1 column 1"]);
    check(
        "a: [",
        expect![
            "it is no YAML: line 2: this is not YAML: while parsing a node, did not find expected node content"
        ],
    );
    check("a: 1", expect!["it is neither a HAR file nor an OpenAPI document"]);
    check(r#"{"swagger":"2.0"}"#, expect!["it is Swagger 2: convert it to OpenAPI 3 first"]);
    check(r#"{"openapi":"4.0"}"#, expect!["it is OpenAPI 4.0, and 3 is read"]);
    check(
        "openapi: 3.0.0\nservers: [{url: 'ftp://x.y'}]",
        expect!["the address of its server does not begin with http:// or https://"],
    );
    check(
        "openapi: 3.0.0\npaths: {/a: {get: {responses: {200: {content: {application/json: {schema: {type: string}}}}}}}}",
        expect![
            "no path of the OpenAPI document answers GET with a list of rows (1 answer otherwise)"
        ],
    );
    check(
        &har(&[("GET", "https://x.y/z", &[], "application/json", r#"{"a":1}"#)]),
        expect!["none of the 1 requests of the HAR file was answered by rows"],
    );
    check(
        r#"{"log":{"entries":[{"request":{}}]}}"#,
        expect!["it is no HAR file: missing field `method`"],
    );
}

/// Each of these schemas contains all of them: a value of all levels would never end.
#[test]
fn schemas_that_contain_each_other_are_cut() {
    let names: Vec<String> = (0..30).map(|number| format!("s{number}")).collect();
    let members =
        names.iter().map(|name| format!(r##""{name}":{{"$ref":"#/components/schemas/{name}"}}"##));
    let members = members.collect::<Vec<_>>().join(",");
    let schema =
        format!(r#"{{"type":"object","properties":{{"id":{{"type":"integer"}},{members}}}}}"#);
    let schemas: Vec<String> = names.iter().map(|name| format!(r#""{name}":{schema}"#)).collect();
    let document = format!(
        r##"{{"openapi":"3.0.3","info":{{"title":"T"}},"servers":[{{"url":"https://api.example.com"}}],
        "paths":{{"/rows":{{"get":{{"responses":{{"200":{{"content":{{"application/json":{{"schema":{{
        "type":"array","items":{{"$ref":"#/components/schemas/s0"}}}}}}}}}}}}}}}}}},
        "components":{{"schemas":{{{}}}}}}}"##,
        schemas.join(",")
    );
    let since = std::time::Instant::now();
    let draft = draft_document(&document, None).expect("a draft");
    assert!(draft.manifest.contains("primary_key: id"), "{}", draft.manifest);
    assert!(since.elapsed().as_secs() < 10, "{:?}", since.elapsed());
}

/// A bound that is the number of a row is none for times; and of very many tables one is told how to choose.
#[test]
fn many_tables_are_told_and_numbers_are_no_times() {
    let path = |number: usize| {
        format!(
            r#""/shops/{{shop}}/t{number}":{{"get":{{"parameters":[{{"name":"since","in":"query","schema":{{"type":"integer"}}}}],
            "responses":{{"200":{{"content":{{"application/json":{{"schema":{{"type":"array","items":{{"type":"object",
            "properties":{{"id":{{"type":"integer"}},"updated_at":{{"type":"string","format":"date-time"}}}}}}}}}}}}}}}}}}}}"#
        )
    };
    let draft_of = |count: usize| {
        let paths = (0..count).map(path).collect::<Vec<_>>().join(",");
        let document = format!(
            r#"{{"openapi":"3.0.3","info":{{"title":"T"}},"servers":[{{"url":"https://api.example.com/v1"}}],"paths":{{{paths}}}}}"#
        );
        draft_document(&document, None).expect("a draft").manifest
    };
    let few = draft_of(3);
    assert!(!few.contains("--only") && !few.contains("start:"), "{few}");
    assert!(few.contains("# cursor: {field: updated_at, to: query.PARAMETER}"), "{few}");
    let many = draft_of(50);
    assert!(many.replace("\n# ", " ").contains("These are 50 tables"), "{many}");
}
