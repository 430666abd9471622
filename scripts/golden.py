"""Write the golden files made from examples and cases, and docs/problems.md, or check that those on disk are fresh.

`python scripts/golden.py` writes them; `--check` writes nothing, prints a diff and exits 1 when one is stale.
"""

import copy
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import generated_files
import yaml

from fairlead_cli import rendering
from fairlead_contract import problems
from fairlead_contract.openapi.document import openapi
from fairlead_contract.runtime import derive
from fairlead_contract.spec.apiservice import ApiService
from fairlead_contract.spec.apiserviceclass import ApiServiceClass
from fairlead_operator.plan import BUILT_IN_CLASS, Child, plan, teardown, violations

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ("orders", "products")
CASES = ROOT / "tests" / "golden" / "plan"
IMAGE = "fairlead-workload:golden"
RUNBOOKS = "https://docs.example/alerts.md"
UID = "00000000-0000-4000-8000-000000000000"


def golden() -> dict[Path, str]:
    """The text of every golden file."""
    files = {ROOT / "docs" / "problems.md": problems.markdown()}
    for name in EXAMPLES:
        resource = ApiService.model_validate(yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text()))
        text = json.dumps(openapi(derive(resource)), indent=2, ensure_ascii=False) + "\n"
        files[ROOT / "tests" / "golden" / "openapi" / f"{name}.json"] = text
    for case in sorted(path.parent for path in CASES.glob("*/resource.yaml")):
        files |= planned(case)
    return files


def planned(case: Path) -> dict[Path, str]:
    """What the plan makes of one case: its children, what else it says, and what tears it down."""
    resource = ApiService.model_validate(yaml.safe_load((case / "resource.yaml").read_text()))
    class_, listed = BUILT_IN_CLASS, case / "capabilities"
    if (case / "class.yaml").exists():
        class_ = ApiServiceClass.model_validate(yaml.safe_load((case / "class.yaml").read_text()))
    capabilities = rendering.capabilities(listed.read_text()) if listed.exists() else rendering.USUAL
    made = plan(resource, class_, capabilities=capabilities, image=IMAGE, runbooks=RUNBOOKS, generation=1, uid=UID)
    said = {
        "url": made.url,
        "runtimeHash": made.runtime_hash,
        "provisionHash": made.provision_hash,
        "bindings": [asdict(each) for each in made.bindings],
        "leftOut": [asdict(each) for each in made.left_out],
        "violations": [asdict(each) for each in violations(resource, class_, made)],
        "order": [f"{child.stage}: {child.kind} {child.name}" for child in made.children],
    }
    files = {
        case / "children.yaml": rendering.text(shortened(made.children)),
        case / "plan.yaml": yaml.safe_dump(said, sort_keys=False, width=4096),
    }
    removed = teardown(resource, class_, image=IMAGE) if resource.spec.deletion_policy == "Delete" else ()
    return files | ({case / "teardown.yaml": rendering.text(removed)} if removed else {})


def shortened(children: tuple[Child, ...]) -> Iterator[Child]:
    """Without the OpenAPI documents, which have golden files of their own."""
    for child in children:
        if "openapi.json" in child.manifest.get("data", {}):
            manifest = copy.deepcopy(child.manifest)
            manifest["data"]["openapi.json"] = "(the OpenAPI document)"
            yield replace(child, manifest=manifest)
        else:
            yield child


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return generated_files.check(golden(), root=ROOT, what="the golden files", remedy="make golden")
    if arguments:
        print("usage: golden.py [--check]", file=sys.stderr)
        return 2
    return generated_files.write(golden(), root=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
