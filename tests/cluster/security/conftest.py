"""The operator with its own rights, the kubelet's part, and helm: all as in the neighbouring folders."""

from ..charts.conftest import helm, policies, shop
from ..operator.conftest import operator_config, recorder, simulator, start

__all__ = [
    "helm",
    "operator_config",
    "policies",
    "recorder",
    "shop",
    "simulator",
    "start",
]
