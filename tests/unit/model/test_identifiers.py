"""UUIDv7 and the ids of operations."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.model import identifiers, keys, operations
from fairlead_workload.model.operations import OperationIds, OperationRecord

SECRET = b"s" * 32
AT = 1_767_225_600.123


def test_a_uuid7_is_one_by_the_standard_library() -> None:
    value = identifiers.uuid7(lambda: AT)
    parsed = UUID(value)
    assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
    assert identifiers.is_uuid7(value)
    assert identifiers.created_at(parsed.bytes) == AT


def test_uuid7s_are_ordered_by_time_and_differ() -> None:
    made = [identifiers.uuid7(lambda at=at: AT + at) for at in range(50)]
    assert made == sorted(made)
    assert len({identifiers.uuid7(lambda: AT) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01985A5E-7A2B-7C3D-8E4F-5A6B7C8D9E0F",
        "01985a5e-7a2b-4c3d-8e4f-5a6b7c8d9e0f",
        "01985a5e-7a2b-7c3d-ce4f-5a6b7c8d9e0f",
        "01985a5e7a2b7c3d8e4f5a6b7c8d9e0f",
        "01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f\n",
        "{01985a5e-7a2b-7c3d-8e4f-5a6b7c8d9e0f}",
    ],
)
def test_what_is_no_uuid7(text: str) -> None:
    assert not identifiers.is_uuid7(text)


PATHS = st.text(min_size=1, max_size=60).map(lambda text: f"orders/{text.encode('utf-8', 'replace').hex()}")


@given(st.text(max_size=20), PATHS)
def test_an_operation_id_states_what_went_in(principal: str, path: str) -> None:
    uuid = identifiers.uuid7_bytes(lambda: AT)
    try:
        id_ = OperationIds(SECRET).mint(uuid, principal=principal, path=path)
    except UnicodeEncodeError:
        return  # a principal with a lone surrogate cannot come from a token
    ref = OperationIds(SECRET).read(id_, principal=principal)
    assert ref is not None
    assert (ref.uuid, ref.path, ref.created_at) == (identifiers.text(uuid), path, AT)


def minted(path: str = "orders/1", principal: str = "ada") -> str:
    return OperationIds(SECRET).mint(identifiers.uuid7_bytes(), principal=principal, path=path)


def test_an_id_of_another_principal_or_secret_is_unknown() -> None:
    id_ = minted()
    assert OperationIds(SECRET).read(id_, principal="bob") is None
    assert OperationIds(b"t" * 32).read(id_, principal="ada") is None


def test_every_changed_byte_makes_an_id_unknown() -> None:
    id_ = minted()
    raw = urlsafe_b64decode(id_ + "=" * (-len(id_) % 4))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        text = urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode()
        assert OperationIds(SECRET).read(text, principal="ada") is None


def test_an_id_has_one_spelling() -> None:
    id_ = minted()
    for other in (id_ + "=", id_ + "==", " " + id_, id_ + "\n", id_[:-1], id_ + "A", ""):
        assert OperationIds(SECRET).read(other, principal="ada") is None


@given(st.text(max_size=40))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert OperationIds(SECRET).read(text, principal="ada") is None


def test_principal_and_path_cannot_be_shifted_into_each_other() -> None:
    uuid = identifiers.uuid7_bytes()
    first = OperationIds(SECRET).mint(uuid, principal="ab", path="c/1")
    second = OperationIds(SECRET).mint(uuid, principal="a", path="bc/1")
    assert first.split("/")[0] != second.split("/")[0]
    assert OperationIds(SECRET).read(first, principal="a") is None


def test_the_longest_key_has_an_operation_that_can_be_asked_for() -> None:
    longest = "ü" * 127 + "x"
    path = f"{'r' * 40}/{keys.path((longest, longest))}"
    id_ = minted(path)
    ref = OperationIds(SECRET).read(id_, principal="ada")
    assert ref is not None
    assert ref.path == path


def test_a_record_reads_back() -> None:
    record = OperationRecord("Failed", {"status": 422}, None, AT, "orders/1", dead_letter=True)
    assert operations.decode_record(operations.encode_record(record)) == record


def test_the_body_of_an_operation() -> None:
    body = operations.body("abc", "Pending", resource="/v1/orders/1", created_at=AT)
    assert body == {
        "id": "abc",
        "status": "Pending",
        "resource": "/v1/orders/1",
        "createdAt": "2026-01-01T00:00:00.123000Z",
    }
    assert operations.body("abc", "Failed", resource="/", created_at=AT, error={"status": 404})["error"] == {
        "status": 404
    }
