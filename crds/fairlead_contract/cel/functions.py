"""The functions of the API server's own CEL library that rules use, so that `lint` decides as the API server does.

A quantity and a range of addresses are the text that they are read from: rules only compare them.
"""

import ipaddress

from cel_expr_python import cel  # type: ignore[import-untyped]

from fairlead_contract.quantities import amount

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_BOOL, _INT, _STRING = cel.Type.BOOL, cel.Type.INT, cel.Type.STRING


def declarations() -> list[cel.FunctionDecl]:
    """All of them, for the environment of the rules."""
    return [
        _function("quantity", [_STRING], _STRING, lambda text: text),
        _member("isGreaterThan", [_STRING, _STRING], _BOOL, lambda one, other: amount(one) > amount(other)),
        _function("isCIDR", [_STRING], _BOOL, lambda text: _network(text) is not None),
        _function("cidr", [_STRING], _STRING, _canonical),
        _member("containsCIDR", [_STRING, _STRING], _BOOL, _contains),
        _member("masked", [_STRING], _STRING, lambda text: str(_network(text))),
        _member("prefixLength", [_STRING], _INT, lambda text: int(text.rpartition("/")[2])),
    ]


def _function(name: str, parameters: list[cel.Type], result: cel.Type, impl: object) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(name, result, parameters, impl=impl)])


def _member(name: str, parameters: list[cel.Type], result: cel.Type, impl: object) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(name, result, parameters, is_member=True, impl=impl)])


def _network(text: str) -> Network | None:
    """None for what is no range, and for an IPv4 address in the clothes of IPv6, which the API server refuses."""
    address, _, length = text.rpartition("/")
    is_plain = length.isdecimal() and length == str(int(length))  # no zeros in front
    try:
        network = ipaddress.ip_network(text, strict=False) if is_plain and address else None
    except ValueError:
        return None
    is_mapped = isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None
    return None if is_mapped else network


def _canonical(text: str) -> str:
    """The range as it is, in the one way to write it. Empty for what is none, which no rule asks about."""
    return str(ipaddress.ip_interface(text)) if _network(text) is not None else ""


def _contains(outer: str, inner: str) -> bool:
    one, other = _network(outer), _network(inner)
    if isinstance(one, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return other.subnet_of(one)
    if isinstance(one, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return other.subnet_of(one)
    return False
