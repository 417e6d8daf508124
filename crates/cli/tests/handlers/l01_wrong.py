"""The position grows by 1 a call, and stays where it ended."""

from shop import answer, get


def handler(request, context):
    offset = request["state"].get("offset", 0)
    page = get(request, "/orders", offset=offset, limit=5)["data"]
    return answer({"offset": offset + 1}, page, has_more=len(page) == 5)
