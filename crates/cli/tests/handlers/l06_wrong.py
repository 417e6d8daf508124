"""Reads everything in each call, and sends a part of it."""

from shop import answer, get

ORDERS_A_PAGE = 6


def handler(request, context):
    part = request["state"].get("part", 0)
    orders = get(request, "/orders")["data"]
    page = orders[part * ORDERS_A_PAGE : (part + 1) * ORDERS_A_PAGE]
    has_more = (part + 1) * ORDERS_A_PAGE < len(orders)
    return answer({"part": part + 1 if has_more else 0}, page, has_more, softDelete=["orders"])
