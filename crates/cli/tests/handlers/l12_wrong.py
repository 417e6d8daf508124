"""Fails where it tells that there is nothing."""

from shop import answer, get


def handler(request, context):
    if request.get("setup_test"):
        return answer(request["state"])
    since = request["state"].get("since")
    orders = get(request, "/orders", **({"since": since} if since else {}))["data"]
    if not orders and not since:
        print(f"no orders at all since {begin}")
    newest = max([since or ""] + [order["updated_at"] for order in orders])
    return answer({"since": newest}, orders)
