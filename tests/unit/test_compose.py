"""compose.yaml: what can be held true about the containers without a container engine."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.env import list_settings, read_options
from config.options import (
    ALL_OPTIONS,
    BridgeOptions,
    CertificateOptions,
    IngestOptions,
    LogOptions,
    MaintenanceOptions,
    MetricsOptions,
    QueueOptions,
    SimulatorOptions,
    WebOptions,
)

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
TEXT = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
SECRETS = (COMPOSE / "containers" / "make-secrets.sh").read_text(encoding="utf-8")
DOCKERFILE = (COMPOSE / "Dockerfile").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]

SERVERS = ("mosquitto", "redis", "timescaledb", "adminer")
PROCESSES = tuple(name for name in SERVICES if name not in SERVERS)
ONE_SHOT = ("ca", "migrate", "manage")
LONG_RUNNING = tuple(name for name in SERVICES if name not in (*ONE_SHOT, "fleet"))

# What each process reads: a container must get all that is required.
READS: dict[str, tuple[type, ...]] = {
    "ca": (CertificateOptions,),
    "migrate": (WebOptions, QueueOptions),
    "manage": (WebOptions, QueueOptions),
    "web": (WebOptions, QueueOptions),
    "enrolment": (WebOptions, QueueOptions, CertificateOptions),
    "bridge": (BridgeOptions, QueueOptions),
    "worker-ingest": (IngestOptions, WebOptions, LogOptions),
    "worker-maintenance": (MaintenanceOptions, WebOptions, LogOptions),
    "beat": (WebOptions, QueueOptions),
    "flower": (WebOptions, QueueOptions),
    "metrics": (WebOptions, QueueOptions, MetricsOptions),
    "fleet": (SimulatorOptions, WebOptions, QueueOptions),
}
# What belongs to it: an operator must be able to set all of it from outside.
OWNS = {
    "web": WebOptions,
    "bridge": BridgeOptions,
    "worker-ingest": IngestOptions,
    "worker-maintenance": MaintenanceOptions,
}
SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|BASIC_AUTH")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
PINNED = re.compile(r"[\w./-]+:\d+\.\d+(\.\d+)?(-[\w.]+)*")


class StrictLoader(yaml.SafeLoader):
    """As compose reads the file: a key that comes twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {sorted(keys)}"
        return super().construct_mapping(node, deep)


def test_no_key_comes_twice() -> None:
    yaml.load(TEXT, StrictLoader)


def test_every_secret_is_made_by_the_script() -> None:
    made = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", SECRETS))
    assert {name for name, kind, _ in VARIABLE.findall(TEXT) if kind == "?"} - {"NAME"} <= made


def environment_of(service: str) -> dict[str, str | None]:
    return SERVICES[service].get("environment") or {}


