"""From a live ApiService to its plan, or to the reason why there is none.

Of each resource the last plan is remembered, for one change leads to several passes; without the manifests, which are
most of it, once they are written. Logs defects.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from fairlead_contract.findings import Severity
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_contract.validation.consistency import api_findings
from fairlead_contract.validation.rules import check
from fairlead_operator import plan
from fairlead_operator.cache.records import Name, name_of
from fairlead_operator.drift.desired import DesiredChild, Manifests
from fairlead_operator.kube.decoding import depth
from fairlead_operator.manifests import ReadOnlyManifest
from fairlead_operator.plan import Capabilities, Plan, Stage, classes
from fairlead_operator.reasons import ConditionDetail, Reason

LOG = logging.getLogger(__name__)
# Schemas of people are far flatter; parsers and validators end at a few hundred levels.
DEEPEST = 64


@dataclass(frozen=True)
class PreparedPlan:
    """What is to be done for one resource. `refused` is set when it must not be done.

    The `plan` is without its children: they are in `desired`, and their manifests in `manifests`.
    """

    class_name: str
    plan: Plan
    desired: Mapping[Stage, tuple[DesiredChild, ...]]
    manifests: Manifests
    embedded: bool
    image: str
    most_rollouts: int
    refused: ConditionDetail | None = None


@dataclass(frozen=True, slots=True)
class _PlanInput:
    """All that a plan is made from."""

    resource: ReadOnlyManifest
    class_name: str
    class_manifest: ReadOnlyManifest | None
    capabilities: Capabilities

    def key(self) -> tuple[object, ...]:
        """Equal for equal plans."""
        metadata = self.resource["metadata"]
        version = self.class_manifest["metadata"]["resourceVersion"] if self.class_manifest else ""
        return (metadata["uid"], metadata["generation"], self.class_name, version, self.capabilities)


class Planner:
    """Plans, and remembers the last one of each resource until `forget`."""

    def __init__(self, *, image: str, runbooks: str = plan.RUNBOOKS) -> None:
        self._image = image
        self._runbooks = runbooks
        self._known: dict[Name, tuple[tuple[object, ...], PreparedPlan]] = {}
        self._class_faults: dict[str, tuple[str, str]] = {}

    def prepare(
        self, resource: ReadOnlyManifest, available: Mapping[str, ReadOnlyManifest], capabilities: Capabilities
    ) -> PreparedPlan | ConditionDetail:
        """The plan of `resource` in its class; a ConditionDetail when no plan can be made."""
        chosen = classes.choose(resource, available)
        if isinstance(chosen, ConditionDetail):
            return chosen
        inputs = _PlanInput(resource, *chosen, capabilities)
        name, key = name_of(resource), inputs.key()
        known = self._known.get(name)
        prepared = known[1] if known is not None and known[0] == key else self._try(inputs)
        if isinstance(prepared, ConditionDetail):
            return prepared
        self._known[name] = key, prepared
        prepared.manifests.rebuild = lambda: self._manifests(inputs)
        return prepared

    def forget(self, owner: Name) -> None:
        """The resource is gone."""
        self._known.pop(owner, None)

    def teardown(
        self, resource: ReadOnlyManifest, available: Mapping[str, ReadOnlyManifest], capabilities: Capabilities
    ) -> list[dict[str, Any]] | ConditionDetail:
        """What deletes the resource's tables and queues; a ConditionDetail when there is no plan."""
        prepared, chosen = self.prepare(resource, available, capabilities), classes.choose(resource, available)
        if isinstance(prepared, ConditionDetail):
            return prepared
        if isinstance(chosen, ConditionDetail):
            return chosen
        prepared.manifests.keep(())
        parsed, class_ = _parsed(_PlanInput(resource, *chosen, capabilities))
        return [child.manifest for child in plan.teardown(parsed, class_, image=self._image)]

    def _try(self, inputs: _PlanInput) -> PreparedPlan | ConditionDetail:
        if depth(inputs.resource["spec"]) > DEEPEST:
            return ConditionDetail(
                Reason.INVALID_SPEC, f"spec nests deeper than {DEEPEST} levels; make its schemas flatter"
            )
        if fault := self._class_fault(inputs):
            return ConditionDetail(Reason.INVALID_CLASS, f"ApiServiceClass {inputs.class_name}: {fault}")
        try:
            return self._make(inputs)
        except ValidationError as error:
            return ConditionDetail(Reason.INVALID_SPEC, _first(error))
        except Exception as defect:  # outermost for a plan: its author has to know, and may still delete it
            if detail := _invalid_spec(inputs):
                return detail
            LOG.exception("the plan met a defect")
            return ConditionDetail(Reason.PLAN_FAILED, _defect(defect))

    def _class_fault(self, inputs: _PlanInput) -> str:
        """Why no plan can be made in this class, or empty: checked once for each version, as many resources have it."""
        if inputs.class_manifest is None:
            return ""
        version = inputs.class_manifest["metadata"]["resourceVersion"]
        known, fault = self._class_faults.get(inputs.class_name, ("", ""))
        if not version or known != version:
            fault = _fault(inputs.class_manifest)
            self._class_faults[inputs.class_name] = version, fault
        return fault

    def _make(self, inputs: _PlanInput) -> PreparedPlan:
        parsed, class_ = _parsed(inputs)
        made = self._plan(inputs, parsed, class_)
        manifests = Manifests(child.manifest for child in made.children)
        image = parsed.spec.runtime.image if parsed.spec.runtime else None
        return PreparedPlan(
            class_name=inputs.class_name,
            plan=replace(made, children=()),
            desired={
                stage: tuple(
                    DesiredChild.of(child.manifest, manifests) for child in made.children if child.stage is stage
                )
                for stage in Stage
            },
            manifests=manifests,
            embedded=parsed.spec.datastore.type == "SQLite",
            image=image or class_.spec.runtime.image or self._image,
            most_rollouts=class_.spec.rollout.max_concurrent,
            refused=_refusal(plan.violations(parsed, class_, made)),
        )

    def _manifests(self, inputs: _PlanInput) -> Iterable[dict[str, Any]]:
        return [child.manifest for child in self._plan(inputs, *_parsed(inputs)).children]

    def _plan(self, inputs: _PlanInput, parsed: ApiService, class_: ApiServiceClass) -> Plan:
        metadata = inputs.resource["metadata"]
        return plan.plan(
            parsed,
            class_,
            capabilities=inputs.capabilities,
            image=self._image,
            runbooks=self._runbooks,
            generation=metadata["generation"],
            uid=metadata["uid"],
        )


