use std::path::Path;
use std::sync::Arc;

use protocol::{Function, Request};
use serde_json::{Value, json};
use transport::{Cancellable, Upstream};

use crate::arguments::{GlobalArguments, ReplayArguments};
use crate::config::{CommandConfig, ConnectionConfig, DestinationConfig};
use crate::connection::{self, Connection};
use crate::failure::{Exit, Failure};
use crate::folder::TemporaryFolder;
use crate::function::BareFunction;
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;
use crate::paint::Paint;
use crate::recording::{Recording, Redaction, wire};
use crate::{report, store, words};

/// Makes a recording's calls again, with no network: of the recording itself, into a destination; or of a
/// function, with the answers that its API gave then.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &ReplayArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let recording = Recording::read(&arguments.folder)?;
    let is_given = arguments.connection.is_some() || arguments.given.has_function();
    if !is_given {
        return super::runtime().block_on(land(recording, arguments));
    }
    let names: Vec<String> = arguments.connection.iter().cloned().collect();
    let mut selected = connection::selected(global, &names, &arguments.given)?;
    let selected = selected.pop().expect("one connection was asked for");
    let connection = Arc::new(selected.ready?);
    super::runtime().block_on(async {
        let stop = Stop::listen(log);
        let compared = compare(&connection, &recording, log, &stop).await;
        let compared = compared.map_err(|failure| failure.of(&connection.name))?;
        Ok(tell(&connection.name, &compared, arguments.json))
    })
}

/// Lands the recorded answers, in a file that is named or one that is gone at the end.
async fn land(recording: Recording, arguments: &ReplayArguments) -> Result<Exit, Failure> {
    let folder = TemporaryFolder::new("replay")?;
    let is_kept = arguments.into.is_some();
    let to = arguments.into.clone().unwrap_or_else(|| folder.path().join("replay.duckdb"));
    let config = ConnectionConfig {
        // It is never run: the recording answers in its place.
        command: Some(CommandConfig(vec!["recording".into()])),
        namespace: Some(recording.namespace.clone()),
        destination: Some(DestinationConfig { to }),
        ..ConnectionConfig::default()
    };
    let connection = Connection::resolve(&recording.connection, &config, None, Path::new("."))?;
    let run = super::begin(&connection);
    let mut destination = store::open(&connection).await?;
    let synced = engine::sync(&run, &recording, &mut destination, &mut |_| {}).await;
    let summary = synced.map_err(|error| Failure::from(error).of(&connection.name))?;
    if arguments.json {
        outln!("{}", report::json(&connection, &run.sync_id.0, &summary, None));
        return Ok(Exit::Landed);
    }
    let paint = Paint::of(&std::io::stdout());
    let text = report::text(&connection, connection.destination()?, &summary, paint);
    // The line to paste would lead to a file that is gone.
    let shown = text.lines().filter(|line| is_kept || !line.contains("replay.duckdb"));
    outln!("{}", shown.collect::<Vec<_>>().join("\n"));
    Ok(Exit::Landed)
}

/// A call, and where its answer is not the one of then.
struct Compared {
    differs: Option<String>,
}

