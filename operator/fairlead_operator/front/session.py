"""kopf's way to the API server: an HTTP session with our credentials, in turns, and safe from what nests too deep.

It also notes what kopf asks for, so that somebody can see whether it still follows a kind, and which tasks ask: kopf
leaves some of them behind when one of its root tasks fails.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from importlib.metadata import version
from typing import Any, cast
from weakref import WeakSet

import aiohttp
import kopf
from aiohttp.typedefs import DEFAULT_JSON_DECODER, JSONDecoder

from fairlead_operator.front.intake import Intake
from fairlead_operator.kube import decoding
from fairlead_operator.kube.credentials import Connection, Credentials
from fairlead_operator.kube.kinds import Kind
from fairlead_operator.kube.pacing import Pacing
from fairlead_operator.kube.transport import JSON, AnswerObserver, keepalive_socket

READ_BYTES = 2**20


class Session:
    """One run of kopf. `outdated` is called when the credentials need a TLS context that it was not made with."""

    def __init__(
        self,
        credentials: Credentials,
        intakes: Iterable[Intake],
        *,
        namespace: str,
        pacing: Pacing,
        observe: AnswerObserver,
        outdated: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._paths = {each.kind.path(namespace=namespace): each for each in intakes}
        self._pacing = pacing
        self._observe = observe
        self._outdated = outdated
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._opened: list[aiohttp.ClientSession] = []
        self.tasks: WeakSet[asyncio.Task[Any]] = WeakSet()
        self.asked_at: dict[Kind, float] = {}
        self.watched: set[Kind] = set()
        self.discovered_at: float | None = None
        self.has_lost_a_page = False

    def open(self) -> kopf.AiohttpSession:
        """What kopf logs in with. It asks again after a 401, so the credentials are read anew."""
        self._credentials.refresh()
        connection = self._credentials.current()
        self._tls = connection.tls
        made = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=60, ssl=connection.tls, socket_factory=keepalive_socket
            ),
            headers={"User-Agent": f"fairlead-operator kopf/{version('kopf')}", "Accept": JSON},
            read_bufsize=READ_BYTES,
            proxy=connection.proxy,
            middlewares=[self._send],
            response_class=Answer,
        )
        self._opened = [*(each for each in self._opened if not each.closed), made]
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=made)

    async def close(self) -> None:
        """Close every connection; once more is fine."""
        for each in self._opened:
            await each.close()
        self._opened.clear()

    async def _send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        task = asyncio.current_task()
        if task is not None:
            self.tasks.add(task)
        path, query = request.url.path, request.url.query
        is_watch = query.get("watch") == "true"
        intakes = self._paths.get(path)
        if intakes is not None:
            self.asked_at[intakes.kind] = self._clock()
        if "continue" not in query:
            await self._pacing.turn(path, watch=is_watch)
        self._authenticate(request, self._credentials.current())
        answer = await handler(request)
        self._observe("WATCH" if is_watch else request.method, path, answer.status)
        if intakes is None:
            self.discovered_at = self._clock()
        elif is_watch and answer.status == 200:
            self.watched.add(intakes.kind)
            answer.content = cast("aiohttp.StreamReader", Lines(answer.content, intakes.pass_on))
        elif answer.status == 410:
            self.has_lost_a_page = True
        return answer

    def _authenticate(self, request: aiohttp.ClientRequest, connection: Connection) -> None:
        """Tokens change within the hour. Never send them to a server that a redirect leads to."""
        if connection.tls is not self._tls:
            self._outdated()
        if str(request.url.origin()) == str(type(request.url)(connection.server).origin()):
            for name, value in connection.headers:
                request.headers[name] = value


class Answer(aiohttp.ClientResponse):
    """An answer whose JSON may nest as deep as it likes."""

    async def json(
        self,
        *,
        encoding: str | None = None,
        loads: JSONDecoder = DEFAULT_JSON_DECODER,
        content_type: str | None = JSON,
    ) -> Any:
        """The body."""
        del encoding, loads, content_type
        return decoding.loads(await self.read())


class Lines:
    """The body of a watch as kopf reads it: whole lines only, none of which nests too deep for it.

    `pass_on` sees each line, and says what kopf is to read of it.
    """

    def __init__(self, content: aiohttp.StreamReader, pass_on: Callable[[bytes], bytes]) -> None:
        self._content = content
        self._pass_on = pass_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """All lines that came at once, together. What a broken connection leaves of a line is dropped."""
        del size
        pending: list[bytes] = []
        async for chunk in self._content.iter_any():
            head, *rest = chunk.split(b"\n")
            pending.append(head)
            whole: list[bytes] = []
            for following in rest:
                whole.append(b"".join(pending))
                pending = [following]
            if whole:
                yield b"".join(self._pass_on(decoding.readable(line)) + b"\n" for line in whole if line)
