"""Three pages of its API a call; the cursor moves with the last."""

from shop import answer, get

PAGES_MAX = 3


def handler(request, context):
    state = request["state"]
    since, offset, orders = state.get("since", ""), state.get("offset", 0), []
    newest = state.get("newest", since)
    for _ in range(PAGES_MAX):
        page = get(request, "/orders", since=since, offset=offset, limit=5)
        orders += page["data"]
        offset += 5
        if not page["has_more"]:
            newest = max([newest] + [order["updated_at"] for order in orders])
            return answer({"since": newest}, orders)
    newest = max([newest] + [order["updated_at"] for order in orders])
    return answer({"since": since, "offset": offset, "newest": newest}, orders, has_more=True)
