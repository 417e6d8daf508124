"""What dlt costs: its REST source, tuned, reads the API of the benchmark into a DuckDB file by key.

dlt_rest.py URL DATABASE FOLDER   FOLDER keeps its state

Tuned: Parquet files between the steps, nothing nested becomes a table of its own, one process for each step, buffers
large enough for a page, the types known beforehand, and the cheaper of its two ways to merge.
"""
import os
import sys

url, database, folder = sys.argv[1:]
os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "EXTRACT__WORKERS": "1",
        "NORMALIZE__WORKERS": "1",
        "LOAD__WORKERS": "1",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
        "DLT_DATA_DIR": folder,
    }
)

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402

TIMES = ["created_at", "updated_at", "last_seen_at"]

source = rest_api_source(
    {
        "client": {
            "base_url": url,
            "paginator": {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None},
        },
        "resources": [
            {
                "name": "users",
                "primary_key": "id",
                "write_disposition": {"disposition": "merge", "strategy": "upsert"},
                "columns": {
                    **{name: {"data_type": "json"} for name in ["address", "tags"]},
                    **{name: {"data_type": "timestamp"} for name in TIMES},
                },
                "endpoint": {"path": "users", "params": {"per_page": 1000}, "data_selector": "data"},
            }
        ],
    }
)
source.max_table_nesting = 0
destination = dlt.destinations.duckdb(database)
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="bench", pipelines_dir=folder)
pipeline.run(source, loader_file_format="parquet")
