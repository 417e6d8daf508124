"""Fails where its API leads in a circle."""

from shop import answer, get


def handler(request, context):
    if request["state"].get("done"):
        return answer(request["state"])
    token, orders, seen = "0", [], set()
    while token is not None:
        if token in seen:
            raise RuntimeError("the API names a page again")
        seen.add(token)
        page = get(request, "/tokens", token=token)
        orders += page["data"]
        token = page["next"]
    return answer({"done": True}, orders)
