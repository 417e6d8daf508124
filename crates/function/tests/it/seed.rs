//! F-070: the seed's conversation through every way: manifest, binary, engine, destination.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use engine::{Limits, Options, Run, Timestamp};
use protocol::{CustomPayload, Function, FunctionError, Request, Response, Secrets, SyncId};
use simulation::memory::Memory;

use crate::deployed::{Deployed, WAYS};
use crate::upstream::Upstream;

const MANIFEST: &str = "
name: seed
base_url: '{url}'
pagination: {page: {to: query.page}, has_more: body.more}
call: {pages: 1}
state: {cursor: lastUpdate, page: paginationCounter}
tables:
  apiJsonResponseTable:
    records: rows
    primary_key: id
    cursor: {field: lastUpdate, to: query.since, kind: date, order: ascending}
";

fn answer(query: &BTreeMap<String, String>) -> String {
    let day = |day: u32, ids: &[u32]| {
        let row = |id: &u32| format!(r#"{{"id":{id},"lastUpdate":"2020-01-0{day}"}}"#);
        ids.iter().map(row).collect::<Vec<_>>().join(",")
    };
    let (rows, more) = match (query.get("since").map(String::as_str), query["page"].as_str()) {
        (None, "1") => (day(1, &[1, 2]), true),
        (None, "2") => (day(1, &[3, 4]), true),
        (None, "3") => (day(1, &[5]), false),
        (Some("2020-01-01"), "1") => (day(2, &[6]), false),
        (Some("2020-01-02"), "1") => (day(3, &[7]), false),
        other => panic!("not in the story: {other:?}"),
    };
    format!(r#"{{"rows":[{rows}],"more":{more}}}"#)
}

/// Notes every call: sync, state, next state, hasMore.
struct Noted<'a>(&'a Deployed, Arc<Mutex<Vec<String>>>);

impl Function for Noted<'_> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let response = self.0.call(request).await?;
        let line = format!(
            "{} {} -> {} {}",
            request.sync_id.0,
            request.state.as_json(),
            response.state.as_json(),
            response.has_more
        );
        self.1.lock().expect("not poisoned").push(line);
        Ok(response)
    }
}

fn run(number: i64) -> Run {
    Run {
        sync_id: SyncId(format!("sync-{number}")),
        started_at: Timestamp(number * 3_600_000_000),
        clock: Arc::new(|| Timestamp(0)),
        agent: "hasmore/0/seed/seed".into(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options: Options::default(),
        limits: Limits::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f_070_f_071_f_072_f_093_the_seeds_five_calls_in_three_syncs_through_every_way() {
    for way in WAYS {
        let upstream = Upstream::serve(answer);
        let deployed = Deployed::start(way, &MANIFEST.replace("{url}", &upstream.url));
        let story = Arc::new(Mutex::new(Vec::new()));
        let mut destination = Memory::default();
        for number in 1..=3 {
            let function = Noted(&deployed, Arc::clone(&story));
            let synced = engine::sync(&run(number), &function, &mut destination, &mut |_| {}).await;
            synced.unwrap_or_else(|error| panic!("{way:?}: {error}"));
        }
        assert_eq!(
            *story.lock().expect("not poisoned"),
            [
                r#"sync-1 {} -> {"lastUpdate":"","paginationCounter":1} true"#,
                r#"sync-1 {"lastUpdate":"","paginationCounter":1} -> {"lastUpdate":"","paginationCounter":2} true"#,
                r#"sync-1 {"lastUpdate":"","paginationCounter":2} -> {"lastUpdate":"2020-01-01","paginationCounter":0} false"#,
                r#"sync-2 {"lastUpdate":"2020-01-01","paginationCounter":0} -> {"lastUpdate":"2020-01-02","paginationCounter":0} false"#,
                r#"sync-3 {"lastUpdate":"2020-01-02","paginationCounter":0} -> {"lastUpdate":"2020-01-03","paginationCounter":0} false"#,
            ],
            "{way:?}"
        );
        let database = destination.database();
        let rows = database.tables["api_json_response_table"].texts();
        let mut landed: Vec<String> = rows
            .iter()
            .map(|row| format!("{:?} {:?}", row["id"].as_deref(), row["last_update"].as_deref()))
            .collect();
        landed.sort();
        let expected = [1, 1, 1, 1, 1, 2, 3].into_iter().zip(1..);
        let expected: Vec<String> =
            expected.map(|(day, id)| format!("Some(\"{id}\") Some(\"2020-01-0{day}\")")).collect();
        assert_eq!(landed, expected, "{way:?}");
    }
}
