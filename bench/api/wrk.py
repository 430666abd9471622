"""The load generator: the script it is given, and what it says at the end. Pure.

wrk counts every answer in its rate, errors too. The script therefore counts answers by status and keeps the first that
has another status than the case expects; `fault` finds whatever makes a run useless.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.errors import Failed

KEY = "@@KEY@@"  # in a request, stands for an Idempotency-Key that no other request has
BODY_BYTES = 2000  # kept of the first error answer
_MARK = "bench-result "
_AT_ONCE = 1000  # requests in one function of Lua, which has at most 65,536 constants

_SCRIPT = """
local requests, sent = {}, 0
statuses, first_status, first_body = {}, 0, ""

function init(args)
  for i, r in ipairs(REQUESTS) do
    local text = wrk.format(r.method, r.path, r.headers, r.body)
    local head, tail = text:match("^(.-)@@KEY@@(.*)$")
    requests[i] = {text, head, tail}
  end
end

function request()
  sent = sent + 1
  local r = requests[(sent - 1) % #requests + 1]
  if r[2] then return r[2] .. RUN .. string.format("%09d", sent) .. r[3] end
  return r[1]
end

function response(status, headers, body)
  statuses[status] = (statuses[status] or 0) + 1
  if status ~= EXPECTED and first_status == 0 then
    first_status, first_body = status, body:sub(1, BODY_BYTES)
  end
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency, requests)
  local parts, e, t = {}, summary.errors, threads[1]
  for status, count in pairs(t:get("statuses")) do table.insert(parts, string.format('"%d":%d', status, count)) end
  local body = t:get("first_body"):gsub(".", function(c) return string.format("%02x", c:byte()) end)
  io.write(string.format(
    'bench-result {"microseconds":%d,"answers":%d,"statuses":{%s},"first_status":%d,"first_body":"%s",' ..
    '"sockets":{"connect":%d,"read":%d,"write":%d,"timeout":%d},"p99_microseconds":%d}\\n',
    summary.duration, summary.requests, table.concat(parts, ","), t:get("first_status"), body,
    e.connect, e.read, e.write, e.timeout, latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. An Idempotency-Key of KEY becomes another one each time."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What wrk counted. `sockets` are connections that failed, and answers that came after the time-out."""

    microseconds: int
    answers: int
    statuses: Mapping[int, int]
    first_status: int  # of the first unexpected answer; 0: there was none
    first_body: str
    sockets: Mapping[str, int]
    p99_microseconds: int


def script(requests: Sequence[Request], *, expects: int, run: str) -> str:
    """The script that sends `requests` in turn. `run` begins the keys of this run, and of no other."""
    parts = [_added(requests[start : start + _AT_ONCE]) for start in range(0, len(requests), _AT_ONCE)]
    head = f"local EXPECTED, BODY_BYTES, RUN = {expects}, {BODY_BYTES}, {_quoted(run)}\nlocal REQUESTS = {{}}\n"
    return head + "".join(parts) + _SCRIPT


def _added(requests: Sequence[Request]) -> str:
    """These requests, in a function of their own."""
    rows = "".join(f"  {_lua(request)},\n" for request in requests)
    return f"(function()\nfor _, r in ipairs({{\n{rows}}}) do table.insert(REQUESTS, r) end\nend)();\n"


def _lua(request: Request) -> str:
    headers = ", ".join(f"[ {_quoted(name)} ] = {_quoted(value)}" for name, value in request.headers.items())
    body = _quoted(request.body) if request.body else "nil"
    return f"{{method={_quoted(request.method)}, path={_quoted(request.path)}, headers={{{headers}}}, body={body}}}"


def _quoted(text: str) -> str:
    return f"[==[{text}]==]"


def parse(output: str) -> Result:
    """The result in what wrk printed. Raises Failed when there is none."""
    line = next((line for line in output.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise Failed(f"wrk printed no result:\n{output}")
    found = json.loads(line.removeprefix(_MARK))
    found["statuses"] = {int(status): count for status, count in found["statuses"].items()}
    found["first_body"] = bytes.fromhex(found["first_body"]).decode(errors="replace")
    return Result(**found)


def fault(result: Result, *, expects: int) -> str | None:
    """Why the run cannot be used; None when all went as expected."""
    counted = sum(result.statuses.values())
    unexpected = counted - result.statuses.get(expects, 0)
    if unexpected or any(result.sockets.values()):
        return _errors(result, expects)
    if not counted:
        return "no request was answered"
    if counted != result.answers:
        return f"wrk counted {result.answers} answers, its script {counted}"
    return None


def _errors(result: Result, expects: int) -> str:
    answers = ", ".join(f"{status} x {count:,}" for status, count in sorted(result.statuses.items())) or "none"
    sockets = ", ".join(f"{name} {count:,}" for name, count in result.sockets.items())
    lines = [f"expected only {expects}; answers by status: {answers}", f"socket errors: {sockets}"]
    if result.first_status:
        lines.append(f"the first unexpected answer: {result.first_status} {result.first_body}")
    return "\n".join(lines)
