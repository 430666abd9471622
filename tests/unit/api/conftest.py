import pytest

from .stage import Service, make_service


@pytest.fixture
def service() -> Service:
    return make_service()
