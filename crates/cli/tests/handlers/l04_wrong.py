"""Moves the cursor with each page, and counts on within what it selects."""

from shop import answer, get


def handler(request, context):
    since, offset = request["state"].get("since", ""), request["state"].get("offset", 0)
    page = get(request, "/orders", since=since, offset=offset, limit=4)
    orders = page["data"]
    if not orders:
        return answer({"since": since, "offset": 0})
    since = orders[-1]["updated_at"]
    offset = offset + len(orders) if page["has_more"] else 0
    return answer({"since": since, "offset": offset}, orders, page["has_more"])
