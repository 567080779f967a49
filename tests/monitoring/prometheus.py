"""A Prometheus of Debian's, with the rules of `compose/monitoring` and shorter times."""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from compose.local.layout import REPOSITORY, StackError
from compose.local.ports import HOST

MONITORING = REPOSITORY / "compose" / "monitoring"
WINDOW = "20s"
"""What `rate` looks back on, in rules and in the dashboard."""
SHORTER = (
    (re.compile(r"\[\d+[mh]\]"), f"[{WINDOW}]"),
    (re.compile(r"tds_pending_oldest_seconds > 120"), "tds_pending_oldest_seconds > 3"),
)


class Prometheus:
    """Scrapes one address every second. Use with `with`; data goes with the folder."""

    def __init__(self, folder: Path, *, port: int, target: int) -> None:
        if shutil.which("prometheus") is None:
            raise StackError("prometheus is missing (on Debian: apt-get install prometheus)")
        self._folder, self._port = folder, port
        self.alerts = write_rules(folder / "rules.yaml")
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": "tds", "static_configs": [{"targets": [f"{HOST}:{target}"]}]}
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._running: subprocess.Popen[bytes] | None = None
        self.raised: Counter[str] = Counter()
        self.cleared: Counter[str] = Counter()
        self.firing: set[str] = set()

    def __enter__(self) -> Self:
        with (self._folder / "prometheus.log").open("wb") as log:
            self._running = subprocess.Popen(
                [
                    "prometheus", f"--config.file={self._folder}/prometheus.yaml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address={HOST}:{self._port}",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        give_up_at = time.monotonic() + 30
        while not self._is_ready():
            if time.monotonic() > give_up_at or self._running.poll() is not None:
                raise StackError((self._folder / "prometheus.log").read_text()[-2000:])
            time.sleep(0.2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            self._running.terminate()
            self._running.wait(20)

    def query(self, expression: str) -> list[Any]:
        """The series that an expression has now."""
        found: list[Any] = self._get("query", query=expression)["result"]
        return found

    def look(self) -> None:
        """Note which alerts were raised and cleared since the last look."""
        alerts = self._get("alerts")["alerts"]
        now = {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}
        self.raised.update(now - self.firing)
        self.cleared.update(self.firing - now)
        self.firing = now

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{HOST}:{self._port}/-/ready", timeout=5):
                return True
        except URLError:
            return False

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"http://{HOST}:{self._port}/api/v1/{what}?{urlencode(parameters)}"
        with urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]


def write_rules(path: Path) -> list[str]:
    """The rules, without their delays and with short windows; the names of the alerts."""
    rules = yaml.safe_load((MONITORING / "alert-rules.yaml").read_text(encoding="utf-8"))
    names = []
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("for", None)
        for pattern, shorter in SHORTER:
            rule["expr"] = pattern.sub(shorter, rule["expr"])
        names += [rule["alert"]] if "alert" in rule else []
    path.write_text(yaml.safe_dump(rules), encoding="utf-8")
    return names


def list_dashboard_queries() -> list[str]:
    """What the panels of the dashboard ask for."""
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [
        target["expr"].replace("$__rate_interval", WINDOW)
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
