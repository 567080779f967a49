"""Named queries: each module reads those of the `.sql` file beside it."""

import re
import sys
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class QueryNameError(Exception):
    """A module and its `.sql` file do not name the same queries."""


class Queries:
    """The queries of a module; a subclass names each one as an attribute:

        class Sql(Queries):
            insert_batch: LiteralString

    In the `.sql` file, a query begins after the line `-- name: insert_batch`. Raises
    `QueryNameError` at import unless both name the same queries.
    """

    def __init_subclass__(cls) -> None:
        module = sys.modules[cls.__module__]
        assert module.__file__ is not None
        path = Path(module.__file__).with_suffix(".sql")
        texts = read_queries(path)
        declared = cls.__annotations__.keys()
        if declared != texts.keys():
            raise QueryNameError(
                f"{path}: without a query: {sorted(declared - texts.keys())}; "
                f"not declared in {cls.__module__}: {sorted(texts.keys() - declared)}"
            )
        for name, text in texts.items():
            setattr(cls, name, text)


def read_queries(path: Path) -> dict[str, str]:
    """The queries of a file by name. Raises `QueryNameError`, `OSError`."""
    before, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    found = parts[::2]
    if before.strip() or len(set(found)) < len(found):
        raise QueryNameError(f"{path}: expected `-- name: ...` once before each query")
    return dict(zip(found, (text.strip() for text in parts[1::2]), strict=True))
