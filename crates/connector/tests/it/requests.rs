use serde_json::{Value, json};

use crate::api::{Answered, Api, Asked, rows};
use crate::run::Platform;

#[tokio::test]
async fn graphql_pages_by_a_variable_of_its_body() {
    let answer = |asked: &Asked| {
        assert!(asked.body["query"].as_str().expect("a query").starts_with("query($after"));
        let after: usize = asked.body["variables"]["after"]
            .as_str()
            .map_or(0, |text| text.parse().expect("a number"));
        let size = usize::try_from(asked.body["variables"]["first"].as_u64().expect("a size"))
            .expect("small");
        let nodes: Vec<Value> =
            rows(5).into_iter().skip(after).take(size).map(|row| json!({"node": row})).collect();
        let info =
            json!({"endCursor": (after + size).to_string(), "hasNextPage": after + size < 5});
        Answered::json(json!({"data": {"items": {"edges": nodes, "pageInfo": info}}}))
    };
    let api = Api::serve(answer).await;
    let text = r#"
name: graph
base_url: "{url}/graphql"
pagination:
  cursor: {from: body.data.items.pageInfo.endCursor, to: body.variables.after}
  has_more: body.data.items.pageInfo.hasNextPage
tables:
  items:
    path: /
    records: data.items.edges.*.node
    primary_key: id
    body:
      query: "query($after: String, $first: Int) { items(after: $after, first: $first) { edges { node { id } } } }"
      variables: {first: 2}
"#;
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
    assert_eq!(api.asked().len(), 3);
}

#[tokio::test]
async fn a_search_by_post_pages_after_the_last_row() {
    let answer = |asked: &Asked| {
        let after = asked.body["search_after"].as_u64().unwrap_or(0);
        assert_eq!(asked.body["size"], 2);
        assert_eq!(asked.body["query"]["range"]["from"], "eu");
        let hits: Vec<Value> =
            rows(5).into_iter().filter(|row| row["id"].as_u64() > Some(after)).take(2).collect();
        Answered::json(json!({"hits": {"hits": hits}}))
    };
    let api = Api::serve(answer).await;
    let text = r#"
name: search
base_url: "{url}"
config: {region: eu}
pagination: {cursor: {from: last_row.id, to: body.search_after}, size: {to: body.size, value: 2}}
tables:
  items:
    path: /_search
    records: hits.hits
    primary_key: id
    body: {query: {range: {from: "{{ config.region }}"}}}
"#;
    let mut platform = Platform::new(text, &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5]);
}
