"""Copies the users of the Fivetran API Playground, those that changed since the last sync."""

import requests

BASE_URL = "http://127.0.0.1:5001"
PAGE_SIZE = 50
TIMEOUT_SECONDS = 30

session = requests.Session()


def lambda_handler(request, context):
    payload = request.get("customPayload", {})
    base_url = payload.get("base_url", BASE_URL).rstrip("/")
    page_size = int(payload.get("page_size", PAGE_SIZE))
    if request.get("setup_test"):
        fetch(base_url, per_page=1)
        return answer(request["state"])

    cursor = request["state"].get("cursor")
    position = request["state"].get("position", cursor)
    until = request["state"].get("until") or newest_change(base_url)
    if until is None:
        return answer(request["state"])

    page = fetch(base_url, per_page=page_size, order_type="asc", updated_since=position)
    users = [user for user in page["data"] if user["updatedAt"] <= until]
    window_goes_on = page["total_pages"] > 1 and len(users) == len(page["data"])
    if not window_goes_on:
        return answer({"cursor": until}, users)

    reached = users[-1]["updatedAt"]
    if reached == position:
        raise RuntimeError(f"more than {page_size} users changed at {reached}: raise page_size")
    state = {"position": reached, "until": until}
    if cursor:
        state["cursor"] = cursor
    return answer(state, users, has_more=True)


def newest_change(base_url):
    """The upper bound of this sync, or None while there are no users."""
    newest = fetch(base_url, per_page=1, order_type="desc")["data"]
    return newest[0]["updatedAt"] if newest else None


def fetch(base_url, **parameters):
    """One page of users, ordered by their last change; `updated_since` includes its own second."""
    url = f"{base_url}/pagination/page_number"
    parameters["order_by"] = "updatedAt"
    response = session.get(url, params=parameters, timeout=TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.json()


def answer(state, users=(), has_more=False):
    return {
        "state": state,
        "insert": {"users": list(users)},
        "schema": {"users": {"primary_key": ["id"]}},
        "hasMore": has_more,
    }
