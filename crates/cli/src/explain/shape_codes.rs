//! The codes of what the user decides about tables and columns, by kind and then by code.

use super::Explanation;
use super::codes::{config, destination, function, warning};

pub(super) const ALL: &[Explanation] = &[
    config(
        "adoption_disagrees",
        "Tables that are to be taken over are not as this connection would have made them; each difference is told with its cure. Nothing was written.",
        "Do what is said of each; `hasmore adopt --dry-run` looks again. `--table` leaves the others out.",
    ),
    config(
        "blocked_by_configuration",
        "What is to be approved is blocked in the configuration file.",
        "Take `block: true` out of the file; that lets it in from the next sync on.",
    ),
    config(
        "history_without_primary_key",
        "A table is to keep versions, and has no declared key by which they would be told apart.",
        "Let the function declare a `primary_key` in `schema`, or take `mode: history` from that table.",
    ),
    config(
        "key_column_blocked",
        "A column of a table's key is to be blocked (F-194).",
        "Take `block` from that column; `hash: true` hides its values and keeps rows apart.",
    ),
    config(
        "key_hash_changed",
        "A key column whose rows have landed is to be hashed, or no longer: the rows would not meet again.",
        "Set `hash` back, or make the table anew: `hasmore resync CONNECTION --rebuild`.",
    ),
    config(
        "not_held_back",
        "What is to be approved is not held back.",
        "`hasmore schema diff` lists what is; names are those that the function gives.",
    ),
    config(
        "quarantine_taken",
        "Rows that break a contract go to `<table>__quarantine`, and the function itself has a table of that name.",
        "Give one of the two tables another name with `name` in `tables`, or set `on_breach` to `drop_row` or `fail`.",
    ),
    config(
        "resync_without_key",
        "One table is to be read again alone, and has no key: rows that come in meanwhile would be there twice.",
        "Resync the whole connection: `hasmore resync CONNECTION --rebuild`.",
    ),
    config(
        "same_destination",
        "A connection is to move to where it is.",
        "Name another destination with --to.",
    ),
    config(
        "table_mode_changed",
        "A table with a key is to append only, or a table that appends only is to have a key: its rows are kept otherwise.",
        "Set its `mode` back, or make it anew: `hasmore resync CONNECTION --rebuild`.",
    ),
    config(
        "table_name_changed",
        "A table that has landed is to have another name.",
        "Set its `name` back: it is fixed once the first row has landed.",
    ),
    config(
        "type_lock_conflict",
        "A column holds values that the type it is to be locked to cannot hold.",
        "Lock it to a wider type (string and json hold everything), or make the table anew: `hasmore resync CONNECTION --rebuild`.",
    ),
    config(
        "unknown_table",
        "The connection has landed no table of that name.",
        "`hasmore tables` lists those that are there, by their names in the destination.",
    ),
    config(
        "version_time_changed",
        "The versions of a table are to be timed otherwise than those that are there.",
        "Set `version_time` back; or turn history off for one sync and on again; or make the table anew: `hasmore resync CONNECTION --rebuild`.",
    ),
    function(
        "contract_broken",
        "A row breaks the contract of a column, and `on_breach` is `fail`. Nothing of its page was written.",
        "Mend the row in the source, or decide with `on_breach: quarantine` or `drop_row` that such rows stay out of the table.",
    ),
    function(
        "version_time_unreadable",
        "The column that `version_time` names holds something that is no date and no time.",
        "Name a column of dates or times in `version_time`, or let the function send ISO 8601.",
    ),
    destination(
        "another_salt",
        "Two connections of one database have begun to hash values at the same time. Nothing of this commit was written.",
        "Sync again: the connection takes the salt that is there, so that equal values have equal digests.",
    ),
    destination(
        "connection_exists",
        "The destination holds a connection of that name already; nothing was written to it.",
        "Name another destination, or drop its tables and its row of `_hasmore.positions` first.",
    ),
    destination(
        "too_many_deletes",
        "A sweep would delete more of a table's live rows than `max_deletes` allows. Nothing was changed.",
        "Look whether the source still has those rows: it may have answered with less than it has. If they are gone, `hasmore sync --allow-deletes` lets them go once.",
    ),
    warning(
        "deletes_left_out",
        "The function sends rows in `delete` for a table that only appends.",
        "They are left out and counted. Another `mode` of that table heeds them.",
    ),
    warning(
        "held_back_until_now",
        "A table or column that was held back is let in by the configuration.",
        "Rows that landed before lack it. `hasmore resync` begins again and fetches what went by.",
    ),
];
