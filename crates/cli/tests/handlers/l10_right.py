"""Counts within a window whose end is that of its first page."""

from shop import answer, get

UNTIL = 30


def handler(request, context):
    offset, until = request["state"].get("offset", 0), request["state"].get("until", UNTIL)
    page = get(request, "/newest-first", offset=offset, limit=5, until=until)
    has_more = page["has_more"]
    state = {"offset": offset + 5, "until": until} if has_more else {}
    return answer(state, page["data"], has_more, softDelete=["orders"])
