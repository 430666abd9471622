"""From a live ApiService to its plan, or to the reason why there is none. Remembers recent plans, logs defects."""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fairlead_contract.resources import ApiService, ApiServiceClass
from fairlead_operator import classes, plan
from fairlead_operator.cluster.reading import depth
from fairlead_operator.intent import Wanted
from fairlead_operator.plan import Capabilities, Child, Plan, Stage
from fairlead_operator.reasons import Reason, Trouble

LOG = logging.getLogger(__name__)
REMEMBERED = 256
# Schemas of people are far flatter; parsers and validators end at a few hundred levels.
DEEPEST = 64
Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Prepared:
    """What is to be done for one resource. `refused` is set when it must not be done."""

    class_name: str
    plan: Plan
    wanted: Mapping[Stage, tuple[Wanted, ...]]
    teardown: tuple[Child, ...]
    embedded: bool
    image: str
    most_rollouts: int
    refused: Trouble | None = None


class Preparer:
    """Plans, with the last few remembered: one change leads to several passes."""

    def __init__(self, *, image: str) -> None:
        self._image = image
        self._recent: OrderedDict[tuple[object, ...], Prepared] = OrderedDict()

    def prepare(
        self, resource: Manifest, available: Mapping[str, Manifest], capabilities: Capabilities
    ) -> Prepared | Trouble:
        """The plan of `resource` in its class; a Trouble when not even a plan can be made."""
        chosen = classes.choose(resource, available)
        if isinstance(chosen, Trouble):
            return chosen
        name, class_manifest = chosen
        metadata = resource["metadata"]
        version = class_manifest["metadata"]["resourceVersion"] if class_manifest else ""
        key = (metadata["uid"], metadata["generation"], name, version, capabilities)
        if key not in self._recent:
            if depth(resource["spec"]) > DEEPEST:
                return Trouble(
                    Reason.INVALID_SPEC, f"spec nests deeper than {DEEPEST} levels; make its schemas flatter"
                )
            try:
                self._recent[key] = self._make(resource, name, class_manifest, capabilities)
            except ValidationError as error:
                return Trouble(Reason.INVALID_SPEC, _first(error))
            except Exception as defect:  # outermost for a plan: its author has to know, and may still delete it
                LOG.exception("the plan met a defect")
                return Trouble(Reason.PLAN_FAILED, _defect(defect))
        self._recent.move_to_end(key)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return self._recent[key]

    def _make(
        self, resource: Manifest, class_name: str, class_manifest: Manifest | None, capabilities: Capabilities
    ) -> Prepared:
        parsed = ApiService.model_validate({key: value for key, value in resource.items() if key != "status"})
        class_ = plan.BUILT_IN_CLASS
        if class_manifest is not None:
            class_ = ApiServiceClass.model_validate(class_manifest)
        metadata = resource["metadata"]
        made = plan.plan(
            parsed,
            class_,
            capabilities=capabilities,
            image=self._image,
            generation=metadata["generation"],
            uid=metadata["uid"],
        )
        asked = parsed.spec.runtime.image if parsed.spec.runtime else None
        return Prepared(
            class_name=class_name,
            plan=made,
            wanted={
                stage: tuple(Wanted.of(child.manifest) for child in made.children if child.stage is stage)
                for stage in Stage
            },
            teardown=plan.teardown(parsed, class_, image=self._image),
            embedded=parsed.spec.datastore.type == "SQLite",
            image=asked or class_.spec.runtime.image or self._image,
            most_rollouts=class_.spec.rollout.max_concurrent,
            refused=_refusal(plan.violations(parsed, class_)),
        )


def _refusal(violations: tuple[plan.Violation, ...]) -> Trouble | None:
    if not violations:
        return None
    text = "; ".join(f"{each.path}: {each.message}" for each in violations[:5])
    too_large = violations[0].reason == Reason.DOCUMENT_TOO_LARGE
    return Trouble(Reason.DOCUMENT_TOO_LARGE if too_large else Reason.CLASS_LIMITS, text)


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']}; mend it, or upgrade the operator if the field is new"


def _defect(error: Exception) -> str:
    kind = type(error).__name__
    return f"a defect of the operator ({kind}; its log has the details): go back to the spec before, or upgrade it"
