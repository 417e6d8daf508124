"""Prints how much there was; what it keeps for its pages is no login."""

from shop import answer, get


def handler(request, context):
    state = request["state"]
    page = get(request, "/tokens", token=state.get("next_token", ""))
    print(len(page["data"]), "orders")
    return answer({"next_token": page["next"]} if page["next"] else {}, page["data"], bool(page["next"]),
                  softDelete=["orders"])
