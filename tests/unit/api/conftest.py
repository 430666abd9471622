from collections.abc import AsyncIterator

import pytest

from .stage import Service, open_service


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with open_service() as service:
        yield service
