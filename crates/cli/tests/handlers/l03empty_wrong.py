"""Takes a page without rows for the last one."""

from shop import answer, get


def handler(request, context):
    state = request["state"]
    if "token" in state and state["token"] is None:
        return answer(state)
    page = get(request, "/tokens", token=state.get("token", 0))
    if not page["data"]:
        return answer({"token": None})
    return answer({"token": page["next"]}, page["data"], has_more=page["next"] is not None)
