"""Rows that a bench puts straight into the database, by two connections at a time."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg

from compose.local.layout import StackError

WRITERS = 2


def write_each(url: str, statement: LiteralString, parameters: Iterable[Mapping[str, Any]]) -> None:
    """Run the statement with each of the parameters, in no order. Raises `StackError`."""

    def write(given: Mapping[str, Any]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement, given)

    with ThreadPoolExecutor(WRITERS) as pool:
        try:
            list(pool.map(write, parameters))
        except psycopg.Error as error:
            raise StackError(f"filling the table failed: {error}") from error
