"""Copies a small inventory, all of it every time; what is gone from it is marked as deleted."""

import functions_framework

INVENTORY = [
    {"sku": "A-100", "name": "Lamp", "stock": 12, "price": {"amount": 39.5, "currency": "EUR"}},
    {"sku": "A-200", "name": "Chair", "stock": 0, "price": {"amount": 129, "currency": "EUR"}},
    {"sku": "B-100", "name": "Desk", "stock": 3, "price": {"amount": 349, "currency": "EUR"}},
]
PRODUCTS_A_PAGE = 2


@functions_framework.http
def inventory(request):
    body = request.get_json()
    if not body["secrets"].get("apiToken"):
        return {"errorMessage": "the secret apiToken is missing", "errorType": "Setup"}, 400
    if body.get("setup_test"):
        return answer(body["state"], [], has_more=False)

    sent = body["state"].get("sent", 0)
    page = INVENTORY[sent : sent + PRODUCTS_A_PAGE]
    has_more = sent + len(page) < len(INVENTORY)
    # The next sync begins at the start again.
    return answer({"sent": sent + len(page) if has_more else 0}, page, has_more)


def answer(state, products, has_more):
    return {
        "state": state,
        "insert": {"inventory": products},
        "schema": {"inventory": {"primary_key": ["sku"]}},
        "softDelete": ["inventory"] if products else [],
        "hasMore": has_more,
    }
