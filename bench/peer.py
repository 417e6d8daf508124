"""The same sync as dlt makes it, tuned: what a peer costs.

peer.py URL DATABASE

Pages are read from the function as hasmore reads them and given to dlt as Arrow tables, which spares it the look
at each value; objects and lists stay JSON texts, so that there are no child tables. Rows are loaded as CSV by COPY,
the cheapest of the ways that dlt has into Postgres, and merged by their key.
"""
import json
import os
import sys
import urllib.request

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = "true"
# Two cores are there; files as large as a sync's worth of rows spare it the making of many.
os.environ["DATA_WRITER__BUFFER_MAX_ITEMS"] = "100000"
os.environ["NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID"] = "false"
os.environ["NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID"] = "false"

import dlt
import pyarrow

MOMENT = pyarrow.timestamp("us", tz="UTC")
MOMENTS = ("created_at", "updated_at", "last_seen_at")
NESTED = ("address", "tags")


def pages(url):
    state = {}
    while True:
        body = json.dumps({"agent": "peer", "state": state, "secrets": {}}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            page = json.load(answer)
        rows = page["insert"].get("users", [])
        if rows:
            for row in rows:
                for name in NESTED:
                    row[name] = json.dumps(row[name])
            table = pyarrow.Table.from_pylist(rows)
            for name in MOMENTS:
                index = table.schema.get_field_index(name)
                moments = pyarrow.compute.cast(table.column(name), MOMENT)
                table = table.set_column(index, name, moments)
            yield table
        state = page["state"]
        if not page.get("hasMore"):
            return


def main(url, database):
    import pyarrow.compute  # noqa: F401, used above as pyarrow.compute

    columns = {name: {"data_type": "json"} for name in NESTED}
    users = dlt.resource(
        pages(url),
        name="users",
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        columns=columns,
        file_format="csv",
        max_table_nesting=0,
    )
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=os.path.join(os.getcwd(), "peer"),
        destination=dlt.destinations.postgres(database),
        dataset_name="peer",
    )
    pipeline.run(users).raise_on_failed_jobs()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
