"""What a pass must not lose."""

from typing import Any

import pytest
from aiohttp import web

from fairlead_operator.cache.cache import ClusterCache
from fairlead_operator.cache.records import CachedResource, Name
from fairlead_operator.cache.store import Store
from fairlead_operator.plan import Capabilities
from fairlead_operator.reconcile.planner import Planner
from fairlead_operator.reconcile.reconciler import Reconciler
from fairlead_operator.reconcile.rollout_gate import Rollouts

from .server import serving

OWNER: Name = ("shop", "orders")
PAUSED = {"fairlead.dev/paused": "true"}


def resource(version: int, *, generation: int = 1, **metadata: Any) -> dict[str, Any]:
    """A live resource whose pass writes a status and nothing else."""
    named = {"name": "orders", "namespace": "shop", "uid": "u", "annotations": PAUSED}
    return {
        "metadata": named | {"resourceVersion": str(version), "generation": generation} | metadata,
        "spec": {"generation": generation},
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, [], id="nothing else: its own status is no news"),
        pytest.param({"generation": 2}, [2], id="an edit of the spec"),
        pytest.param({"annotations": PAUSED | {"fairlead.dev/reconcile-requested-at": "now"}}, [1], id="an annotation"),
        pytest.param({"deletionTimestamp": "2026-01-01T00:00:00Z"}, [1], id="the deletion"),
    ],
)
async def test_an_edit_that_the_answer_to_a_status_write_shows_first_is_not_lost(
    change: dict[str, Any], expected: list[int]
) -> None:
    reported: list[int] = []

    def changed(_: Name, before: CachedResource | None, after: CachedResource | None) -> None:
        if before is not None and after is not None:
            reported.append(after.content["metadata"]["generation"])

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.path.endswith("/orders/status")
        return web.json_response(resource(7, **change) | {"status": (await request.json())[1]["value"]})

    cache = ClusterCache(services=Store(changed))
    cache.services.put(OWNER, CachedResource.read(resource(5)))

    async def record_event(*_: Any) -> None:
        """Nobody listens."""

    async with serving(answer) as client:
        reconciler = Reconciler(
            client,
            cache,
            planner=Planner(image="image"),
            rollouts=Rollouts(cache, start=lambda name: None),
            capabilities=Capabilities,
            record_event=record_event,
            busy=lambda: False,
            clock=lambda: 0.0,
            now=lambda: "2026-01-01T00:00:00Z",
        )
        await reconciler.reconcile(OWNER)
    # The watch reports it again, at the same version, and that is no news any more.
    cache.services.put(OWNER, CachedResource.read(resource(7, **change)))
    assert reported == expected
