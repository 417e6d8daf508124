"""The position grows by the rows sent, and begins again when all were."""

from shop import answer, get


def handler(request, context):
    offset = request["state"].get("offset", 0)
    page = get(request, "/orders", offset=offset, limit=5)["data"]
    has_more = len(page) == 5
    return answer(
        {"offset": offset + len(page) if has_more else 0}, page, has_more, softDelete=["orders"]
    )
