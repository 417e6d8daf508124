"""Asks for what is newer than the state says; the newest order comes again."""

from shop import answer, get


def handler(request, context):
    since = request["state"].get("since", "2024-01-01T00:05:00Z")
    orders = get(request, "/orders", since=since, inclusive=1)["data"]
    return answer({"since": orders[-1]["updated_at"]}, orders)
