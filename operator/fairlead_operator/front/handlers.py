"""All that is registered with kopf: start-up, login, clean-up, and an event handler for each of our kinds."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import kopf

from fairlead_operator.front.intake import Intake

LOGIN_AGAIN_SECONDS = 5.0
BULKY = ("spec", "status")


def registry(
    intakes: Iterable[Intake],
    *,
    configure: Callable[[kopf.OperatorSettings], None],
    login: Callable[[], kopf.AiohttpSession],
    close: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """A registry of its own: kopf's default one belongs to the process."""
    made = kopf.OperatorRegistry()

    @kopf.on.startup(registry=made, id="start-up")
    async def start_up(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)

    @kopf.on.login(registry=made, id="login", backoff=LOGIN_AGAIN_SECONDS)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return login()

    @kopf.on.cleanup(registry=made, id="clean-up")
    async def clean_up(**_: Any) -> None:
        await close()

    for each in intakes:
        _follow(made, each)
    return made


def _follow(registry: kopf.OperatorRegistry, intakes: Intake) -> None:
    kind = intakes.kind

    @kopf.on.event(group=kind.group, version=kind.version, plural=kind.plural, id=kind.name, registry=registry)
    async def take(event: kopf.RawEvent, **_: Any) -> None:
        live: dict[str, Any] = event["object"]  # type: ignore[assignment]  # a plain dictionary
        intakes.take(event["type"], live)
        # kopf keeps what it showed for a while, each object apart, and we have what we need of it.
        for bulky in BULKY:
            live.pop(bulky, None)
        live["metadata"].pop("managedFields", None)
