"""A module and the `.sql` file beside it name the same queries, and each is used."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from telemetry.store.db.sql import QueryNameError

TELEMETRY = Path(__file__).parents[3] / "telemetry"
FILES = sorted(
    path for path in TELEMETRY.rglob("*.sql") if not path.is_relative_to(TELEMETRY / "sql")
)


def load(folder: Path, declared: str, queries: str) -> ModuleType:
    """A module that declares queries, imported with the file beside it."""
    source = folder / "made_for_test.py"
    source.write_text(
        "from telemetry.store.db.sql import Queries\n"
        f"class Sql(Queries):\n    {declared or 'pass'}\n",
        encoding="utf-8",
    )
    source.with_suffix(".sql").write_text(queries, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, source.stem, module)
        spec.loader.exec_module(module)
    return module


def test_it_reads_each_query_with_its_comments(tmp_path: Path) -> None:
    text = "-- name: one\n-- The first.\nSELECT 1\n\n-- name: two\nSELECT %(name)s\n"
    module = load(tmp_path, "one: str; two: str", text)
    assert (module.Sql.one, module.Sql.two) == ("-- The first.\nSELECT 1", "SELECT %(name)s")


@pytest.mark.parametrize(
    ("declared", "queries", "told"),
    [
        pytest.param("one: str; two: str", "-- name: one\nSELECT 1\n", "two", id="unknown"),
        pytest.param("one: str", "-- name: one\nx\n-- name: two\ny\n", "two", id="not declared"),
        pytest.param("one: str", "-- name: one\nx\n-- name: one\ny\n", "once", id="twice"),
        pytest.param("one: str", "SELECT 1\n-- name: one\nx\n", "before", id="without a name"),
    ],
)
def test_it_fails_at_import(tmp_path: Path, declared: str, queries: str, told: str) -> None:
    with pytest.raises(QueryNameError, match=told):
        load(tmp_path, declared, queries)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_uses_each_query_in_its_module(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))))
    [declared] = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name == "Sql"]
    names = {
        line.target.id
        for line in declared.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Sql"
    }
    assert names == used


def test_it_knows_every_file() -> None:
    assert len(FILES) > 20, "a rule over no files cannot fail"
