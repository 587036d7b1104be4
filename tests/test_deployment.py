"""docker/ read by the tools of others: hadolint, the compose specification, the schemas of Kubernetes and of operators.

Each test begins with a mistake that the tool must find, so that one which finds nothing is not trusted.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[1] / "docker"
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
MANIFESTS = ("single.yaml", "ha.yaml", "redisfailover.yaml")

# --- the Dockerfile ---------------------------------------------------------------------------------------------------


def lint(text: str) -> list[str]:
    """The codes of what hadolint says of a Dockerfile."""
    assert HADOLINT is not None
    command = [HADOLINT, "--no-color", "--format", "json", "-"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=60)
    return [f"{one['line']}: {one['code']} {one['message']}" for one in json.loads(done.stdout)]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing")
def test_dockerfile() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    bad = text.replace("WORKDIR /data", "WORKDIR data").replace("${PYTHON}-slim", "latest")
    assert {"DL3007", "DL3000"} <= {line.split()[1] for line in lint(bad)}
    assert lint(text) == []


# --- compose ----------------------------------------------------------------------------------------------------------


def checked(found: dict[str, Any]) -> Any:
    """Read as the compose specification has it. Raises ValueError."""
    compose_spec = pytest.importorskip("compose_spec")
    one = compose_spec.PyCompose.from_json(json.dumps(found))
    for check in (one.validate, one.validate_volumes, one.validate_configs, one.validate_networks):
        check()
    return one.to_spec()


@pytest.mark.parametrize("name", ["compose.yml", "compose.ha.yml"])
def test_compose(name: str) -> None:
    found = yaml.safe_load((DOCKER / name).read_text())
    for key, value in (("read_onli", True), ("ports", ["x"]), ("stop_grace_period", "30 y"), ("cap_drop", "ALL")):
        bad = copy.deepcopy(found)
        next(iter(bad["services"].values()))[key] = value
        with pytest.raises(ValueError):
            checked(bad)
    assert set(checked(found).services) == set(found["services"])


# --- Kubernetes -------------------------------------------------------------------------------------------------------

_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_SELECTOR = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"matchLabels": _LABELS, "matchExpressions": {"type": "array"}},
}
_DURATION = {"type": "string", "pattern": "^(0|([0-9]+[smhd])+)$"}
_RESOURCES = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: {"type": "object"} for name in ("limits", "requests", "claims")},
}
_SERVICE_MONITOR = {
    "type": "object",
    "required": ["selector", "endpoints"],
    "additionalProperties": False,
    "properties": {
        "selector": _SELECTOR,
        "namespaceSelector": {"type": "object"},
        "jobLabel": {"type": "string"},
        "targetLabels": {"type": "array", "items": {"type": "string"}},
        "endpoints": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["port"],
                "additionalProperties": False,
                "properties": {
                    "port": {"type": "string"},
                    "path": {"type": "string"},
                    "scheme": {"enum": ["http", "https"]},
                    "interval": _DURATION,
                    "scrapeTimeout": _DURATION,
                    "honorLabels": {"type": "boolean"},
                },
            },
        },
    },
}
_CONTAINER = {
    "replicas": {"type": "integer", "minimum": 1},
    "image": {"type": "string"},
    "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "resources": _RESOURCES,
    "customConfig": {"type": "array", "items": {"type": "string"}},
    "command": {"type": "array", "items": {"type": "string"}},
}
_STORAGE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "keepAfterDeletion": {"type": "boolean"},
        "emptyDir": {"type": "object"},
        "persistentVolumeClaim": {"type": "object", "required": ["metadata", "spec"]},
    },
}
_EXPORTER = {"type": "object", "properties": {"enabled": {"type": "boolean"}, "image": {"type": "string"}}}
_REDIS = {**_CONTAINER, "storage": _STORAGE, "exporter": _EXPORTER}
_REDIS_FAILOVER = {
    "type": "object",
    "required": ["redis", "sentinel"],
    "additionalProperties": False,
    "properties": {
        "redis": {"type": "object", "additionalProperties": False, "properties": _REDIS},
        "sentinel": {"type": "object", "additionalProperties": False, "properties": _CONTAINER},
        "auth": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"secretPath": {"type": "string"}},
        },
        "labelWhitelist": {"type": "array"},
    },
}
OTHERS = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _SERVICE_MONITOR,
    ("databases.spotahome.com/v1", "RedisFailover"): _REDIS_FAILOVER,
}
"""Kinds that operators bring: the fields of ``spec`` that a manifest may use."""


def problem(one: dict[str, Any], version: str) -> str:
    """What a Kubernetes of that version would not take; empty if it takes the object."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    import jsonschema

    own = OTHERS.get((one["apiVersion"], one["kind"]))
    try:
        if own is None:
            kubernetes_validate.validate(one, version, strict=True)
        else:
            jsonschema.validate(one["spec"], own)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as e:
        return str(e)
    return ""


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCKER / "kubernetes" / name).read_text()))


@pytest.mark.parametrize("version", ["1.26", "1.30", "1.34"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes(name: str, version: str) -> None:
    for one in objects(name):
        assert problem(one, version) == "", (one["kind"], one["metadata"]["name"])


def wrong() -> Iterator[dict[str, Any]]:
    """Each object with one mistake."""
    for name in MANIFESTS:
        for one in objects(name):
            yield (
                {**one, "metadata": [one["metadata"]]}
                if "spec" not in one
                else {
                    **one,
                    "spec": {**one["spec"], "nosuch": 1},
                }
            )
            if one["kind"] == "StatefulSet":
                bad = copy.deepcopy(one)
                bad["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["periodSecond"] = 1
                yield bad
                bad = copy.deepcopy(one)
                bad["spec"]["replicas"] = "3"
                yield bad


def test_mistakes_are_found() -> None:
    assert all(problem(one, "1.34") for one in wrong())


def test_every_port_that_is_read_is_there() -> None:
    """A ServiceMonitor names ports of Services, these the ports of pods, and whoever serves there is told to."""
    for name in ("single.yaml", "ha.yaml"):
        found = objects(name)
        services = [one for one in found if one["kind"] == "Service"]
        sets = next(one for one in found if one["kind"] == "StatefulSet")
        containers = sets["spec"]["template"]["spec"]["containers"]
        ports = {p["name"]: p["containerPort"] for c in containers for p in c["ports"]}
        text = "".join("".join(one["data"].values()) for one in found if one["kind"] == "ConfigMap")
        monitor = next(one for one in found if one["kind"] == "ServiceMonitor")
        for endpoint in monitor["spec"]["endpoints"]:
            port = endpoint["port"]
            chosen = monitor["spec"]["selector"]["matchLabels"].items()
            serving = [s for s in services if chosen <= s["metadata"]["labels"].items()]
            assert any(p["name"] == port for s in serving for p in s["spec"]["ports"])
            assert f"metrics-port {ports[port]}" in text
    ha = yaml.safe_load((DOCKER / "compose.ha.yml").read_text())
    jobs = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    targets = [t for job in jobs for static in job["static_configs"] for t in static["targets"]]
    assert len(targets) == 6
    for target in targets:
        host, _, port = target.partition(":")
        service = ha["services"][host]
        told = " ".join(service["command"]) if "command" in service else ha["configs"]["sentinel"]["content"]
        assert f"metrics-port {port}" in told.replace("--", "")
