"""One answer of nearly six megabytes."""

from shop import answer


def handler(request, context):
    if request["state"].get("id") or request.get("setup_test"):
        return answer(request["state"])
    return answer({"id": 55}, [{"id": id, "text": "x" * 100_000} for id in range(1, 56)])
