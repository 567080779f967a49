"""Words that were given up do not come back as names of files, classes, functions or arguments."""

import io
import keyword
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class GoneWord(NamedTuple):
    """A pattern that a whole identifier or a module's name matches; where it must not stand; what
    to say instead. `folders` may name files. To give up another word, add a row."""

    pattern: str
    folders: tuple[str, ...]
    instead: str


INGEST = ("telemetry/core/validator.py", "telemetry/core/fast_path.py", "telemetry/store/ingest")
PAGES = ("telemetry/web", "telemetry/templatetags", "telemetry/admin", "telemetry/api")
WORKERS = ("workers/guard.py", "workers/pool_guard.py", "workers/runner.py")
PROOFS = ("tests/chaos", "tests/simulation", "tests/protocol")
PRODUCT = ("telemetry", "workers", "config")
AREAS = tuple(
    f"telemetry/{area}"
    for area in (
        "accounts", "alarms", "backup", "core", "dead_letters", "fleet", "imports", "management",
        "models", "reporting", "simulator", "store",
    )
)  # fmt: skip
EVERYWHERE = ("",)

GONE = (
    GoneWord("Verdict", EVERYWHERE, "ValidatedMessage"),
    GoneWord("Refusal|refusals?", EVERYWHERE, "Rejection, rejection"),
    GoneWord("Judge|judge_messages?|judge_carefully", EVERYWHERE, "Validator, validate_messages"),
    GoneWord("accept_plain|is_plain", EVERYWHERE, "try_fast_path, allows_fast_path"),
    GoneWord("carefully|_insert_carefully", EVERYWHERE, "skip_existing"),
    GoneWord("judge|verdicts?", (*INGEST, *WORKERS, *PROOFS), "validate, validated_message, check"),
    GoneWord("_?refused(_at|_percent)?", (*INGEST, *WORKERS), "rejected"),
    GoneWord("_?[Bb]ooks", ("telemetry/store/ingest", "tests"), "ledger, tables, delivery_report"),
    GoneWord("plain|straight", INGEST, "fast path"),
    GoneWord("_?letters?", ("telemetry/store/ingest", *PAGES, *PROOFS), "dead_letter, email"),
    GoneWord(r"[Aa]sked|AskedError|Wanted\w*|wanted", PAGES, "params"),
    GoneWord(r"[Pp]icture|drawing|drawn|draw_\w+|_?place", PAGES, "view, to_json, render, index"),
    GoneWord("[Mm]oves?|[Nn]aming|wording|words", PAGES, "navigation, labels, formatting, text"),
    GoneWord(r"_?keep_\w+|kept|write_tag", PAGES, "fragment_cache, make_etag"),
    GoneWord(r"\w*figures|Figures|[Ss]o_?[Ff]ar", PAGES, "aggregates, values, totals"),
    GoneWord(
        "given|said|told|Happened|Shape|Faults?|faults?", PAGES, "params, text, schema, error"
    ),
    GoneWord("Letter|LetterState|_?look", PAGES, "DeadLetter, read_params"),
    GoneWord("_?letters?", AREAS, "dead_letter, invitation"),
    GoneWord("_?judged?(_.*)?|.*_judged?", PRODUCT, "evaluate, validate, classify"),
    GoneWord("JUDGE_ALARMS_TASK|judge_(alarms|fault|file|levels)", EVERYWHERE, "evaluate_alarms"),
    GoneWord("FaultKind", EVERYWHERE, "ErrorKind"),
    GoneWord("verdict", AREAS, "validated_message, status"),
    GoneWord("_?refuse[ds]?(_.*)?|Refused.*|.*_refused", AREAS, "rejected, frozen"),
    GoneWord("(store_)?keep_storage|KEEP_STORAGE_TASK", EVERYWHERE, "apply_retention"),
    GoneWord("Storage(Options|Plan|Kept|RuleError)|storage_life", EVERYWHERE, "Retention..."),
    GoneWord("Recut.*|find_(raw|aggregate)_cut|raw_cut", EVERYWHERE, "cutoff"),
    GoneWord("(noted|judged)_(at|until)", EVERYWHERE, "recorded_at, evaluated_until"),
    GoneWord("note_(use|drop|month)|take_notes|AccountNote", EVERYWHERE, "record_..., dirty"),
    GoneWord("touched.*|superfluous", PRODUCT, "affected, obsolete"),
    GoneWord("Figures|figures|[bB]ooks", AREAS, "Totals, values, ledger"),
    GoneWord(
        "[pP]laces?|standing", ("telemetry/store/reads", "telemetry/imports"), "key, position"
    ),
    GoneWord("kept|told|asked", ("telemetry/management", "telemetry/store"), "the exact word"),
    GoneWord("read_line_.*|list_lines|MOST_LINES|Line|.*close_up", PAGES, "series, device chart"),
)


def find_word(word: GoneWord, *, path: str, source: str) -> list[str]:
    """Places in one file, as `path:line: name`."""
    if not any(
        path == folder or path.startswith(f"{folder}/" if folder else "") for folder in word.folders
    ):
        return []
    pattern = re.compile(word.pattern)
    found = [f"{path}: its name"] if pattern.fullmatch(Path(path).stem) else []
    names = list_sql_names(source) if path.endswith(".sql") else list_python_names(source)
    return found + [f"{path}:{line}: {name}" for line, name in names if pattern.fullmatch(name)]


def list_python_names(source: str) -> list[tuple[int, str]]:
    """Identifiers with their lines."""
    return [
        (token.start[0], token.string)
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string)
    ]


def list_sql_names(source: str) -> list[tuple[int, str]]:
    """Identifiers, key words and names of queries with their lines; no comments, no texts."""
    return [
        (number, name)
        for number, line in enumerate(source.splitlines(), start=1)
        for name in re.findall(r"\w+", re.sub(r"--(?! name:).*|'[^']*'", "", line))
    ]


def read_sources() -> dict[str, str]:
    """Every Python and SQL file of the project by its path; hidden folders hold installations."""
    files = [*ROOT.glob("*.py"), *ROOT.glob("[!.]*/**/*.py"), *ROOT.glob("[!.]*/**/*.sql")]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    found = read_sources()
    assert "workers/runner.py" in found
    return found


@pytest.mark.parametrize("word", GONE, ids=lambda word: word.pattern)
def test_it_finds_no_word_that_was_given_up(word: GoneWord, sources: dict[str, str]) -> None:
    found = [
        place
        for path, source in sources.items()
        if re.search(word.pattern, source) or re.search(word.pattern, path)
        for place in find_word(word, path=path, source=source)
    ]
    assert not found, f"say {word.instead} instead: {', '.join(found)}"


def test_it_sees_names_and_files_but_no_prose() -> None:
    word = GoneWord("judge", ("here",), "validate")
    source = '"""To judge."""\n# judge\nx = "judge"\njudged = judge(x)\n'
    assert find_word(word, path="here/a.py", source=source) == ["here/a.py:4: judge"]
    assert find_word(word, path="here/judge.py", source="") == ["here/judge.py: its name"]
    assert find_word(word, path="there/a.py", source=source) == []
    assert find_word(word, path="hereafter/a.py", source=source) == []
    query = "-- name: judge\n-- judge\nSELECT judge, 'judge' FROM judged -- judge\n"
    assert find_word(word, path="here/a.sql", source=query) == [
        "here/a.sql:1: judge",
        "here/a.sql:3: judge",
    ]


@pytest.mark.parametrize("word", GONE, ids=lambda word: word.pattern)
def test_it_names_only_folders_that_exist(word: GoneWord) -> None:
    assert all((ROOT / folder).exists() for folder in word.folders)
