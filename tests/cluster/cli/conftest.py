"""The command line beside a running operator."""

from ..operator.conftest import (  # noqa: F401  # fixtures
    admin_config,
    make,
    operator,
    operator_account,
    operator_config,
    orders,
    simulator,
    start,
)
