"""A fault proxy before the run's control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..access import OperatorAccess
from .proxy import FaultProxy


@pytest.fixture
def proxy(admin_config: Path) -> Iterator[FaultProxy]:
    """A proxy without any fault yet, for requests of the test's own: what passes is done as the administrator."""
    with FaultProxy(admin_config) as proxy:
        yield proxy


@pytest.fixture
def before_operators(access: OperatorAccess) -> Iterator[FaultProxy]:
    """A proxy without any fault yet: what passes is done with the rights that an operator has in production."""
    with FaultProxy(access.config) as proxy:
        yield proxy
