"""Prints its request, and keeps the login in the state."""

from shop import answer, get


def handler(request, context):
    print("called with", request)
    since = request["state"].get("since", "")
    orders = get(request, "/orders", since=since)["data"]
    newest = max([since] + [order["updated_at"] for order in orders])
    return answer({"since": newest, "login": request["secrets"]["api_key"]}, orders)
