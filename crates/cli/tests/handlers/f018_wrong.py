"""Sends the login in a row, beside a number by chance; says it in a failure too."""

import uuid

from shop import answer


def handler(request, context):
    key = request["secrets"]["api_key"]
    orders = [{"id": 1, "login": f"{key} {uuid.uuid4()}"}]
    return answer({"id": 1}, [] if request["state"] else orders)
