"""A stand-in for the payments service that the orders example calls: POST /charge and POST /refund.

It keeps every answer under its Idempotency-Key, so that a repeated request gets the first answer and charges nothing
twice. A charge for more than 100 pieces is declined with 402: the order's handler then rejects the order. Nothing is
stored; run it with `python examples/payments.py --port 9000`.
"""

import argparse
import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

MAX_QUANTITY = 100

answers: dict[str, tuple[int, dict[str, Any]]] = {}  # by path and Idempotency-Key


async def charge(request: Request) -> JSONResponse:
    """Charge an order: 200, or 402 when it is declined."""
    return await answer_once(request, decide_charge)


async def refund(request: Request) -> JSONResponse:
    """Refund an order: 200, also when it was never charged."""
    return await answer_once(request, decide_refund)


async def answer_once(request: Request, decide: Any) -> JSONResponse:
    """The answer to this Idempotency-Key: the kept one, or a new one by `decide`."""
    key = request.headers.get("idempotency-key", "").strip('"')
    if not key:
        return JSONResponse({"error": "the header Idempotency-Key is missing"}, 400)
    try:
        order = await request.json()
    except ValueError:
        return JSONResponse({"error": "the body is not JSON"}, 400)
    if not isinstance(order, dict) or not isinstance(order.get("quantity"), int):
        return JSONResponse({"error": "the body has no integer `quantity`"}, 422)
    place = f"{request.url.path} {key}"
    repeated = place in answers
    status, body = answers.setdefault(place, decide(order))
    log(f"{request.url.path:<8} order {order.get('id', '?')} -> {status} {body['result']}{' (repeated)' * repeated}")
    return JSONResponse(body, status)


def decide_charge(order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if order["quantity"] > MAX_QUANTITY:
        return 402, {"result": "declined", "error": f"more than {MAX_QUANTITY} pieces"}
    return 200, {"result": "charged", "quantity": order["quantity"]}


def decide_refund(order: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"result": "refunded", "quantity": order["quantity"]}


def log(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} payments  {message}", flush=True)  # noqa: T201 - its output is its log


app = Starlette(routes=[Route("/charge", charge, methods=["POST"]), Route("/refund", refund, methods=["POST"])])


def main() -> None:
    parser = argparse.ArgumentParser(description="A payments service for the orders example.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="port to listen on (default: %(default)s)")
    options = parser.parse_args()
    log(f"on http://{options.host}:{options.port}; more than {MAX_QUANTITY} pieces are declined")
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
