"""`python -m fairlead_operator`: read the settings, run until a signal. The composition root."""

import gc
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import uvloop

from fairlead_operator import logs
from fairlead_operator.cache.records import CachedResource
from fairlead_operator.controller import class_file
from fairlead_operator.controller.manager import Operator
from fairlead_operator.settings import Settings
from fairlead_operator.supervisor import supervise

LOG = logging.getLogger(__name__)
# One answer of the API server makes more objects than Python's own threshold has (700), and passes leave few cycles.
YOUNG_OBJECTS = 20_000


def main() -> None:
    """Exit with 2, and the reason on standard error, when a setting or the class file cannot be read."""
    try:
        settings, only_class = _configuration()
    except ValueError as error:
        sys.stderr.write(f"fairlead-operator: {error}\n")
        sys.exit(2)

    LOG.info("the operator starts", extra={"version": version("fairlead"), "kopf": version("kopf")})
    gc.freeze()  # what the start made lives as long as the process
    gc.set_threshold(YOUNG_OBJECTS)

    async def run() -> None:
        await Operator(settings, only_class=only_class).run()

    uvloop.run(supervise(run))


def _configuration() -> tuple[Settings, CachedResource | None]:
    """All that is read once, before anything runs; ValueError names the variable."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    return settings, class_file.read(Path(settings.class_file)) if settings.class_file else None


if __name__ == "__main__":
    main()
