"""A process that has imported the operator and forks one whenever it is told to, so that each start is cheap.

Run as a script, by `process`. Orders come as lines of JSON on standard input, and each is answered by a line on
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
    """Obey until there are no more orders."""
    living: set[int] = set()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "start":
            pid = os.fork()
            if pid == 0:
                _operate(order)
            living.add(pid)
            answer: int | None = pid
        else:
            pid, status = os.waitpid(order["pid"], os.WNOHANG)
            living.discard(pid)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    for pid in living:
        os.kill(pid, signal.SIGKILL)


def _operate(order: dict[str, Any]) -> NoReturn:
    """Be an operator, to the end of this process."""
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for number in (1, 2):
            os.dup2(log, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        settings = Settings(**order["settings"])
        logs.configure(settings.log_level)
        uvloop.run(supervise(lambda: _run(settings, order["url"])))
    except BaseException:  # noqa: BLE001  # the copy of the zygote's own loop must never be reached
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


async def _run(settings: Settings, url: str) -> None:
    info = kopf.ConnectionInfo(server=url)
    await Operator(settings, credentials=Credentials(lambda: info, clock=time.monotonic)).run()


if __name__ == "__main__":
    main()
