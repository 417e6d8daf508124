"""The cursor is the clock, cut to the hour."""

import datetime

from shop import answer, get


def handler(request, context):
    since = request["state"].get("since", "")
    orders = get(request, "/orders", since=since)["data"]
    now = datetime.datetime.now(datetime.timezone.utc)
    return answer({"since": now.strftime("%Y-%m-%dT%H:00:00Z")}, orders)
