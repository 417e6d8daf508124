"""What DuckDB alone costs once the rows are on disk: the limit that a sync is held against.

limit.py start                 nothing but Python and its DuckDB module: taken off the limit
limit.py merge DATABASE LINES  read the rows with the types given, merge them by key without an index
limit.py check DATABASE        rows, distinct keys and the sum of logins in the table users, which may have
                               one more of its name where rows are staged
"""
import sys

import duckdb

TYPES = {
    "id": "BIGINT",
    "external_id": "VARCHAR",
    "name": "VARCHAR",
    "email": "VARCHAR",
    "active": "BOOLEAN",
    "verified": "BOOLEAN",
    "logins": "BIGINT",
    "balance": "DOUBLE",
    "plan": "VARCHAR",
    "referrer_id": "BIGINT",
    "address": "JSON",
    "tags": "JSON",
    "created_at": "TIMESTAMPTZ",
    "updated_at": "TIMESTAMPTZ",
    "last_seen_at": "TIMESTAMPTZ",
    "notes": "VARCHAR",
}


def merge(database, lines):
    connection = duckdb.connect(database)
    declared = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    columns = ", ".join(TYPES)
    updates = ", ".join(f"{name} = new.{name}" for name in TYPES if name != "id")
    values = ", ".join(f"new.{name}" for name in TYPES)
    connection.execute("BEGIN")
    connection.execute(f"CREATE TABLE IF NOT EXISTS users ({declared})")
    connection.execute(
        f"CREATE TEMP TABLE staged AS SELECT {columns} "
        f"FROM read_json(?, format = 'newline_delimited', columns = {TYPES})",
        [lines],
    )
    connection.execute(
        "MERGE INTO users USING (SELECT * FROM staged QUALIFY "
        "row_number() OVER (PARTITION BY id ORDER BY updated_at DESC) = 1) new ON users.id = new.id "
        f"WHEN MATCHED THEN UPDATE SET {updates} WHEN NOT MATCHED THEN INSERT VALUES ({values})"
    )
    connection.execute("COMMIT")


def check(database):
    connection = duckdb.connect(database, read_only=True)
    places = connection.execute(
        "SELECT schema_name FROM duckdb_tables() WHERE table_name = 'users' AND NOT internal "
        "AND schema_name NOT LIKE '%\\_staging' ESCAPE '\\'"
    ).fetchall()
    if len(places) != 1:
        sys.exit(f"expected one table named users in {database}, found {len(places)}")
    schema = places[0][0].replace('"', '""')
    query = f'SELECT count(*), count(DISTINCT id), sum(logins) FROM "{schema}".users'
    print(*map(int, connection.execute(query).fetchone()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start"]:
            pass
        case ["merge", database, lines]:
            merge(database, lines)
        case ["check", database]:
            check(database)
        case _:
            sys.exit(__doc__)
