//! What a destination may say.

use super::Explanation;
use super::codes::destination;

pub(super) const ALL: &[Explanation] = &[
    destination(
        "adopt_unsupported",
        "`hasmore adopt` takes over tables that Fivetran made in DuckDB or Postgres, and this is another destination.",
        "Adopt the tables where they are; `hasmore migrate` then brings the connection here.",
    ),
    destination(
        "column_in_use",
        "A column must become wider, and a view or rule in Postgres depends on it; the message names it.",
        "Drop the view, sync, and create it again. A view that casts the column to the type that it needs goes on as before.",
    ),
    destination(
        "destination_authentication",
        "The Postgres server does not accept user or password, or the password file is open to others.",
        "Check both: they come from the address, from PGUSER and PGPASSWORD, or from ~/.pgpass, which must be of mode 600.",
    ),
    destination(
        "destination_damaged",
        "The DuckDB or SQLite file, or what hasmore keeps in the destination, cannot be read.",
        "Restore it from a backup, or sync into a new one.",
    ),
    destination(
        "destination_encoding",
        "The Postgres database has another encoding than UTF8, which cannot hold every text.",
        "Name a database that was created with the encoding UTF8.",
    ),
    destination(
        "destination_encrypted",
        "The DuckDB file is encrypted.",
        "Name a file without encryption.",
    ),
    destination(
        "destination_error",
        "The destination refuses something for a reason that has no code of its own.",
        "Sync again; report it if it stays. Nothing was written.",
    ),
    destination(
        "destination_exists",
        "The file for the demo holds something else.",
        "Name another one with --to.",
    ),
    destination(
        "destination_locked",
        "Another program has the DuckDB file open; or has written to the SQLite file, or read it, for more than 30 seconds; or, in Postgres, another session holds a lock on a table or commits for the same connection.",
        "Close it: a DuckDB file has one writer, and no reader beside it. In Postgres pg_stat_activity and pg_locks show whose lock it is; lock_timeout, set for the user, says how long it is waited for (30s).",
    ),
    destination(
        "destination_newer",
        "The file was written by a newer DuckDB, or the destination by a newer hasmore.",
        "Use a newer hasmore with it.",
    ),
    destination(
        "destination_not_duckdb",
        "The file is no DuckDB database; it was left as it is.",
        "Name another file.",
    ),
    destination(
        "destination_not_found",
        "The folder of the DuckDB or SQLite file, or the Postgres database, is not there.",
        "Make it, or correct its name.",
    ),
    destination(
        "destination_not_sqlite",
        "The file is no SQLite database, or is encrypted; it was left as it is.",
        "Name another file.",
    ),
    destination(
        "destination_out_of_memory",
        "DuckDB needs more memory than it may use, and more than it can put into temporary files; or the Postgres server has none left.",
        "Raise `limits.memory`, or free space on the disk; for Postgres, give the server more, or set `limits.batch_rows` lower.",
    ),
    destination(
        "destination_permission",
        "The DuckDB or SQLite file or its folder may not be written; or the Postgres user lacks a right.",
        "Give this user the right to read and write both; docs/guide/postgres.md lists the rights in Postgres.",
    ),
    destination(
        "destination_read_only",
        "The Postgres server is a standby, or transactions are read-only for this user; a SQLite file or its folder may not be written; a DuckDB file was opened to be looked at only.",
        "Name the primary server, or turn default_transaction_read_only off for this user; or make the file and its folder writable. Nothing was written.",
    ),
    destination(
        "destination_tls",
        "The connection to the Postgres server could not be encrypted, or its certificate is not one to trust.",
        "Name the CA with sslrootcert=FILE in the address. sslmode=require encrypts without looking at the certificate; sslmode=disable does not encrypt.",
    ),
    destination(
        "destination_unavailable",
        "The destination cannot be reached, or did not say whether a commit had landed.",
        "Check the address and the server. Sync again: it goes on from what is there, and nothing lands twice.",
    ),
    destination(
        "destination_url",
        "The address of the Postgres server, or one of the variables PG…, cannot be read.",
        "Write postgres://USER@HOST:PORT/DATABASE, special characters in percent form.",
    ),
    destination(
        "disk_full",
        "There is no space left.",
        "Free some and sync again: it goes on from what had landed.",
    ),
    destination(
        "name_collision",
        "A table would have a name that something else in the schema has already, apart from its case.",
        "Rename one of them, or choose another namespace.",
    ),
    destination(
        "position_moved",
        "Another sync of the same connection has landed meanwhile; nothing of this batch was written.",
        "Let only one run; the next sync goes on from what is there.",
    ),
    destination(
        "statement_timeout",
        "The Postgres server ended a statement that took longer than statement_timeout allows, or somebody cancelled it.",
        "Raise statement_timeout for this user, or set `limits.batch_rows` lower. Nothing of the batch was written.",
    ),
    destination(
        "table_changed_by_hand",
        "A table is not as hasmore left it: it was dropped, or a column, an index or a constraint was changed.",
        "Undo the change, or sync into another namespace. One that was dropped is made anew by `hasmore resync CONNECTION --rebuild` and the next sync.",
    ),
    destination(
        "unmanaged_table",
        "A table of that name is in the schema, and hasmore did not make it (F-199).",
        "Rename or drop it, or choose another `namespace`.",
    ),
    destination(
        "value_too_large",
        "A row, a key, or nested data is larger than Postgres holds: rows of 8 KB without their long texts, keys of 2,700 bytes, some ten thousand levels of nesting; or a text of more than 1 GB in SQLite.",
        "Let the function send less of it, or declare another key. DuckDB holds such rows.",
    ),
];