def fill_in(text: str) -> str:
    """The value with a sample for each secret and every default taken."""

    def replace(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        length = 32 if f'add {name} "$(openssl rand -hex 16)' in SECRETS else 64
        return f"sample-{name.lower()}".ljust(length, "0") if kind == "?" else (rest or "")

    return VARIABLE.sub(replace, text)


def given_to(service: str) -> dict[str, str]:
    """The environment of a process when an operator sets the secrets and nothing else."""
    return {
        name: fill_in(str(value))
        for name, value in environment_of(service).items()
        if value is not None
    }


def start_script_of(service: str) -> Path | None:
    first = SERVICES[service].get("command", [""])[0]
    return ROOT / first if first.startswith("compose/start/") else None


def test_it_runs_the_whole_product() -> None:
    assert set(SERVICES) == {
        *("mosquitto", "redis", "timescaledb", "ca", "migrate", "manage", "web", "enrolment"),
        *("bridge", "worker-ingest", "worker-maintenance", "beat", "flower", "fleet", "adminer"),
        "metrics",
    }


@pytest.mark.parametrize("service", PROCESSES)
def test_it_passes_only_settings_that_something_reads(service: str) -> None:
    known = {
        described.name for options in ALL_OPTIONS for described, _, _ in list_settings(options)
    }
    known |= {f"{name}_FILE" for name in known}  # of secrets
    script = start_script_of(service)
    if script is not None:
        known |= set(re.findall(r"[A-Z][A-Z_]+", script.read_text(encoding="utf-8")))
    assert set(environment_of(service)) <= known


@pytest.mark.parametrize("service", PROCESSES)
def test_it_gives_each_process_every_setting_that_it_requires(service: str) -> None:
    for options in READS[service]:
        read_options(options, given_to(service))


@pytest.mark.parametrize(("service", "options"), OWNS.items())
def test_it_lets_operators_set_every_setting_of_a_process(service: str, options: type) -> None:
    names = {described.name for described, _, _ in list_settings(options)}
    missing = names - set(environment_of(service))
    assert missing == set()


@pytest.mark.parametrize("service", [name for name in PROCESSES if name not in ONE_SHOT])
def test_it_starts_each_process_by_the_script_that_runs_it_elsewhere_too(service: str) -> None:
    script = start_script_of(service)
    assert script is not None
    assert os.access(script, os.X_OK), f"{script}: expected an executable file"


def test_it_pins_every_image_to_a_version() -> None:
    images = [str(each["image"]) for each in SERVICES.values()]
    images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(images) == len(SERVICES) + 1
    assert [image for image in images if not PINNED.fullmatch(image)] == []
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_it_checks_the_health_of_every_service_that_runs_on(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


def test_it_publishes_ports_of_what_people_and_gateways_reach_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"mosquitto", "web", "enrolment", "flower", "metrics", "adminer"}
    for name, ports in published.items():
        # The broker's address can be opened, on purpose: gateways are elsewhere.
        addresses = ("127.0.0.1", "${PUBLISH_ADDRESS:-127.0.0.1}")
        allowed = addresses if name in ("mosquitto", "enrolment") else addresses[:1]
        for port in ports:
            assert port.startswith(tuple(f"{address}:" for address in allowed)), (name, port)


def test_it_has_no_default_for_a_secret() -> None:
    found = [match for match in VARIABLE.finditer(TEXT) if SECRET.search(match[1])]
    assert {match[1] for match in found if match[2] != "?"} == set()
    for name in SERVICES:
        for variable, value in environment_of(name).items():
            if SECRET.search(variable) and value is not None:  # None: handed on when it is set
                is_file = variable.endswith("_FILE")
                assert is_file or VARIABLE.match(str(value)), f"{name}: {variable} is written out"


@pytest.mark.parametrize(
    ("secret", "holders"),
    [
        ("CA_PASSPHRASE", {"ca", "manage", "worker-maintenance"}),
        ("POSTGRES_ADMIN_PASSWORD", {"timescaledb"}),
        ("POSTGRES_PASSWORD", {"timescaledb", "migrate", "manage", "fleet"}),
        ("POSTGRES_WEB_PASSWORD", {"timescaledb", "web", "enrolment", "metrics"}),
        ("POSTGRES_INGEST_PASSWORD", {"timescaledb", "worker-ingest"}),
        ("POSTGRES_MAINTENANCE_PASSWORD", {"timescaledb", "worker-maintenance"}),
        ("POSTGRES_BEAT_PASSWORD", {"timescaledb", "beat"}),
        ("REDIS_PASSWORD", {"redis", "manage", "fleet"}),
        ("REDIS_WEB_PASSWORD", {"redis", "web", "enrolment", "metrics"}),
        ("REDIS_BRIDGE_PASSWORD", {"redis", "bridge"}),
        ("REDIS_INGEST_PASSWORD", {"redis", "worker-ingest"}),
        ("REDIS_MAINTENANCE_PASSWORD", {"redis", "worker-maintenance"}),
        ("REDIS_BEAT_PASSWORD", {"redis", "beat"}),
        ("REDIS_FLOWER_PASSWORD", {"redis", "flower"}),
        ("MQTT_ADMIN_PASSWORD", {"mosquitto"}),
        ("MQTT_DASHBOARD_PASSWORD", {"mosquitto"}),
        ("MQTT_GATEWAY_PASSWORD", {"mosquitto", "fleet"}),
        ("MQTT_BRIDGE_PASSWORD", {"mosquitto", "bridge"}),
        ("FLOWER_BASIC_AUTH", {"flower"}),
    ],
)
def test_it_gives_a_secret_to_those_who_need_it(secret: str, holders: set[str]) -> None:
    found = {
        name
        for name in SERVICES
        for value in environment_of(name).values()
        if f"${{{secret}:" in str(value)
    }
    assert found == holders


def test_it_keeps_the_bridge_away_from_the_database() -> None:
    assert "database" not in SERVICES["bridge"]["networks"]
    assert not {"DATABASE_URL", "SECRET_KEY"} & set(environment_of("bridge"))


@pytest.mark.parametrize("service", SERVICES)
def test_it_bounds_what_a_service_may_do_and_take(service: str) -> None:
    each = SERVICES[service]
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert each["mem_limit"]
    assert each["logging"]["options"]["max-size"]
    assert each["restart"]
    # The database's image prepares its folder before it drops its rights.
    assert each.get("read_only") or service == "timescaledb"


def test_it_runs_the_processes_without_root() -> None:
    user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert not any("user" in SERVICES[name] for name in PROCESSES)


def test_it_scales_because_nothing_fixes_a_name_or_port() -> None:
    for name in ("worker-ingest", "worker-maintenance", "bridge"):
        assert not {"container_name", "hostname", "ports"} & set(SERVICES[name])
    assert "{n}" in given_to("bridge")["BRIDGE_CLIENT_ID"]
    for name in ("worker-ingest", "worker-maintenance"):
        script = start_script_of(name)
        assert script is not None
        assert "@%h" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("service", [*PROCESSES, "adminer"])
def test_it_starts_a_service_after_what_it_needs_is_healthy(service: str) -> None:
    needed = SERVICES[service].get("depends_on", {})
    assert needed or service == "ca"
    for name, how in needed.items():
        expected = "service_completed_successfully" if name in ONE_SHOT else "service_healthy"
        assert how["condition"] == expected, (service, name)
    # Whoever asks the database waits for its schema.
    networks = SERVICES[service].get("networks", [])
    if "database" in networks and service not in ("migrate", "adminer"):
        assert "migrate" in needed


def test_it_mounts_files_that_are_there_and_cannot_be_written() -> None:
    mounts = [
        volume
        for each in SERVICES.values()
        for volume in each.get("volumes", [])
        if volume.startswith(".")
    ]
    assert mounts
    for mount in mounts:
        source, _, mode = mount.split(":")
        assert (COMPOSE / source).is_file(), mount
        assert mode == "ro", mount


@pytest.mark.parametrize(
    "name",
    ["mosquitto.acl", "mosquitto-rights.conf", "mosquitto-sqlite.conf", "mosquitto-tls.conf"],
)
def test_it_fills_in_every_placeholder_of_the_brokers_settings(name: str) -> None:
    settings = (COMPOSE / "servers" / name).read_text(encoding="utf-8")
    script = (COMPOSE / "containers" / "mosquitto.sh").read_text(encoding="utf-8")
    placeholders = set(re.findall(r"{\w+}", settings))
    assert placeholders
    # An address is left out: a container listens everywhere.
    assert {each for each in placeholders if f"{each}|" not in script} == set()


def test_it_asks_for_a_certificate_wherever_the_broker_listens_beyond_its_container() -> None:
    script = (COMPOSE / "containers" / "mosquitto.sh").read_text(encoding="utf-8")
    settings = (COMPOSE / "servers" / "mosquitto-tls.conf").read_text(encoding="utf-8")
    listeners = re.split(r"(?m)^(?:\s*echo ')?listener ", f"{settings}\n{script}")[1:]
    open_ones = [each for each in listeners if not each.startswith("1883 127.0.0.1")]
    assert len(open_ones) == 3
    assert [each[:12] for each in open_ones if "require_certificate true" not in each] == []


def test_it_copies_into_the_image_what_is_there_and_named_in_dockerignore() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    named = {line[1:].removesuffix("/**") for line in ignore if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.split()
    }
    assert copied == named
    assert [source for source in copied if not (ROOT / source).exists()] == []
