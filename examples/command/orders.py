#!/usr/bin/env python3
"""Copies orders.csv, a file that only grows, from the order after the last one sent."""

import csv
import json
import sys
from pathlib import Path

ORDERS = Path(__file__).with_name("orders.csv")
ORDERS_A_PAGE = 3


def main():
    request = json.load(sys.stdin)
    last_sent = request["state"].get("order_id", 0)
    with ORDERS.open(newline="") as file:
        waiting = [order for order in csv.DictReader(file) if int(order["order_id"]) > last_sent]
    page = [] if request.get("setup_test") else waiting[:ORDERS_A_PAGE]
    for order in page:
        order["order_id"] = int(order["order_id"])
    print(f"{len(page)} of {len(waiting)} orders after {last_sent}", file=sys.stderr)
    json.dump(
        {
            "state": {"order_id": page[-1]["order_id"] if page else last_sent},
            "insert": {"orders": page},
            "schema": {"orders": {"primary_key": ["order_id"]}},
            "hasMore": len(page) < len(waiting) and bool(page),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
