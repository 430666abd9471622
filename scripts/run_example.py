"""Serve examples/orders.yaml together with the payments service that its handler calls.

Both run in sessions of their own, so that Ctrl-C reaches only this script, which passes it on to `fairlead run`:
draining still needs payments, which is stopped afterwards. Arguments go to `fairlead run`.
"""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

EXAMPLES = Path("examples")
START_SECONDS = 20.0


def main() -> int:
    port = free_port()
    payments = subprocess.Popen([sys.executable, EXAMPLES / "payments.py", "--port", str(port)], start_new_session=True)
    try:
        wait_for(payments, port)
        return serve(port, sys.argv[1:])
    finally:
        payments.terminate()
        payments.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(payments: "subprocess.Popen[bytes]", port: int) -> None:
    """Return when payments answers; exit when it has ended or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and payments.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("examples/payments.py did not start")


def serve(payments_port: int, arguments: list[str]) -> int:
    """Run `fairlead run` until it ends. Signals are its business: each is passed on once, never acted on here."""
    command = [sys.executable, "-m", "fairlead_cli", "run", "-f", str(EXAMPLES / "orders.yaml")]
    command += ["--service", f"payments=http://127.0.0.1:{payments_port}", *arguments]
    fairlead = subprocess.Popen(command, start_new_session=True)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        fairlead.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    code = fairlead.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
