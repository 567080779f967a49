"""The set of supervised processes, and what supervisor is told about them."""

import configparser
import shlex
from pathlib import Path

import pytest

from compose.local.layout import START_SCRIPTS, Layout
from compose.local.stack.programs import (
    check_settings,
    list_bridges,
    list_processes,
    render_environment,
)
from compose.local.stack.request import read_request
from compose.local.supervisor.config import write_config
from config.env import SettingError

VALUES = {"WEB_URL": "http://127.0.0.1:8000", "ADMIN_PASSWORD": "x", "BRIDGE_SHARE_GROUP": "g"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a % b")
    layout.create()
    return layout


def test_it_has_as_many_pools_and_bridges_as_asked_when_the_set_is_scaled(layout: Layout) -> None:
    request = read_request({"WORKERS": "2", "BRIDGES": "3"}, own={})

    names = [program.name for program in list_processes(request, VALUES, layout=layout)]

    assert names == [
        "web",
        "worker-ingest-1",
        "worker-ingest-2",
        "worker-maintenance",
        "beat",
        "flower",
        "bridge-1",
        "bridge-2",
        "bridge-3",
        "demo-history",
        "simulator",
    ]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"SIMULATE": "0"}, set(), id="no fleet, so no past of it"),
        pytest.param({"DEMO": "0"}, {"simulator"}, id="a fleet without a past"),
        pytest.param({}, {"simulator", "demo-history"}, id="both"),
    ],
)
def test_it_has_a_simulator_and_a_past_when_they_are_asked_for(
    layout: Layout, environ: dict[str, str], expected: set[str]
) -> None:
    programs = list_processes(read_request(environ, own={}), VALUES, layout=layout)

    assert {one.name for one in programs} & {"simulator", "demo-history"} == expected
    assert all(one.ends == (one.name == "demo-history") for one in programs)


def test_it_gives_every_bridge_an_id_of_its_own_when_there_are_several(layout: Layout) -> None:
    request = read_request({"BRIDGES": "2"}, own={})

    programs = list_processes(request, VALUES, layout=layout)

    ids = [p.environ["BRIDGE_CLIENT_ID"] for p in programs if "BRIDGE_CLIENT_ID" in p.environ]
    assert [client_id.rpartition("-")[0] for client_id in ids] == ["bridge-1", "bridge-2"]


def test_it_gives_bridges_other_ids_when_the_group_is_another(layout: Layout) -> None:
    request = read_request({}, own={})

    ids = {
        list_bridges(request, {"BRIDGE_SHARE_GROUP": group})["bridge-1"] for group in ("one", "two")
    }

    assert len(ids) == 2


def test_it_starts_only_scripts_that_exist_when_the_set_is_listed(layout: Layout) -> None:
    for program in list_processes(read_request({}, own={}), VALUES, layout=layout):
        script = START_SCRIPTS / program.argv[0].rsplit("/", 1)[-1]

        assert script.stat().st_mode & 0o111, script


def test_it_stops_pools_alone_as_they_end_their_children(layout: Layout) -> None:
    programs = list_processes(read_request({}, own={}), VALUES, layout=layout)
    alone = {program.name for program in programs if not program.stop_group}
    assert alone == {"worker-ingest-1", "worker-maintenance"}


def test_it_writes_settings_that_supervisor_reads_back_when_paths_hold_odd_characters(
    layout: Layout,
) -> None:
    programs = list_processes(read_request({}, own={}), VALUES, layout=layout)
    path = layout.run / "supervisord.conf"

    write_config(path, programs, layout=layout)

    parser = configparser.ConfigParser()
    parser.read(path)
    command = shlex.split(parser["program:web"]["command"])
    assert command[1:] == [str(layout.run / "env" / "web"), *programs[0].argv]
    assert (layout.run / "env" / "web").stat().st_mode & 0o777 == 0o600
    assert "ADMIN_PASSWORD" not in path.read_text(encoding="utf-8")


def test_it_changes_a_programs_section_when_one_of_its_settings_changes(layout: Layout) -> None:
    path = layout.run / "supervisord.conf"
    texts = []
    for password in ("one", "two"):
        programs = list_processes(
            read_request({}, own={}), {**VALUES, "ADMIN_PASSWORD": password}, layout=layout
        )
        write_config(path, programs, layout=layout)
        texts.append(path.read_text(encoding="utf-8"))

    assert texts[0] != texts[1]


def test_it_quotes_values_when_an_environment_becomes_a_shell_file() -> None:
    assert render_environment({"B": "it's $HOME", "A": "1"}) == "A=1\nB='it'\"'\"'s $HOME'\n"


def test_it_names_the_setting_when_a_process_would_refuse_it() -> None:
    with pytest.raises(SettingError, match="BRIDGE_LINGER_MS='abc'"):
        check_settings(
            {
                "DATABASE_URL": "postgres://a:b@c/d",
                "REDIS_URL": "redis://c",
                "SECRET_KEY": "x" * 64,
                "MQTT_HOST": "c",
                "MQTT_BRIDGE_USER": "u",
                "MQTT_BRIDGE_PASSWORD": "p",
                "BRIDGE_SHARE_GROUP": "g",
                "MQTT_GATEWAY_USER": "u",
                "MQTT_GATEWAY_PASSWORD": "p",
                "BRIDGE_LINGER_MS": "abc",
            }
        )


def test_it_gives_each_process_the_address_of_its_own_role_only(layout: Layout) -> None:
    request = read_request({}, own={})
    addresses = {
        f"{role}{name}": f"{role}{name}"
        for role in ("", "WEB_", "INGEST_", "MAINTENANCE_", "BEAT_", "BRIDGE_", "FLOWER_")
        for name in ("DATABASE_URL", "REDIS_URL")
    }
    programs = list_processes(request, {**VALUES, **addresses}, layout=layout)
    found = {
        program.name: {
            name: text for name, text in program.environ.items() if name.endswith("_URL")
        }
        for program in programs
    }
    none = "postgres://none/none"
    both = {"WEB_URL": VALUES["WEB_URL"]}
    assert found == {
        "web": {**both, "DATABASE_URL": "WEB_DATABASE_URL", "REDIS_URL": "WEB_REDIS_URL"},
        "worker-ingest-1": {
            **both, "DATABASE_URL": "INGEST_DATABASE_URL", "REDIS_URL": "INGEST_REDIS_URL",
        },
        "worker-maintenance": {
            **both, "DATABASE_URL": "MAINTENANCE_DATABASE_URL",
            "REDIS_URL": "MAINTENANCE_REDIS_URL",
        },
        "beat": {**both, "DATABASE_URL": "BEAT_DATABASE_URL", "REDIS_URL": "BEAT_REDIS_URL"},
        "flower": {**both, "DATABASE_URL": none, "REDIS_URL": "FLOWER_REDIS_URL"},
        "bridge-1": {**both, "DATABASE_URL": none, "REDIS_URL": "BRIDGE_REDIS_URL"},
        "simulator": {**both, "DATABASE_URL": "WEB_DATABASE_URL", "REDIS_URL": "WEB_REDIS_URL"},
        "demo-history": {**both, "DATABASE_URL": "DATABASE_URL", "REDIS_URL": "REDIS_URL"},
    }  # fmt: skip


def test_it_gives_every_process_the_one_address_when_a_server_has_one_role(layout: Layout) -> None:
    request = read_request({}, own={})
    programs = list_processes(request, {**VALUES, "DATABASE_URL": "all"}, layout=layout)
    found = {program.name: program.environ["DATABASE_URL"] for program in programs}
    assert found["web"] == found["worker-ingest-1"] == found["beat"] == "all"
