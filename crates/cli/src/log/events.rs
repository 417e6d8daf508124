//! What each event of the JSON log holds, and the page that tells it.

use serde_json::Value;

/// An event by its public name, when it is written, and the members of its `data`.
struct EventKind {
    name: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    when: &'static str,
    data: &'static [(&'static str, &'static str)],
}

const SCHEMA: (&str, &str) = ("schema", "the namespace of the connection");
const TABLE: (&str, &str) = ("table", "its name in the destination");
const STATE: (&str, &str) = ("state", "with `-vv` only: the state, cut after 500 characters");

/// In the order in which a sync tells them.
const ALL: [EventKind; 16] = [
    EventKind {
        name: "sync_start",
        when: "A sync begins. It has no data when the sync cannot begin.",
        data: &[
            ("after_commit", "commits that this connection has made before"),
            ("delete_mode", "`soft` or `hard`: what becomes of rows in `delete`"),
            STATE,
        ],
    },
    EventKind {
        name: "function_call",
        when: "A call has ended.",
        data: &[
            ("page", "counted from 1 in this sync"),
            ("ms", "how long it took"),
            ("bytes", "the size of the answer"),
            ("rows", "in `insert` and `delete` together"),
            ("deletes", "those in `delete`"),
            ("hasMore", "as the function says"),
            ("status", "`OK`, or the code of the error; then only `page` is there beside it"),
        ],
    },
    EventKind {
        name: "function_log",
        when: "The function's process has printed a line, or something is to be said about it.",
        data: &[
            ("source", "`stdout`, `stderr` or `hasmore`"),
            ("message", "the line, without the secrets of the connection"),
        ],
    },
    EventKind {
        name: "warning",
        when: "Something was tolerated; once a sync for each message.",
        data: &[("type", "the code of the warning"), ("message", "what, and where")],
    },
    EventKind {
        name: "write_to_table_start",
        when: "A commit begins to write rows.",
        data: &[TABLE],
    },
    EventKind {
        name: "create_schema",
        when: "The first commit of a connection has landed.",
        data: &[SCHEMA],
    },
    EventKind {
        name: "create_table",
        when: "A table was created.",
        data: &[
            SCHEMA,
            ("name", "its name in the destination"),
            ("primary_key", "its key columns"),
        ],
    },
    EventKind {
        name: "alter_table",
        when: "A column was added or widened, or the table is kept otherwise.",
        data: &[
            SCHEMA,
            TABLE,
            (
                "type",
                "`ADD_COLUMN`, `CHANGE_COLUMN_TYPE`, or a change of mode: `START_HISTORY`, `END_HISTORY`, `REMOVE_DELETED`",
            ),
            ("column", "its name in the destination"),
            ("columnType", "of a column that was added"),
            ("from", "the type that a widened column had"),
            ("to", "the type that it has"),
        ],
    },
    EventKind {
        name: "type_change",
        when: "A column was widened; told once more, by a name of its own.",
        data: &[
            SCHEMA,
            TABLE,
            ("type", "`CHANGE_COLUMN_TYPE`"),
            ("column", "its name in the destination"),
            ("from", "the type that it had"),
            ("to", "the type that it has"),
        ],
    },
    EventKind {
        name: "write_to_table_end",
        when: "The rows of a table have landed.",
        data: &[TABLE],
    },
    EventKind {
        name: "records_held_back",
        when: "A commit has landed, and the connection's policy left something of its rows out.",
        data: &[
            ("table", "the name that the function gives it"),
            ("rows", "left out with their table"),
            ("values", "left out with their column"),
            (
                "nulled",
                "values that became NULL, since they cannot be of the type that their column is locked to",
            ),
            ("dropped", "rows left out, since they break a contract"),
            ("quarantined", "rows that break a contract, and went to a table beside their own"),
        ],
    },
    EventKind {
        name: "records_modified",
        when: "Rows of a table have landed, for each kind of change.",
        data: &[
            SCHEMA,
            TABLE,
            ("operationType", "`REPLACED_OR_INSERTED` or `DELETED`"),
            ("count", "rows"),
        ],
    },
    EventKind {
        name: "soft_delete_sweep",
        when: "Rows that a whole read did not show again were marked as deleted.",
        data: &[SCHEMA, TABLE, ("count", "rows")],
    },
    EventKind {
        name: "state_saved",
        when: "A commit has landed, with its rows and its state.",
        data: &[
            ("commit", "commits of this connection so far"),
            ("pages", "pages joined in this one"),
            STATE,
        ],
    },
    EventKind {
        name: "error",
        when: "The sync, or one of its parts, has failed. An error that belongs to no connection has no members of one.",
        data: &[
            ("type", "the [code](errors.md) of the error"),
            ("message", "what, and where"),
            ("hint", "what to do"),
        ],
    },
    EventKind {
        name: "sync_end",
        when: "The sync is over, well or not; nothing follows.",
        data: &[
            (
                "status",
                "`SUCCESSFUL`, `CANCELED`, `FAILURE`, or `FAILURE_WITH_TASK` where a person has to mend something",
            ),
            ("reason", "why it did not go well"),
            ("code", "the code of the error"),
            ("taskType", "`fix_configuration` or `fix_destination`, with a task"),
        ],
    },
];

/// Whether the page tells of this event and of every member of its data.
pub(super) fn are_told(name: &str, data: Option<&Value>) -> bool {
    let Some(kind) = ALL.iter().find(|kind| kind.name == name) else { return false };
    let told = |member: &String| kind.data.iter().any(|(known, _)| known == member);
    data.and_then(Value::as_object).is_none_or(|data| data.keys().all(told))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// The page `docs/reference/log-events.md`.
    fn page() -> String {
        const INTRODUCTION: &str = "\
# Log events

`--log-format json` writes one object a line to standard error, in Fivetran's envelope and by its names,
with a few more. This page is made from `crates/cli/src/log/events.rs` by the tests, and every event that
they see is held against it.

```json
{\"event\":\"sync_end\",\"data\":{\"status\":\"SUCCESSFUL\"},\"created\":\"2026-01-01T09:56:43.688Z\",\"connector_type\":\"function_url\",
 \"connector_id\":\"orders\",\"connector_name\":\"orders\",\"connection_id\":\"orders\",\"connection_name\":\"orders\",\"sync_id\":\"b4703f73-…\"}
```

| member | what |
|---|---|
| `event` | its name, one of those below |
| `data` | its own members; absent where it has none |
| `created` | when, in UTC, with milliseconds |
| `connector_type` | `function_url`, `function_handler` or `function_command` |
| `connector_id`, `connection_id`, `connection_name` | the name of the connection |
| `connector_name` | its namespace |
| `sync_id` | the same for all events of a sync, and what the function is told |

No event holds a secret or a value of a row, unless the function printed it.
";
        let mut page = INTRODUCTION.to_owned();
        for EventKind { name, when, data } in &ALL {
            let _ = write!(page, "\n## `{name}`\n\n{when}\n\n| data | what |\n|---|---|\n");
            for (member, what) in *data {
                let _ = writeln!(page, "| `{member}` | {what} |");
            }
        }
        page
    }

    #[test]
    fn the_page_of_events_is_current() {
        expect_test::expect_file!["../../../../docs/reference/log-events.md"].assert_eq(&page());
    }

    #[test]
    fn every_event_is_written_somewhere() {
        let sources = [include_str!("../log.rs"), include_str!("envelope.rs")].concat();
        for EventKind { name, .. } in &ALL {
            assert!(sources.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
