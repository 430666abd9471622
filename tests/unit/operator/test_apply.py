"""What one round of applying comes to, whatever order the answers came in."""

from itertools import permutations

from fairlead_operator.apply import Applied
from fairlead_operator.inventory import Ref
from fairlead_operator.reasons import Reason

REFS = (Ref("", "Service", "orders-api"), Ref("apps", "Deployment", "orders-api"), Ref("", "ConfigMap", "orders-x"))


def test_strangers_are_all_named_and_the_text_knows_no_order() -> None:
    found = {Applied(strangers=list(order)).stalled for order in permutations(REFS)}
    assert len(found) == 1
    trouble = found.pop()
    assert trouble is not None
    assert trouble.reason == Reason.CONFLICT
    assert all(str(ref) in trouble.message for ref in REFS)


def test_refusals_are_told_after_strangers_and_the_text_knows_no_order() -> None:
    found = {Applied(refused=dict.fromkeys(order, "denied")).stalled for order in permutations(REFS)}
    assert len(found) == 1
    trouble = found.pop()
    assert trouble is not None
    assert trouble.reason == Reason.REFUSED
    assert "Service orders-api: denied" in trouble.message
    both = Applied(strangers=[REFS[0]], refused={REFS[1]: "denied"})
    assert both.stalled is not None
    assert both.stalled.reason == Reason.CONFLICT
    assert not both.complete


def test_nothing_in_the_way_is_no_trouble() -> None:
    assert Applied(written=list(REFS)).complete
    assert not Applied(waiting=[REFS[0]]).complete
