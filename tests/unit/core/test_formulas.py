"""Text in cells of files that spreadsheets open, whichever separator they expect."""

import csv
import io

import pytest

from telemetry.core.formulas import disarm, restore

SIGNS = ("=", "+", "-", "@")


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1", "\r=1", "\uff1d1+1", "a;=1+1", "a,=1+1",
        "a;;=1+1", 'a";=1+1', "a\n=1", "a\t=1", "a; =1", "=1;=2", ";=1", '"=1', "a|=1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", [",", ";"])
@pytest.mark.parametrize("read", [",", ";", "\t", "|"])
def test_it_leaves_no_formula_whatever_separator_is_expected(
    text: str, written: str, read: str
) -> None:
    file = io.StringIO()
    csv.writer(file, delimiter=written).writerow(["name", disarm(text), "kWh"])
    lines = file.getvalue().replace("\r", "\n").splitlines()
    assert restore(disarm(text)) == text
    for row in csv.reader(lines, delimiter=read):
        for cell in row:
            bare = cell.strip().strip('"').strip()
            assert not bare.startswith((*SIGNS, "\uff1d")), (file.getvalue(), cell)


@pytest.mark.parametrize(
    "text", ["", "kWh", "m\u00b3", "a-b", "Hall 1 - north", "1+1=2", "me@home"]
)
def test_it_changes_no_other_text(text: str) -> None:
    assert disarm(text) == restore(text) == text
