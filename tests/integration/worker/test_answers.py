"""What becomes of the answers of called services: redirects, and bodies that are long, deep, odd or compressed."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager

import pytest

CHARGE = {
    "name": "charge",
    "call": {"service": {"name": "payments", "path": "/charge"}},
    "compensate": {"call": {"service": {"name": "payments", "path": "/refund"}}},
}


def handling(lab, *steps):
    lab.worker_spec = {"handlers": [{"event": "orders.created", "steps": list(steps)}]}
    return lab.open()


def redirect(status, location):
    return {"status": status, "headers": {} if location is None else {"location": location}}


REDIRECTS = {
    "to the same service": (307, "/charge/", " to /charge/, which is not followed; call that if it is meant"),
    "for good": (308, "/v2/charge", " to /v2/charge, which is not followed; call that if it is meant"),
    "relative": (301, "charge/", " to /charge/, which is not followed; call that if it is meant"),
    "with only a query": (301, "?a=b", " to /charge, which is not followed; call that if it is meant"),
    "with something private": (
        307,
        "https://me:password@login.example.com:8443/in?token=secret#secret",
        " to https://login.example.com:8443/in, which is not followed; call that if it is meant",
    ),
    "to nowhere": (307, None, ""),
    "to something that is no address": (307, "http://[", ""),
    "not modified": (304, None, ""),
    "choices": (300, None, ""),
}


@pytest.mark.parametrize("case", REDIRECTS)
async def test_a_redirect_is_not_followed_and_says_where_it_leads(lab, payments, case):
    status, location, said = REDIRECTS[case]
    handling(lab, CHARGE)
    payments.script(redirect(status, location))
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert (letter.failure.error_class, letter.failure.error_code) == ("Rejected", f"http-{status}")
    assert letter.failure.error_message == f"step charge: payments POST /charge: answered {status}{said}"
    assert [request.path for request in payments.requests] == ["/charge"]


async def test_a_long_location_is_cut(lab, payments):
    handling(lab, CHARGE)
    payments.script(redirect(307, "/" + 5000 * "x"))
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert len(letter.failure.error_message) < 400


@pytest.mark.parametrize("status", [302, 303])
async def test_a_redirect_that_may_mean_done_is_undone(lab, payments, status):
    handling(lab, CHARGE)
    payments.script(redirect(status, "/receipts/1"))
    await lab.create("a")
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/refund"]
    (letter,) = await lab.letters()
    assert letter.failure.error_code == f"http-{status}"


ODD_RETRY_AFTER = {
    "a year without end": "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "an offset without end": "Mon, 01 Jan 2024 00:00:00 +99999999999999",
    "a number without end": "9" * 500,
    "a negative number": "-5",
    "a number that is none": "\u00b2",
    "text": "in a while",
    "the first year": "Mon, 01 Jan 0001 00:00:00 GMT",
    "nothing": "",
}


@pytest.mark.parametrize("case", ODD_RETRY_AFTER)
async def test_a_retry_after_that_says_nothing_is_no_other_failure(lab, payments, case):
    lab.queue_spec["retry"] = {"maxAttempts": 1}
    handling(lab, CHARGE)
    payments.script({"status": 503, "headers": {"retry-after": ODD_RETRY_AFTER[case]}})
    await lab.create("a")
    await lab.settle()
    assert [request.path for request in payments.requests] == ["/charge", "/charge"]
    assert await lab.letters() == []


async def test_cookies_of_a_service_are_not_sent_back(lab, payments):
    handling(lab, CHARGE, {**CHARGE, "name": "ship"})
    payments.always(headers={"set-cookie": "session=of-one-customer; Path=/"})
    for id_ in ("a", "b"):
        await lab.create(id_)
        await lab.settle()
    assert len(payments.requests) == 4
    assert not [request for request in payments.requests if "cookie" in request.headers]


async def test_answers_are_asked_for_without_compression(lab, payments):
    handling(lab, CHARGE)
    await lab.create("a")
    await lab.settle()
    assert payments.requests[0].headers["accept-encoding"] == "identity"


def nested(depth):
    return "[" * depth + "]" * depth


def texts(characters):
    return json.dumps("x" * (characters - 2))


BODIES = {
    "nothing": (b"", "null"),
    "a text": (b"paid", "text"),
    "a JSON text": (b'"paid"', "text"),
    "64 KiB": (texts(65_536).encode(), "text"),
    "more than 64 KiB": (texts(65_537).encode(), "null"),
    "64 levels": (nested(64).encode(), "value"),
    "65 levels": (nested(65).encode(), "null"),
    "levels without end": (nested(30_000).encode(), "null"),
    "objects that are too deep": (b'{"a":' * 65 + b"1" + b"}" * 65, "null"),
    "U+0000 in a text": (b'"a\\u0000b"', "null"),
    "U+0000 deep in an object": (b'{"a": [{"b": "\\u0000"}]}', "null"),
    "U+0000 in a name": (b'{"\\u0000": 1}', "null"),
    "U+0000 in text that is no JSON": (b"a\0b", "null"),
    "an integer of more than 64 bit": (b'{"a": [9223372036854775808]}', "null"),
    "an integer of 64 bit": (b'{"a": [9223372036854775807, 1.5, true]}', "value"),
}
KIND = "results.charge.body == null ? 'null' : type(results.charge.body) == string ? 'text' : 'value'"


@asynccontextmanager
async def answering(content, *, headers=""):
    """A service that answers 200 with these bytes; gives its URL."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\nconnection: close\r\n{headers}\r\n".encode()
        )
        writer.write(content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def kept(lab, content, **options):
    async with answering(content, **options) as lab.payments.url:
        handling(lab, CHARGE, {"name": "note", "set": {"receipt": KIND}})
        await lab.create("a")
        await lab.settle()
        assert await lab.letters() == []
        return (await lab.document_of("a"))["receipt"]


@pytest.mark.parametrize("case", BODIES)
async def test_what_later_steps_cannot_use_is_null_and_no_failure(lab, case):
    content, expected = BODIES[case]
    assert await kept(lab, content) == expected


async def test_a_body_that_is_compressed_all_the_same_is_null(lab):
    bomb = gzip.compress(b'"' + b"x" * 1_000_000 + b'"')
    assert await kept(lab, bomb, headers="content-encoding: gzip\r\n") == "null"


async def test_headers_without_end_are_no_answer(lab, payments):
    lab.queue_spec["retry"] = {"maxAge": "10m"}
    handling(lab, {"name": "charge", "call": CHARGE["call"]})
    payments.always(headers={f"x-{number}": "x" * 1000 for number in range(200)})
    await lab.create("a")
    await lab.settle()
    (letter,) = await lab.letters()
    assert letter.failure.error_message.startswith("network: step charge: payments POST /charge: ")
