use std::collections::BTreeSet;

use protocol::Function;
use serde_json::json;

use crate::api::{Answered, Api, Asked};
use crate::run::Platform;

fn shop(asked: &Asked) -> Answered {
    Answered::json(match asked.path.as_str() {
        "/customers" => json!([
            {"email": "ann@raw.example", "name": "Ann Raw", "card": "4111-raw-1234", "notes": {"x": "deep-raw"}},
            {"email": "bob@raw.example", "name": "Bob Raw", "card": "4222-raw-5678", "notes": null},
        ]),
        path => {
            json!([{"id": path.len(), "customer": path.split('/').nth(2).map(|name| name.replace("%40", "@"))}])
        }
    })
}

const SHOP: &str = "
name: shop
base_url: '{url}'
secrets: [api_key]
hash_key: '{{ secrets.api_key }}'
call: {pages: 1}
tables:
  customers:
    primary_key: id
    hash: email
    mask: {card: 4}
    drop: [name, notes]
    rename: {email: id}
  orders:
    for_each: customers
    path: /customers/{{ parent.email }}/orders
    primary_key: id
    hash: customer
    include: {customer_email: parent.email}
";

/// Raw values reach neither rows nor state nor warnings, and the hashes of two tables can be joined.
#[tokio::test]
async fn what_is_hidden_is_hidden_everywhere_and_stays_joinable() {
    let api = Api::serve(shop).await;
    let mut platform = Platform::new(SHOP, &api);
    loop {
        let response = platform.connector.call(&platform.request()).await.expect("an answer");
        let whole = String::from_utf8_lossy(&response.to_json()).to_lowercase();
        assert!(!whole.contains("raw"), "{whole}");
        assert!(response.warnings.is_empty(), "{:?}", response.warnings);
        if !platform.call().await.expect("an answer") {
            break;
        }
    }
    let customers: BTreeSet<&str> =
        platform.tables["customers"].values().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(customers.len(), 2);
    for order in platform.tables["orders"].values() {
        assert_eq!(order["customer"], order["customer_email"]);
        assert!(customers.contains(order["customer"].as_str().expect("a hash")));
    }
    let card = platform.tables["customers"].values().next().expect("a row")["card"].clone();
    assert!(card == "********1234" || card == "********5678", "{card}");
}

#[tokio::test]
async fn a_rule_that_meets_no_field_is_told() {
    let api = Api::serve(shop).await;
    let mut platform = Platform::new(&SHOP.replace("hash: email", "hash: [email, emial]"), &api);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, ["rule_unused"]);
}

/// Neither the path of a child's request nor what the API says of it shows a hidden value.
#[tokio::test]
async fn an_error_tells_no_hidden_value() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        "/customers" => shop(asked),
        path => Answered { body: format!("no {path}").into(), ..Answered::status(404) },
    };
    let api = Api::serve(answer).await;
    let mut platform = Platform::new(SHOP, &api);
    let error = crate::run::told(&platform.sync().await.expect_err("an error"));
    assert!(!error.contains("raw"), "{error}");
    assert!(error.contains("/customers/{{ parent.email }}/orders answered 404"), "{error}");
}
