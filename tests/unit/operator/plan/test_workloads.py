"""Pods: how they drain, what they see, what they get; and who scales them."""

from typing import Any

import pytest

from fairlead_operator.plan import Capabilities

from .cases import EVERYTHING, NOTHING, Plan, child, class_of, container, files, golden, kinds, planned

REGION = class_of("{aws: {region: eu-central-1}}")
SQS = "queue: {type: SQS, sqs: {queueName: orders, visibilityTimeout: 10m}}\n"
KINESIS = "queue: {type: Kinesis, kinesis: {streamName: orders}}\n"
KAFKA = "queue: {type: Kafka, kafka: {bootstrapServers: ['kafka:9092'], topic: orders}}\n"


def pod(made: Plan, role: str) -> dict[str, Any]:
    spec = child(made, "Deployment", f"orders-{role}").manifest["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


@pytest.mark.parametrize(("timeout", "seconds"), [("500ms", 1), ("30s", 30), ("5m", 300)])
def test_a_worker_may_finish_its_event_before_it_is_killed(timeout: str, seconds: int) -> None:
    made = planned(SQS + f"worker: {{timeout: {timeout}}}")
    assert pod(made, "worker")["terminationGracePeriodSeconds"] > seconds
    assert pod(made, "api")["terminationGracePeriodSeconds"] == 45


def test_a_development_pod_has_time_for_both_and_is_never_there_twice() -> None:
    made = golden("development")
    assert kinds(made).count("Deployment") == 1
    assert pod(made, "api")["terminationGracePeriodSeconds"] > 60
    assert container(child(made, "Deployment"))["args"] == ["all"]
    assert child(made, "Deployment").manifest["spec"]["strategy"] == {"type": "Recreate"}
    assert not {"Job", "HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget", "PodMonitor"} & {*kinds(made)}
    assert made.provision_hash is None


@pytest.mark.parametrize("case", ["minimal", "full", "development"])
def test_probes_ask_the_admin_port(case: str) -> None:
    for deployment in (each for each in golden(case).children if each.kind == "Deployment"):
        main = container(deployment)
        probes = {name: main[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert {probe["port"] for probe in probes.values()} == {"admin"}
        assert [probes[name]["path"] for name in probes] == ["/health", "/health", "/ready"]
        assert {"name": "admin", "containerPort": 9090, "protocol": "TCP"} in main["ports"]


def test_a_component_gets_the_secrets_it_uses_and_no_others() -> None:
    made = golden("full")
    shared = {
        "datastore/username",
        "datastore/password",
        "datastore-ca/ca.crt",
        "cache/username",
        "cache/password",
    }
    served = {"api-keys/keys", "tls/tls.crt", "tls/tls.key", "grpc/tls.crt", "grpc/tls.key", "grpc/ca.crt"}
    assert files(child(made, "Deployment", "orders-api")) == shared | served
    assert files(child(made, "Deployment", "orders-worker")) == shared
    assert files(child(made, "Job")) == shared
    assert files(child(golden("queue-kafka"), "Deployment", "orders-worker")) == {
        "datastore/username",
        "datastore/password",
        "queue/username",
        "queue/password",
        "queue-ca/ca.crt",
    }


def test_the_job_runs_as_the_workload_with_a_deadline_and_without_a_ttl() -> None:
    job = child(golden("full"), "Job").manifest["spec"]
    assert job["template"]["spec"]["serviceAccountName"] == pod(golden("full"), "api")["serviceAccountName"]
    assert job["activeDeadlineSeconds"] > 0
    assert "ttlSecondsAfterFinished" not in job


def test_the_job_knows_the_hash_that_it_answers_for() -> None:
    made = golden("full")
    assert container(child(made, "Job"))["args"][:3] == ["provision", "--hash", made.provision_hash]


@pytest.mark.parametrize(
    ("more", "connections"),
    [
        ("", 13 * 11 + 13 * 11),  # 10 of each and 25 % for a rollout, a pool of 10 and one to listen
        ("scaling: {api: {max: 2}, worker: {max: 1}}", (3 + 2) * 11),
        ("scaling: {backend: None}", (2 + 2) * 11),
    ],
)
def test_the_job_knows_how_many_connections_the_pods_open(more: str, connections: int) -> None:
    queue = "queue: {type: SQS, sqs: {queueName: orders}}"
    server = "{host: db, database: shop, credentialsSecret: {name: db}%s}"
    bound = f"datastore: {{type: PostgreSQL, postgresql: {server}}}\n{queue}\n{more}"
    arguments = container(child(planned(bound % ""), "Job"))["args"]
    assert arguments[3:] == ["--connections", str(connections)]
    assert container(child(planned(bound % ", pooler: {}"), "Job"))["args"][3:] == []


@pytest.mark.parametrize(
    ("resource", "class_", "requests", "limits"),
    [
        ("", "", {"cpu": "100m", "memory": "128Mi"}, {"cpu": "1", "memory": "512Mi"}),
        ("{requests: {cpu: 250m}}", "", {"cpu": "250m", "memory": "128Mi"}, {"cpu": "1", "memory": "512Mi"}),
        ("{requests: {cpu: '3'}}", "", {"cpu": "3", "memory": "128Mi"}, {"cpu": "3", "memory": "512Mi"}),
        ("{limits: {cpu: 50m}}", "", {"cpu": "50m", "memory": "128Mi"}, {"cpu": "50m", "memory": "512Mi"}),
        ("", "{requests: {memory: 2048Mi}}", {"cpu": "100m", "memory": "2Gi"}, {"cpu": "1", "memory": "2Gi"}),
        (
            "{requests: {memory: 1Gi}}",
            "{limits: {cpu: '4', memory: 768Mi}}",
            {"cpu": "100m", "memory": "1Gi"},
            {"cpu": "4", "memory": "1Gi"},
        ),
    ],
)
def test_resources_come_from_the_nearest_who_names_them(
    resource: str, class_: str, requests: dict[str, str], limits: dict[str, str]
) -> None:
    asked = f"compute: {{api: {resource}}}" if resource else ""
    made = planned(asked, class_of(f"resources: {{api: {class_}}}" if class_ else ""))
    given = container(child(made, "Deployment"))["resources"]
    assert given["requests"].items() >= requests.items()
    assert given["limits"].items() >= limits.items()


@pytest.mark.parametrize(
    ("spec", "region", "capabilities", "kind", "reason"),
    [
        (SQS, True, EVERYTHING, "ScaledObject", None),
        (SQS, True, NOTHING, "HorizontalPodAutoscaler", "KedaNotInstalled"),
        (SQS, False, EVERYTHING, "HorizontalPodAutoscaler", "RegionUnknown"),
        (KAFKA, False, EVERYTHING, "ScaledObject", None),
        (SQS + "scaling: {backend: HPA}", True, EVERYTHING, "HorizontalPodAutoscaler", None),
        (
            SQS + "scaling: {backend: HPA, worker: {min: 0}}",
            True,
            EVERYTHING,
            "HorizontalPodAutoscaler",
            "NeedsOneReplica",
        ),
        (KINESIS + "scaling: {worker: {min: 0}}", True, EVERYTHING, "ScaledObject", "NeedsOneReplica"),
        (SQS + "scaling: {backend: None}", True, EVERYTHING, None, None),
    ],
)
def test_who_scales_the_worker(
    spec: str, region: bool, capabilities: Capabilities, kind: str | None, reason: str | None
) -> None:
    made = planned(spec, REGION if region else class_of(), capabilities=capabilities)
    scalers = [each.kind for each in made.children if each.name == "orders-worker" and "scale" in each.kind.lower()]
    assert scalers == ([kind] if kind else [])
    assert [each.reason for each in made.left_out if each.feature.startswith("scaling")] == ([reason] if reason else [])


@pytest.mark.parametrize("spec", [SQS + "scaling: {worker: {min: 0}}", KINESIS + "scaling: {worker: {min: 0}}"])
def test_nothing_that_cannot_wake_up_goes_to_sleep(spec: str) -> None:
    without = planned(spec, REGION, capabilities=NOTHING)
    assert child(without, "HorizontalPodAutoscaler", "orders-worker").manifest["spec"]["minReplicas"] == 1
    scaled = child(planned(spec, REGION), "ScaledObject").manifest["spec"]
    assert scaled["minReplicaCount"] == (0 if "SQS" in spec else 1)


def test_min_equal_to_max_still_has_an_autoscaler() -> None:
    scaled = child(planned("scaling: {api: {min: 3, max: 3}}"), "HorizontalPodAutoscaler").manifest["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 3)


def test_kinesis_scales_by_age_and_never_by_shards() -> None:
    [trigger] = child(planned(KINESIS, REGION), "ScaledObject").manifest["spec"]["triggers"]
    assert trigger["type"] == "aws-cloudwatch"
    assert trigger["metadata"]["metricName"] == "GetRecords.IteratorAgeMilliseconds"


def test_kafka_credentials_are_named_and_never_copied() -> None:
    made = golden("queue-kafka")
    targets = child(made, "TriggerAuthentication").manifest["spec"]["secretTargetRef"]
    assert {(each["parameter"], each["name"], each["key"]) for each in targets} == {
        ("username", "kafka-login", "username"),
        ("password", "kafka-login", "password"),
        ("ca", "kafka-ca", "ca.crt"),
    }
    assert "TriggerAuthentication" not in kinds(golden("queue-kafka-plain"))


def test_a_fifo_queue_is_scaled_by_its_whole_name() -> None:
    [trigger] = child(golden("queue-sqs"), "ScaledObject").manifest["spec"]["triggers"]
    assert trigger["metadata"]["queueURL"] == "orders.fifo"
