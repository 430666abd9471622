"""The command line beside a running operator."""

from ..operator.conftest import (  # noqa: F401  # fixtures
    make,
    operator,
    operator_config,
    orders,
    simulator,
    start,
)
