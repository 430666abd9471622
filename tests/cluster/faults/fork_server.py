"""A process that has imported the operator and forks one on request, so that each start is cheap.

Run as a script, by `process`. Requests come as lines of JSON on standard input, and each is answered by a line on
standard output. It ends with its standard input, and so do the operators it started.
"""

import gc
import json
import os
import signal
import sys
import time
import traceback
from typing import Any, NoReturn

import kopf
import uvloop

from fairlead_operator import logs
from fairlead_operator.controller.manager import Operator
from fairlead_operator.kube.credentials import Credentials
from fairlead_operator.settings import Settings
from fairlead_operator.supervisor import supervise


def main() -> None:
    """Serve until there are no more requests."""
    running: set[int] = set()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            pid = os.fork()
            if pid == 0:
                _operate(request)
            running.add(pid)
            answer: int | None = pid
        else:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            running.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _operate(request: dict[str, Any]) -> NoReturn:
    """Run an operator until the end of this process."""
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for number in (1, 2):
            os.dup2(log, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        settings = Settings(**request["settings"])
        logs.configure(settings.log_level)
        uvloop.run(supervise(lambda: _run(settings, request["url"])))
    except BaseException:  # noqa: BLE001  # the copy of the fork server's own loop must never be reached
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


async def _run(settings: Settings, url: str) -> None:
    info = kopf.ConnectionInfo(server=url)
    await Operator(settings, credentials=Credentials(lambda: info, clock=time.monotonic)).run()


if __name__ == "__main__":
    main()
