"""Imports point one way (architecture.md, "Boundaries")."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ("config", "telemetry", "ingest_bridge", "workers", "compose")
STANDARD = frozenset(sys.stdlib_module_names)


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Every module that a file imports, wherever the import stands."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.add(node.module or "")
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(modules)


def imports_below(folder: str) -> list[tuple[str, str]]:
    """(file, module) of every import below a folder."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} has no modules: the rule would hold for nothing"
    return [
        (str(path.relative_to(ROOT)), module) for path in files for module in imported_modules(path)
    ]


def is_below(module: str, *packages: str) -> bool:
    """Whether a module is one of the packages or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_it_keeps_core_to_the_standard_library_and_msgspec() -> None:
    bad = [
        (path, module)
        for path, module in imports_below("telemetry/core")
        if module.partition(".")[0] not in STANDARD
        and not is_below(module, "msgspec", "telemetry.core")
    ]
    assert bad == []


def test_it_keeps_django_and_the_orm_out_of_the_bridge_and_the_queue() -> None:
    for folder in ("ingest_bridge", "telemetry/queue", "config/queue.py"):
        paths = (
            imports_below(folder)
            if not folder.endswith(".py")
            else [(folder, module) for module in imported_modules(ROOT / folder)]
        )
        bad = [
            (path, module)
            for path, module in paths
            if is_below(module, "django", "psycopg", "workers")
            or (
                is_below(module, "telemetry")
                and module != "telemetry"
                and not is_below(module, "telemetry.core", "telemetry.queue")
            )
        ]
        assert bad == []


def test_it_keeps_the_bridge_and_the_workers_out_of_telemetry() -> None:
    bad = [
        (path, module)
        for path, module in imports_below("telemetry")
        if is_below(module, "ingest_bridge", "workers", "compose")
    ]
    assert bad == []


def test_it_names_project_code_in_config_only_as_strings() -> None:
    bad = [
        (path, module)
        for path, module in imports_below("config")
        if is_below(module, "telemetry", "workers", "ingest_bridge", "compose")
    ]
    assert bad == []


def test_it_keeps_django_out_of_the_pool_that_stores() -> None:
    look = "import sys, config.ingest, workers.ingest; print('django.conf' in sys.modules)"
    environ = {
        "PATH": os.environ["PATH"],
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": "postgres://u@127.0.0.1:1/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env=environ, check=True, capture_output=True
    )
    assert done.stdout.strip() == b"False"


def test_it_keeps_the_bridge_out_of_the_workers() -> None:
    bad = [pair for pair in imports_below("workers") if is_below(pair[1], "ingest_bridge")]
    assert bad == []


def test_it_keeps_paho_in_the_bridge_and_the_simulator() -> None:
    bad = [
        (path, module)
        for folder in PROJECT
        for path, module in imports_below(folder)
        if is_below(module, "paho")
        and not path.startswith(("ingest_bridge/", "telemetry/simulator/", "compose/local/"))
    ]
    assert bad == []


def test_it_lets_the_stack_know_settings_and_nothing_else_of_the_product() -> None:
    bad = [
        (path, module)
        for path, module in imports_below("compose/local")
        if is_below(module, "django", "telemetry", "workers", "ingest_bridge")
        or (is_below(module, "config") and not is_below(module, "config.env", "config.options"))
    ]
    assert bad == []


def test_it_keeps_what_proves_out_of_what_runs() -> None:
    bad = [
        (path, module)
        for folder in PROJECT
        for path, module in imports_below(folder)
        if is_below(module, "tests")
    ]
    assert bad == []
    assert not any(is_below(module, "tests") for module in imported_modules(ROOT / "manage.py"))


def test_it_keeps_the_orm_out_of_the_containers_health_checks() -> None:
    modules = imported_modules(ROOT / "compose" / "health.py")
    bad = [module for module in modules if is_below(module, "django", "workers", "ingest_bridge")]
    assert modules
    assert bad == []


def module_of(path: Path) -> str:
    """The dotted name of a file; of `__init__.py`, that of its package."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


FILES = {module_of(path): path for folder in PROJECT for path in (ROOT / folder).rglob("*.py")}
PACKAGES = {module for module, path in FILES.items() if path.name == "__init__.py"}
WITH_PACKAGES = {package.rpartition(".")[0] for package in PACKAGES}
"""Packages that have packages of their own: their modules are looked at one by one."""


def package_of(module: str) -> str:
    """The package of a module; the module itself where others of its package may be higher."""
    package = module if module in PACKAGES else module.rpartition(".")[0]
    return module if package in WITH_PACKAGES else package


def find_cycle(files: dict[str, set[str]], unit_of: Callable[[str], str]) -> list[str]:
    """The names of a cycle of imports between units, of those that `files` imports; or none."""
    units: dict[str, set[str]] = {}
    for module, imports in files.items():
        own = units.setdefault(unit_of(module), set())
        own |= {unit_of(each) for each in imports if each in files} - {unit_of(module)}
    try:
        TopologicalSorter(units).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("unit_of", [str, package_of], ids=["modules", "packages"])
def test_it_has_no_cycle_of_imports(unit_of: Callable[[str], str]) -> None:
    found = find_cycle(
        {module: set(imported_modules(path)) for module, path in FILES.items()}, unit_of
    )
    assert found == []


def test_it_names_a_cycle_of_imports() -> None:
    planted = {
        "telemetry.store.reads.freshness": {"telemetry.store.billing.closing"},
        "telemetry.store.billing.closing": {"telemetry.store.db.locks"},
        "telemetry.store.billing.monthly_report": {"telemetry.store.reads.chart_series"},
        "telemetry.store.reads.chart_series": set[str](),
        "telemetry.store.db.locks": set[str](),
    }
    assert find_cycle(planted, str) == []
    assert set(find_cycle(planted, package_of)) == {
        "telemetry.store.reads",
        "telemetry.store.billing",
    }


@pytest.mark.parametrize("folder", PROJECT)
def test_it_sees_the_imports_that_it_checks(folder: str) -> None:
    assert imports_below(folder), "a rule over no imports cannot fail"
