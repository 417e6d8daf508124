"""Takes a page that it has seen for the end."""

from shop import answer, get


def handler(request, context):
    if request["state"].get("done"):
        return answer(request["state"])
    token, orders, seen = "0", [], set()
    while token is not None and token not in seen:
        seen.add(token)
        page = get(request, "/tokens", token=token)
        orders += page["data"]
        token = page["next"]
    return answer({"done": True}, orders)
