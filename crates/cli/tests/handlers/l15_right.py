"""The same in answers of a megabyte."""

from shop import answer


def handler(request, context):
    if request.get("setup_test"):
        return answer(request["state"])
    first = request["state"].get("id", 0)
    last = min(first + 10, 55)
    orders = [{"id": id, "text": "x" * 100_000} for id in range(first + 1, last + 1)]
    return answer({"id": last}, orders, has_more=last < 55)
