"""`python -m tests.fuzz hostile|guided`: see the package. Exit code 1 for what must not be."""

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.hostile import MOST_S, TOKENS, check, list_seeds, make_hostile
from tests.unit.core.payloads import TOPIC

WATCHED = 8
"""Code whose coverage is watched is so many times as slow."""


def main() -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    hostile = commands.add_parser("hostile", help="messages made of valid ones")
    hostile.add_argument("--count", type=int, default=20_000)
    hostile.add_argument("--seed", type=int, default=0)
    guided = commands.add_parser("guided", help="coverage-guided, by atheris")
    guided.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    if options.command == "hostile":
        return run_hostile(options.count, seed=options.seed)
    return run_guided(options.seconds)


def run_hostile(count: int, *, seed: int) -> int:
    """Check so many messages, and print what is wrong and how long the slowest took."""
    slowest_s, wrong = 0.0, 0
    for topic, payload in make_hostile(count, seed=seed):
        try:
            took_s = check(topic, payload)
            if took_s > MOST_S:  # other work on the machine slows it: slow is what is so twice
                took_s = min(took_s, check(topic, payload))
        except Exception:
            wrong += 1
            print(f"{topic[:99]!r} {payload[:999]!r}\n{traceback.format_exc()}", file=sys.stderr)
            continue
        slowest_s = max(slowest_s, took_s)
        if took_s > MOST_S:
            wrong += 1
            print(f"{took_s * 1000:.1f} ms: {topic[:99]!r} {payload[:999]!r}", file=sys.stderr)
    print(f"{count:,} hostile messages, {wrong} wrong, the slowest took {slowest_s * 1000:.1f} ms")
    return 1 if wrong else 0


def run_guided(seconds: int) -> int:
    """Fuzz for so long. libFuzzer ends the process: with 77 for an exception."""
    import atheris  # type: ignore[import-untyped]  # `make fuzz` installs it

    for name in [name for name in sys.modules if name.startswith("telemetry.core")]:
        del sys.modules[name]
    del sys.modules["tests.unit.core.payloads"], sys.modules["tests.fuzz.hostile"]
    with atheris.instrument_imports(include=["telemetry.core"]):
        from tests.fuzz.hostile import check as check_watched

    def test_one(payload: bytes) -> None:
        took_s = check_watched(TOPIC, payload)
        if took_s > MOST_S * WATCHED:
            took_s = min(took_s, check_watched(TOPIC, payload))
        if took_s > MOST_S * WATCHED:
            raise AssertionError(f"{took_s * 1000:.1f} ms")

    folder = Path(tempfile.mkdtemp(prefix="tds-fuzz-"))
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, seed in enumerate(list_seeds()):
        (corpus / str(number)).write_bytes(seed)
    escaped = ("".join(f"\\x{byte:02x}" for byte in token[:60]) for token in TOKENS)
    words.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    limits = [f"-max_total_time={seconds}", "-max_len=70000", "-timeout=10", f"-dict={words}"]
    atheris.Setup(
        [sys.argv[0], *limits, f"-artifact_prefix={folder}/", "-print_final_stats=1", str(corpus)],
        test_one,
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
