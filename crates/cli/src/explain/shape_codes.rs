//! The codes of what the user decides about tables and columns, by kind and then by code.

use super::Explanation;
use super::codes::{config, warning};

pub(super) const ALL: &[Explanation] = &[
    config(
        "blocked_by_configuration",
        "What is to be approved is blocked in the configuration file.",
        "Take `block: true` out of the file; that lets it in from the next sync on.",
    ),
    config(
        "key_column_blocked",
        "A column of a table's key is to be blocked (F-194).",
        "Take `block` from that column; `hash: true` hides its values and keeps rows apart.",
    ),
    config(
        "key_hash_changed",
        "A key column whose rows have landed is to be hashed, or no longer: the rows would not meet again.",
        "Set `hash` back, or sync into another schema with another connection name.",
    ),
    config(
        "not_held_back",
        "What is to be approved is not held back.",
        "`hasmore schema diff` lists what is; names are those that the function gives.",
    ),
    config(
        "table_name_changed",
        "A table that has landed is to have another name.",
        "Set its `name` back: it is fixed once the first row has landed.",
    ),
    config(
        "type_lock_conflict",
        "A column holds values that the type it is to be locked to cannot hold.",
        "Lock it to a wider type (string and json hold everything), or take the lock away.",
    ),
    warning(
        "held_back_until_now",
        "A table or column that was held back is let in by the configuration.",
        "Rows that landed before lack it. `hasmore state reset` begins again and fetches what went by.",
    ),
];
