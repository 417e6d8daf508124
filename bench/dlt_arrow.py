"""What dlt costs at its cheapest: pages of the benchmark's API, given to it as Arrow tables, land in Postgres by key.

dlt_arrow.py URL DATABASE FOLDER   FOLDER keeps its state

Arrow tables spare dlt the look at each value, which its REST source takes; objects and lists stay JSON texts, so that
there are no child tables; rows are loaded as CSV by COPY, the cheapest of its ways into Postgres, and merged by their
key.
"""
import json
import os
import sys
import urllib.request

url, database, folder = sys.argv[1:]
os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "100000",
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "false",
        "DLT_DATA_DIR": folder,
        # dlt wants one; the server of the benchmark does not.
        "DESTINATION__POSTGRES__CREDENTIALS__PASSWORD": "none",
    }
)

import dlt  # noqa: E402
import pyarrow  # noqa: E402
import pyarrow.compute  # noqa: E402

MOMENT = pyarrow.timestamp("us", tz="UTC")
MOMENTS = ("created_at", "updated_at", "last_seen_at")
NESTED = ("address", "tags")


def pages():
    number = 1
    while rows := json.load(urllib.request.urlopen(f"{url}/users?page={number}&per_page=1000"))["data"]:
        for row in rows:
            for name in NESTED:
                row[name] = json.dumps(row[name])
        table = pyarrow.Table.from_pylist(rows)
        for name in MOMENTS:
            moments = pyarrow.compute.cast(table.column(name), MOMENT)
            table = table.set_column(table.schema.get_field_index(name), name, moments)
        yield table
        number += 1


users = dlt.resource(
    pages(),
    name="users",
    primary_key="id",
    write_disposition={"disposition": "merge", "strategy": "upsert"},
    columns={name: {"data_type": "json"} for name in NESTED},
    file_format="csv",
    max_table_nesting=0,
)
destination = dlt.destinations.postgres(database)
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="bench", pipelines_dir=folder)
pipeline.run(users).raise_on_failed_jobs()
