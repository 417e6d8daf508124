"""Pages by the cursor alone, each page from the newest order of the one before."""

from shop import answer, get


def handler(request, context):
    since = request["state"].get("since", "")
    page = get(request, "/orders", since=since, limit=4)
    orders = page["data"]
    if not orders:
        return answer(request["state"])
    return answer({"since": orders[-1]["updated_at"]}, orders, page["has_more"])
