"""compose/kubernetes: the manifests."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import SimpleTestCase
from django.urls import resolve
from kubernetes_validate import SchemaNotFoundError, validate

from compose.health import CHECKS
from config.env import list_settings
from config.options import ALL_OPTIONS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "compose" / "kubernetes"
KUBERNETES = "1.34.0"
NOT_MANIFESTS = {"kustomization.yaml", "hardened.yaml"}
# Start scripts of the local stack alone: what they do is done by hand, once.
NOT_PROCESSES = {"prepare", "simulate", "demo-history"}
# What the start scripts read.
OTHER_VARIABLES = {
    *("FLOWER_ADDRESS", "FLOWER_PORT", "INGEST_CONCURRENCY"),
    *("ENROLMENT_CERT_FILE", "ENROLMENT_KEY_FILE"),
}
WITHOUT_SCHEMA = {"ScaledObject"}  # KEDA's own
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "compose" / "compose.yaml").read_text(encoding="utf-8")
)["services"]


def read_manifests() -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name not in NOT_MANIFESTS:
            yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


MANIFESTS = list(read_manifests())
WORKLOADS = {
    one["metadata"]["name"]: one
    for one in MANIFESTS
    if one["kind"] in ("Deployment", "StatefulSet", "Job")
}


def name_manifest(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def find(kind: str, name: str) -> Any:
    [found] = [one for one in MANIFESTS if name_manifest(one) == f"{kind} {name}"]
    return found["spec"]


def pod_of(name: str) -> dict[str, Any]:
    pod: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return pod


def check_schema(manifest: dict[str, Any]) -> None:
    try:
        validate(manifest, KUBERNETES, strict=True)
    except SchemaNotFoundError:
        assert manifest["kind"] in WITHOUT_SCHEMA


@pytest.mark.parametrize("manifest", MANIFESTS, ids=name_manifest)
def test_it_fits_the_schema(manifest: dict[str, Any]) -> None:
    check_schema(manifest)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_it_fits_the_schema_with_what_kustomize_adds() -> None:
    for folder in (FOLDER, FOLDER / "migrate"):
        done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, check=True)
        rendered = list(yaml.safe_load_all(done.stdout))
        for manifest in rendered:
            check_schema(manifest)
            for container in find_containers(manifest):
                assert container["image"].startswith("tds-telemetry:")
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["resources"]["limits"]["memory"]


def find_containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] not in ("Deployment", "StatefulSet", "Job"):
        return []
    containers: list[dict[str, Any]] = manifest["spec"]["template"]["spec"]["containers"]
    return containers


def test_a_workload_runs_every_process() -> None:
    commands = [find_containers(one)[0]["command"] for one in WORKLOADS.values()]
    started = {command[0].rpartition("/")[2] for command in commands} - {"python"}
    scripts = {path.name for path in (ROOT / "compose" / "start").iterdir()}
    assert started == scripts - NOT_PROCESSES
    assert pod_of("migrate")["containers"][0]["command"] == SERVICES["migrate"]["command"]


def test_it_sets_only_variables_that_something_reads() -> None:
    known = {described.name for options in ALL_OPTIONS for described, *_ in list_settings(options)}
    for name in WORKLOADS:
        set_here = {one["name"] for one in pod_of(name)["containers"][0].get("env", [])}
        assert set_here <= known | OTHER_VARIABLES, name


@pytest.mark.parametrize("name", ["bridge", "ingest", "maintenance", "beat"])
def test_a_pod_has_the_time_to_end_that_a_container_has(name: str) -> None:
    service = SERVICES.get(name, SERVICES.get(f"worker-{name}"))
    assert service is not None
    grace = service.get("stop_grace_period", "30s")
    assert f"{pod_of(name)['terminationGracePeriodSeconds']}s" == grace


def test_health_is_asked_by_checks_that_exist() -> None:
    text = json.dumps([pod_of(name) for name in WORKLOADS])
    for which in ("worker", "beat", "flower"):
        assert json.dumps(["python", "-m", "compose.health", which]) in text
        assert which in CHECKS


def test_beats_do_not_overlap() -> None:
    spec = WORKLOADS["beat"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")


def test_bridges_keep_their_names() -> None:
    assert WORKLOADS["bridge"]["kind"] == "StatefulSet"
    names = {one["name"] for one in pod_of("bridge")["containers"][0]["env"]}
    assert "BRIDGE_CLIENT_ID" not in names  # so it is made of the pod's name


class Autoscaling(SimpleTestCase):
    def test_the_pool_is_scaled_on_what_is_pending(self) -> None:
        [trigger] = find("ScaledObject", "ingest")["triggers"]
        url = trigger["metadata"]["url"]
        assert resolve(url.removeprefix("http://web.tds:8000")).url_name == "pending-health"
        assert "replicas" not in WORKLOADS["ingest"]["spec"]
