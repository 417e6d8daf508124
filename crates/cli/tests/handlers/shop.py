"""A small shop's API, as the handlers of these tests ask it."""

import json
import urllib.error
import urllib.parse
import urllib.request


def get(request, path, **parameters):
    url = request["customPayload"]["base_url"] + path
    if parameters:
        url += "?" + urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def answer(state, orders=(), has_more=False, key=("id",), **more):
    schema = {"orders": {"primary_key": list(key)}} if key else {}
    return {"state": state, "insert": {"orders": list(orders)}, "schema": schema, "hasMore": has_more, **more}
