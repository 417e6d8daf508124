"""Stops after three pages of its API, and moves on."""

from shop import answer, get

PAGES_MAX = 3


def handler(request, context):
    since, orders, offset = request["state"].get("since", ""), [], 0
    for _ in range(PAGES_MAX):
        page = get(request, "/orders", since=since, offset=offset, limit=5)
        orders += page["data"]
        offset += 5
        if not page["has_more"]:
            break
    if not orders:
        return answer(request["state"])
    return answer({"since": "2024-01-31T00:00:00Z"}, orders)
