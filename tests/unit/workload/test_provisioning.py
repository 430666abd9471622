"""What a Job reports, and that the operator reads it."""

from tests.integration.workload.documents import MYSQL, runtime

from fairlead_contract.provisioning import ProvisionResult
from fairlead_contract.runtime import RuntimeDocument
from fairlead_contract.spec.status import BindingStatus
from fairlead_operator.diagnosis.job_result import parse
from fairlead_workload import provisioning
from fairlead_workload.provisioning import Work


def test_the_operator_takes_the_result_of_its_own_hash_only() -> None:
    document = RuntimeDocument.model_validate(runtime(datastore=MYSQL))
    text = provisioning.provision(Work(document, asked_hash="0123456789")).text()
    bindings = parse(text, expected="0123456789")
    assert bindings is not None
    assert [(each["role"], each["state"]) for each in bindings] == [
        ("datastore", "Failed"),
        ("cache", "Ready"),
        ("queue", "Ready"),
        ("deadLetter", "Ready"),
    ]
    assert parse(text, expected="9876543210") is None


def test_a_long_result_is_cut_and_stays_json() -> None:
    bindings = tuple(
        BindingStatus(role=f"role-{number}", type="SQS", name="n" * 100, state="Failed", message="é" * 4096)
        for number in range(4)
    )
    text = ProvisionResult(version=1, hash="0123456789", bindings=bindings).text()
    assert len(text.encode()) <= 4096
    found = parse(text, expected="0123456789")
    assert found is not None
    assert all(each["message"].startswith("ééé") for each in found)
