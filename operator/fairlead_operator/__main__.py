"""`python -m fairlead_operator`: read the settings, run until a signal. The only place that wires."""

import sys

import uvloop

from fairlead_operator import logs
from fairlead_operator.runtime import Operator
from fairlead_operator.settings import Settings
from fairlead_operator.supervisor import supervise


def main() -> None:
    """Exit with 2 when a setting cannot be read."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        sys.exit(f"fairlead-operator: {error}")
    logs.configure(settings.log_level)

    async def run() -> None:
        await Operator(settings).run()

    uvloop.run(supervise(run))


if __name__ == "__main__":
    main()
