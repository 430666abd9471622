"""Names in a datastore that bounds them."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.stores.postgresql.dialect import DIALECT, schema_name

LIMIT = 63
names = st.text(max_size=80) | st.sampled_from(["a" * 63, "a" * 64, "ä" * 40, "_own", "ctid", "", "a\0b", "\ud800"])


@given(st.lists(names, max_size=12, unique=True))
def test_names_fit_and_differ_whatever_they_are(wanted: list[str]) -> None:
    taken: list[str] = []
    for name in wanted:
        taken.append(DIALECT.name(name, taken))
    assert len({*taken}) == len(wanted)
    for name in taken:
        assert 0 < len(name.encode()) <= LIMIT
        assert not name.startswith("_")
        assert "\0" not in name
        assert name != "ctid"


def test_a_name_that_fits_stays() -> None:
    for name in ("order", "Größe", "a b", 'a"b', "a" * 63):
        assert DIALECT.name(name, ["other"]) == name


def test_a_long_name_keeps_its_beginning_and_depends_on_nothing_else() -> None:
    long = "customer" * 10
    assert DIALECT.name(long, []) == DIALECT.name(long, ["x"])
    assert DIALECT.name(long, []).startswith("customercustomer")


def test_schemas_of_two_services_never_meet() -> None:
    long = "n" * 40
    found = [
        schema_name("shop", "orders"),
        schema_name("shop-orders", "orders"),
        schema_name("shop", "orders-orders"),
        schema_name("a" * 63, long),
        schema_name("a" * 63, long + "x"),
        schema_name("", "orders"),
    ]
    assert found[0] == "shop_orders"
    assert found[-1] == "orders"
    assert len({*found}) == len(found)
    assert max(map(len, found)) <= LIMIT