async fn compare(
    connection: &Arc<Connection>,
    recording: &Recording,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<Vec<Compared>, Failure> {
    if connection.function.hides_its_upstream() {
        let message = "its function does not run on this machine, or shows a certificate, so it would need a network";
        return Err(Failure::new("usage", message)
            .hint("name a `handler`, a `command` or a `manifest`, or no connection at all"));
    }
    let run = super::begin(connection);
    let out = ConnectionLog::new(log, connection, &run.sync_id);
    let folder = TemporaryFolder::new("replay")?;
    let proxy = super::upstream_proxy(folder.path())?;
    proxy.set(Upstream::Kept(Vec::new()));
    let function = BareFunction::open(connection, &out.for_transport(), Some(&proxy))?;
    let secrets = Redaction::secrets(&connection.secrets);
    let mut compared = Vec::new();
    for call in &recording.calls {
        proxy.set(Upstream::Kept(call.upstream.clone()));
        let request = Request { secrets: secrets.clone(), ..call.request.clone() };
        let answer = Cancellable::new(&function, stop.receiver()).call(&request).await;
        let differs = match (&call.answer, answer) {
            (_, Err(error))
                if ["cancelled", "handler_not_found", "missing_runtime"]
                    .contains(&error.code()) =>
            {
                function.close().await;
                return Err(error.into());
            }
            (Ok(then), Ok(now)) => difference(then, &wire(&now)),
            (Ok(_), Err(now)) => Some(format!("it fails now: {now}")),
            (Err(then), Ok(_)) => Some(format!("it failed then: {then}")),
            (Err(then), Err(now)) if *then == now.to_string() => None,
            (Err(_), Err(now)) => Some(format!("it fails otherwise: {now}")),
        };
        compared.push(Compared { differs });
    }
    function.close().await;
    Ok(compared)
}

/// Where two answers part, byte for byte; members rather than bytes where both are JSON.
fn difference(then: &[u8], now: &[u8]) -> Option<String> {
    if then == now {
        return None;
    }
    let at = then.iter().zip(now).take_while(|(then, now)| then == now).count();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let place = json(then).zip(json(now)).and_then(|(then, now)| member(&then, &now));
    Some(match place {
        Some(place) => format!("{place} is another (byte {at})"),
        None => format!("the same JSON, written otherwise from byte {at} on"),
    })
}

/// The first member that is not the same, as a path.
fn member(then: &Value, now: &Value) -> Option<String> {
    match (then, now) {
        _ if then == now => None,
        (Value::Object(then), Value::Object(now)) => {
            let names = then.keys().chain(now.keys().filter(|name| !then.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let (then, now) = (then.get(name), now.get(name));
                let (then, now) = (then.unwrap_or(&Value::Null), now.unwrap_or(&Value::Null));
                member(then, now).map(|rest| format!(".{name}{rest}"))
            })
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            let mut pairs = then.iter().zip(now).enumerate();
            pairs.find_map(|(at, (then, now))| Some(format!("[{at}]{}", member(then, now)?)))
        }
        (Value::Array(then), Value::Array(now)) => Some(format!(
            " ({} in place of {})",
            words::count(now.len() as u64, "item"),
            then.len()
        )),
        _ => Some(String::new()),
    }
}

fn tell(connection: &str, compared: &[Compared], as_json: bool) -> Exit {
    let others = compared.iter().filter(|call| call.differs.is_some()).count();
    if as_json {
        let calls = compared.iter().map(|call| json!({ "differs": call.differs }));
        let calls = calls.collect::<Vec<_>>();
        outln!("{}", json!({ "connection": connection, "same": others == 0, "calls": calls }));
    } else {
        for (index, call) in compared.iter().enumerate() {
            if let Some(differs) = &call.differs {
                outln!("call {}: {differs}", index + 1);
            }
        }
        let calls = words::count(compared.len() as u64, "call");
        match others {
            0 => outln!("{connection}: {calls}, each answered as then, byte for byte"),
            others => outln!("{connection}: {calls}, {others} answered otherwise than then"),
        }
    }
    if others == 0 { Exit::Landed } else { Exit::Function }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_its_place() {
        let check = |then: &str, now: &str, expected: Option<&str>| {
            assert_eq!(difference(then.as_bytes(), now.as_bytes()).as_deref(), expected);
        };
        check(r#"{"a":1}"#, r#"{"a":1}"#, None);
        check(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":2}]}"#, Some(".a[0].b is another (byte 11)"));
        check(
            r#"{"a":[1]}"#,
            r#"{"a":[1,2]}"#,
            Some(".a (2 items in place of 1) is another (byte 7)"),
        );
        check(r#"{"a":1}"#, r#"{"a": 1}"#, Some("the same JSON, written otherwise from byte 5 on"));
        check(r#"{"a":1}"#, r#"{"c":1}"#, Some(".a is another (byte 2)"));
    }
}
