//! Events as JSON, in the envelope and by the names of section 6.1 (Dec-67).

use engine::{Batch, Landed, Outcome, PrimaryKey, SchemaChange, SyncEvent};
use protocol::{State, SyncId, Warning};
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock;
use crate::connection::Connection;
use crate::explain::{self, Kind};
use crate::failure::Failure;
use crate::log::events;

/// What of a state is logged, and only at debug level.
pub(super) const STATE_CHARACTERS_MAX: usize = 500;

#[derive(Serialize)]
struct Envelope<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
    created: String,
    connector_type: &'a str,
    connector_id: &'a str,
    connector_name: &'a str,
    connection_id: &'a str,
    connection_name: &'a str,
    sync_id: &'a str,
}

/// One event as one line.
pub(super) fn line(
    event: &str,
    data: Option<Value>,
    connection: &Connection,
    sync_id: &SyncId,
) -> String {
    debug_assert!(events::are_told(event, data.as_ref()), "{event} {data:?} is not on its page");
    let envelope = Envelope {
        event,
        data,
        created: clock::milliseconds_text(clock::now()),
        connector_type: connection.function.connector_type(),
        connector_id: &connection.name,
        connector_name: &connection.namespace,
        connection_id: &connection.name,
        connection_name: &connection.namespace,
        sync_id: &sync_id.0,
    };
    serde_json::to_string(&envelope).expect("texts and numbers can be written as JSON")
}

/// An error that belongs to no connection.
pub(super) fn failure(failure: &Failure) -> String {
    let created = clock::milliseconds_text(clock::now());
    json!({ "event": "error", "data": error_data(failure), "created": created }).to_string()
}

