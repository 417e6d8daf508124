"""The cursor is the newest order, from the first sync on."""

from shop import answer, get


def handler(request, context):
    since = request["state"].get("since", "")
    orders = get(request, "/orders", since=since)["data"]
    return answer({"since": max([since] + [order["updated_at"] for order in orders])}, orders)