def _parsed(inputs: _PlanInput) -> tuple[ApiService, ApiServiceClass]:
    parsed = ApiService.model_validate({key: value for key, value in inputs.resource.items() if key != "status"})
    if inputs.class_manifest is None:
        return parsed, plan.BUILT_IN_CLASS
    return parsed, ApiServiceClass.model_validate(inputs.class_manifest)


def _refusal(violations: tuple[plan.Violation, ...]) -> ConditionDetail | None:
    if not violations:
        return None
    text = "; ".join(f"{each.path}: {each.message}" for each in violations[:5])
    too_large = violations[0].reason == Reason.DOCUMENT_TOO_LARGE
    return ConditionDetail(Reason.DOCUMENT_TOO_LARGE if too_large else Reason.CLASS_LIMITS, text)


def _invalid_spec(inputs: _PlanInput) -> ConditionDetail | None:
    """What the author wrote that no plan can be made of, such as a pattern that is no regular expression."""
    parsed, _ = _parsed(inputs)
    first = next((each for each in api_findings(parsed.spec) if each.severity is Severity.ERROR), None)
    return ConditionDetail(Reason.INVALID_SPEC, f"{first.path}: {first.message}; {first.remedy}") if first else None


def _fault(manifest: ReadOnlyManifest) -> str:
    """What is wrong with a class by every rule of its definition: it may be older than one, or newer than we are."""
    if first := next(iter(check(dict(manifest)).errors), None):
        return f"{first.path}: {first.message}; {first.remedy}"
    try:
        ApiServiceClass.model_validate(manifest)
    except ValidationError as error:
        return _first(error)
    return ""


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']}; correct it, or upgrade the operator if the field is new"


def _defect(error: Exception) -> str:
    kind = type(error).__name__
    return f"a defect of the operator ({kind}; its log has the details): go back to the spec before, or upgrade it"