type Event = (&'static str, Option<Value>);

/// Tells one sync's events by their public names.
pub(super) struct Events {
    namespace: String,
    debug: bool,
    /// The page whose call is under way, for the call that fails.
    calling: u64,
}

impl Events {
    pub(super) fn new(namespace: String, debug: bool) -> Events {
        Events { namespace, debug, calling: 0 }
    }

    /// The public events that one event of the engine is told as, in their order (F-220).
    pub(super) fn of(&mut self, event: &SyncEvent<'_>) -> Vec<Event> {
        match event {
            SyncEvent::Started { position, options, .. } => {
                let data = json!({
                    "after_commit": position.ordinal(),
                    "delete_mode": format!("{:?}", options.delete_mode).to_lowercase(),
                });
                vec![("sync_start", Some(self.with_state(data, position.state())))]
            }
            SyncEvent::Calling { page } => {
                self.calling = *page;
                Vec::new()
            }
            SyncEvent::Called { page, rows, deletes, bytes, has_more, took } => {
                self.calling = 0;
                let data = json!({
                    "page": page, "ms": took.as_millis(), "bytes": bytes, "rows": rows, "deletes": deletes,
                    "hasMore": has_more, "status": "OK",
                });
                vec![("function_call", Some(data))]
            }
            SyncEvent::Warned { warning } => vec![("warning", Some(warning_data(warning)))],
            SyncEvent::Landing { batch } => batch
                .tables()
                .map(|table| ("write_to_table_start", Some(json!({ "table": table.table() }))))
                .collect(),
            SyncEvent::Landed { batch, changes, landed, .. } => self.landed(batch, changes, landed),
            SyncEvent::Finished { summary } => self.finished(&summary.outcome),
        }
    }

    fn landed(&self, batch: &Batch, changes: &[SchemaChange], landed: &Landed) -> Vec<Event> {
        let schema = &self.namespace;
        let mut events = Vec::new();
        if batch.after() == 0 {
            events.push(("create_schema", Some(json!({ "schema": schema }))));
        }
        events.extend(changes.iter().flat_map(|change| change_events(change, schema)));
        for table in batch.tables() {
            events.push(("write_to_table_end", Some(json!({ "table": table.table() }))));
        }
        for (table, held) in batch.held_back() {
            let data = json!({
                "table": table, "rows": held.rows, "values": held.values, "nulled": held.nulled,
                "dropped": held.dropped, "quarantined": held.quarantined,
            });
            events.push(("records_held_back", Some(data)));
        }
        for (table, counts) in &landed.tables {
            let upserts = counts.inserted + counts.updated + counts.unchanged;
            for (operation, count) in
                [("REPLACED_OR_INSERTED", upserts), ("DELETED", counts.deleted)]
            {
                if count > 0 {
                    let data = json!({
                        "schema": schema, "table": table, "operationType": operation, "count": count,
                    });
                    events.push(("records_modified", Some(data)));
                }
            }
            if counts.swept > 0 {
                let data = json!({ "schema": schema, "table": table, "count": counts.swept });
                events.push(("soft_delete_sweep", Some(data)));
            }
        }
        let data = json!({ "commit": batch.leaves().ordinal(), "pages": batch.pages() });
        events.push(("state_saved", Some(self.with_state(data, batch.leaves().state()))));
        events
    }

    fn finished(&self, outcome: &Outcome) -> Vec<Event> {
        match outcome {
            Outcome::Complete | Outcome::TimeLimit => {
                vec![("sync_end", Some(json!({ "status": "SUCCESSFUL" })))]
            }
            Outcome::Cancelled => {
                let reason = "a stop was asked for; what was whole has landed";
                vec![("sync_end", Some(json!({ "status": "CANCELED", "reason": reason })))]
            }
            Outcome::Failed { code, message } => {
                let mut events = Vec::new();
                if self.calling > 0 {
                    let data = json!({ "page": self.calling, "status": code });
                    events.push(("function_call", Some(data)));
                }
                events.push(("error", Some(error_data(&Failure::new(code, message.clone())))));
                events.push(("sync_end", Some(end_of(code, message))));
                events
            }
        }
    }

    /// States are logged at debug level only, and not without an end.
    fn with_state(&self, mut data: Value, state: &State) -> Value {
        if self.debug {
            data["state"] = state_excerpt(state.as_json()).into();
        }
        data
    }
}

fn change_events(change: &SchemaChange, namespace: &str) -> Vec<Event> {
    match change {
        SchemaChange::CreateTable { table, primary_key } => {
            let key = match primary_key {
                PrimaryKey::Columns(columns) => columns.iter().cloned().collect(),
                other => engine::system_columns::key_columns(other)
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<Vec<_>>(),
            };
            let data = json!({ "schema": namespace, "name": table, "primary_key": key });
            vec![("create_table", Some(data))]
        }
        SchemaChange::AddColumn { table, column, column_type } => vec![(
            "alter_table",
            Some(json!({
                "schema": namespace, "table": table, "type": "ADD_COLUMN",
                "column": column, "columnType": column_type.to_string(),
            })),
        )],
        SchemaChange::WidenColumn { table, column, from, to } => {
            let data = json!({
                "schema": namespace, "table": table, "type": "CHANGE_COLUMN_TYPE",
                "column": column, "from": from.to_string(), "to": to.to_string(),
            });
            vec![("alter_table", Some(data.clone())), ("type_change", Some(data))]
        }
        SchemaChange::AddSoftDeletes { table } => vec![(
            "alter_table",
            Some(json!({
                "schema": namespace, "table": table, "type": "ADD_COLUMN",
                "column": engine::system_columns::DELETED, "columnType": "boolean",
            })),
        )],
        SchemaChange::StartHistory { table } => mode_event(namespace, table, "START_HISTORY"),
        SchemaChange::EndHistory { table, .. } => mode_event(namespace, table, "END_HISTORY"),
        SchemaChange::RemoveDeleted { table } => mode_event(namespace, table, "REMOVE_DELETED"),
    }
}

fn mode_event(namespace: &str, table: &str, kind: &str) -> Vec<Event> {
    vec![("alter_table", Some(json!({ "schema": namespace, "table": table, "type": kind })))]
}

pub(super) fn error_data(failure: &Failure) -> Value {
    json!({ "type": failure.code, "message": failure.message, "hint": failure.advice() })
}

pub(super) fn warning_data(warning: &Warning) -> Value {
    json!({ "type": warning.code, "message": warning.message })
}

/// F-221: `FAILURE_WITH_TASK` where a person has to mend the configuration or the destination.
pub(super) fn end_of(code: &str, reason: &str) -> Value {
    let task = match explain::explain(code).map(|explanation| explanation.kind) {
        Some(Kind::Configuration) => Some("fix_configuration"),
        Some(Kind::Destination) => Some("fix_destination"),
        _ => None,
    };
    match task {
        Some(task) => {
            json!({ "status": "FAILURE_WITH_TASK", "reason": reason, "taskType": task, "code": code })
        }
        None => json!({ "status": "FAILURE", "reason": reason, "code": code }),
    }
}

pub(super) fn state_excerpt(state: &str) -> String {
    state.chars().take(STATE_CHARACTERS_MAX).collect()
}
