use expect_test::{Expect, expect};

use super::*;
use crate::manifest::Manifest;

/// The manifest drafted from an answer; it is right, and holds no key.
fn check(url: &str, headers: &[(&str, &str)], body: &str, expected: Expect) -> Draft {
    let url: Url = url.parse().expect("an address");
    let (answer, request): (Vec<_>, Vec<_>) =
        headers.iter().partition(|(name, _)| ["link", "content-type"].contains(name));
    let mut answer_headers = HeaderMap::new();
    for (name, value) in answer {
        let name = reqwest::header::HeaderName::try_from(name).expect("a name");
        answer_headers.insert(name, value.parse().expect("a header"));
    }
    let sample = Sample {
        url,
        method: "GET",
        request_headers: request.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        request_body: None,
        headers: answer_headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let draft = sample.draft().expect("a draft");
    expected.assert_eq(&draft.manifest);
    if let Err(problems) = Manifest::parse(&draft.manifest) {
        panic!("{}", problems[0].render("draft.yaml", &draft.manifest));
    }
    assert!(!draft.manifest.contains("hunter2"), "{}", draft.manifest);
    draft
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
