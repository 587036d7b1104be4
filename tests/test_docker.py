"""docker/: the steps of the image done without Docker, its entrypoint, and the other files read as their readers do."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.support.servers import free_port
from tests.support.waiting import PATIENCE
from tests.test_metrics import GRAPHED

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
INSTRUCTIONS = (
    *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
    *("ENTRYPOINT", "CMD"),
)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's (instruction, rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (DOCKER / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def environment() -> dict[str, str]:
    """What ENV sets in the last stage."""
    found = {}
    for name, rest in instructions():
        if name == "ENV":
            for word in shlex.split(rest):
                key, _, value = word.partition("=")
                found[key] = value
    return found


# --- the Dockerfile ---------------------------------------------------------------------------------------------------


def test_dockerfile() -> None:
    found = instructions()
    assert {name for name, _ in found} <= set(INSTRUCTIONS)
    last: dict[str, str] = dict(found)
    assert (
        last["USER"] == "1000:1000" and last["WORKDIR"] == last["VOLUME"] == "/data" and last["STOPSIGNAL"] == "SIGTERM"
    )
    assert json.loads(last["ENTRYPOINT"]) == ["docker-entrypoint.sh"] and json.loads(last["CMD"]) == ["redis-server"]
    assert json.loads(last["HEALTHCHECK"].split("CMD ", 1)[1]) == ["docker-entrypoint.sh", "healthcheck"]
    for name, rest in found:
        if name == "FROM":
            assert ":" in rest and ":latest" not in rest
        if name == "RUN":
            assert "sudo" not in rest and ("pip install" not in rest or "--no-cache-dir" in rest)
        if name == "COPY" and "--from" not in rest:
            *sources, _ = [word for word in rest.split() if not word.startswith("--")]
            assert all((ROOT / source).exists() for source in sources)
            ignored = (ROOT / ".dockerignore").read_text().splitlines()
            assert all(f"!{source}" in ignored for source in sources)
    assert os.access(DOCKER / "entrypoint.sh", os.X_OK)
    subprocess.run(["sh", "-n", DOCKER / "entrypoint.sh"], check=True)


# --- the image, without Docker ----------------------------------------------------------------------------------------


class Image:
    """The same file system: the environment of the build stage with the package in it, nothing writable but /data."""

    def __init__(self, root: Path) -> None:
        self.opt, self.data = root / "opt", root / "data"
        self.data.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.opt], check=True)
        site = next(self.opt.glob("lib/python*/site-packages"))
        # What pip would fetch is here already.
        (site / "dependencies.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n{ROOT}\n")
        scripts = re.findall(r'^([\w-]+) = "([\w.]+):(\w+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        for name, module, function in scripts:
            script = self.opt / "bin" / name
            script.write_text(f"#!{self.opt}/bin/python\nfrom {module} import {function}\n{function}()\n")
            script.chmod(0o755)
        links = re.findall(r"ln -s (\S+) /opt/pyredis/bin/(\S+)", " ".join(rest for _, rest in instructions()))
        for target, name in links:
            (self.opt / "bin" / name).symlink_to(target)
        (self.opt / "bin" / "docker-entrypoint.sh").symlink_to(DOCKER / "entrypoint.sh")
        self.before = self.listing()

    def listing(self) -> set[str]:
        return {str(path) for path in self.opt.rglob("*")}

    def environment(self, **more: str) -> dict[str, str]:
        found = {key: value for key, value in environment().items() if key != "PATH"}
        return {**found, "PATH": f"{self.opt}/bin:/usr/bin:/bin", "HOME": str(self.data), **more}

    def start(self, *args: str, **env: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["docker-entrypoint.sh", *args],
            executable=self.opt / "bin" / "docker-entrypoint.sh",
            cwd=self.data,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *args: str, **env: str) -> tuple[int, bytes]:
        process = self.start(*args, **env)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    one = Image(tmp_path_factory.mktemp("image"))
    yield one
    assert one.listing() == one.before, "something was written outside /data"


def wait_for(port: int, password: str | None = None, **more: Any) -> redis.Redis:
    client = redis.Redis(port=port, password=password, decode_responses=True, **more)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.ping()
            return client
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize(
    "words",
    [
        ["redis-server", "--appendonly", "yes"],
        ["--appendonly", "yes"],
        ["--requirepass", "secret"],
        ["my.conf"],
        ["redis-server", "my.conf", "--appendonly", "yes"],
    ],
)
def test_entrypoint(image: Image, words: list[str]) -> None:
    port = free_port()
    (image.data / "my.conf").write_text(f"port {port}\nmaxclients 77\n")
    args = words if "my.conf" in words else [*words, "--port", str(port)]
    process = image.start(*args)
    try:
        password = "secret" if "secret" in words else None
        client = wait_for(port, password)
        assert client.config_get("protected-mode") == {"protected-mode": "no"}
        assert client.config_get("appendonly")["appendonly"] == ("yes" if "--appendonly" in words else "no")
        if "my.conf" in words:
            assert client.config_get("maxclients")["maxclients"] == "77"
        assert client.config_get("dir")["dir"] == str(image.data)
        client.set("a", "b")
        client.save()
        assert image.run("healthcheck", PYREDIS_PORT=str(port)) == (0, b"")
        mode = stat.S_IMODE((image.data / "dump.rdb").stat().st_mode)
        assert not mode & 0o077
        assert (
            image.run("redis-cli", "-p", str(port), "-a", password or "", "--no-auth-warning", "get", "a")[1]
            in (
                b"b\n",
                b"ERR AUTH <password> called without any password configured",
            )
            or password is None
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert image.run("healthcheck", PYREDIS_PORT=str(port))[0] == 1


def test_other_programs(image: Image) -> None:
    assert image.run("sh", "-c", "echo here; umask") == (0, b"here\n0077\n")
    assert image.run("redis-server", "--version")[1].startswith(b"Redis server v=")
    assert image.run("pyredis", "--help")[0] == 0
    assert image.run("--no-such-directive", "x")[0] == 1
    port = free_port()
    (image.data / "sentinel.conf").write_text(f"port {port}\nsentinel monitor mymaster 127.0.0.1 6379 2\n")
    process = image.start("redis-server", str(image.data / "sentinel.conf"), "--sentinel")
    try:
        client = wait_for(port)
        assert client.execute_command("SENTINEL", "get-master-addr-by-name", "mymaster") == ["127.0.0.1", "6379"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


# --- compose, Kubernetes, Grafana ------------------------------------------------------------------------------------


def compose(name: str) -> dict[str, Any]:
    found = yaml.safe_load((DOCKER / name).read_text())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["compose.yml", "compose.ha.yml"])
def test_compose(name: str) -> None:
    """Known keys, everything named is there, and what is ours would start with the arguments given."""
    found = compose(name)
    assert {key for key in found if not key.startswith("x-")} <= {"services", "volumes", "configs"}
    known = {"image", "build", "command", "entrypoint", "ports", "volumes", "read_only", "cap_drop", "security_opt"}
    known |= {"stop_grace_period", "restart", "depends_on", "environment", "configs"}
    for service in found["services"].values():
        assert service.keys() <= known
        for other in service.get("depends_on", []):
            assert other in found["services"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in found["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        if service["image"] == "pyredis":
            assert service["read_only"] and service["cap_drop"] == ["ALL"]


def our_services() -> list[tuple[str, list[str]]]:
    return [
        (f"{name}:{service}", options["command"])
        for name in ("compose.yml", "compose.ha.yml")
        for service, options in compose(name)["services"].items()
        if options["image"] == "pyredis" and "command" in options
    ]


@pytest.mark.parametrize(("service", "words"), our_services())
def test_composed_commands_start(image: Image, service: str, words: list[str], tmp_path: Path) -> None:
    port, metrics = free_port(), free_port()
    args = [str(metrics) if word == "9121" else word for word in words]
    process = image.start(*args, "--port", str(port), "--dir", str(tmp_path))
    try:
        assert wait_for(port).info("server")["tcp_port"] == port
    finally:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out


@pytest.mark.parametrize("name", ["single.yaml", "ha.yaml", "redisfailover.yaml"])
def test_kubernetes(name: str) -> None:
    objects = list(yaml.safe_load_all((DOCKER / "kubernetes" / name).read_text()))
    named = {(one["kind"], one["metadata"]["name"]) for one in objects}
    assert len(named) == len(objects)
    for one in objects:
        assert one["apiVersion"] and one["kind"]
        if one["kind"] != "StatefulSet":
            continue
        template = one["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert ("Service", one["spec"]["serviceName"]) in named
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 1000
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]}
        for volume in pod["volumes"]:
            assert "configMap" not in volume or ("ConfigMap", volume["configMap"]["name"]) in named
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if "httpGet" in container.get(probe, {}):
                    assert container[probe]["httpGet"]["port"] in ports
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            for variable in container["env"]:
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                assert reference is None or ("Secret", reference["name"]) in named
        for service in objects:
            if service["kind"] == "Service":
                assert service["spec"]["selector"].items() <= labels.items()


def test_scripts_of_the_config_map() -> None:
    objects = yaml.safe_load_all((DOCKER / "kubernetes" / "ha.yaml").read_text())
    scripts = next(one for one in objects if one["kind"] == "ConfigMap")["data"]
    for name in ("start.sh", "sentinel.sh"):
        subprocess.run(["sh", "-n"], input=scripts[name].encode(), check=True)


def test_dashboard() -> None:
    """It is what the script beside it writes, and asks only for what /metrics has."""
    sys.path.insert(0, str(DOCKER / "grafana"))
    try:
        from make_dashboard import dashboard
    finally:
        sys.path.pop(0)
    written = json.loads((DOCKER / "grafana" / "pyredis.json").read_text())
    assert written == dashboard()
    asked = set(re.findall(r"\b(?:py)?redis_\w+", " ".join(t["expr"] for p in written["panels"] for t in p["targets"])))
    ours = {"pyredis_keys", "pyredis_output_buffer_bytes", "pyredis_event_loop_lag_seconds_bucket"}
    other = {"redis_aof_delayed_fsync", "redis_connected_slave_lag_seconds"}
    of_masters = ("status", "ckquorum_status", "ok_slaves", "ok_sentinels")
    other |= {f"redis_sentinel_master_{name}" for name in of_masters}
    assert asked <= GRAPHED | ours | other, asked - GRAPHED - ours - other
