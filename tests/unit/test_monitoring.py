"""Alert rules and the dashboard use metrics that exist, and rules are valid where promtool is."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry.metrics.names import BY_NAME, METRICS

MONITORING = Path(__file__).parents[2] / "compose" / "monitoring"
RULES = MONITORING / "alert-rules.yaml"
NAME = re.compile(r"\btds_[a-z0-9_]+")
RECORDED = re.compile(r"\btds:[a-z0-9_:]+")


def list_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def list_dashboard_queries() -> list[str]:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def list_unknown(text: str) -> list[str]:
    """Names of series that no metric has."""
    known = set(BY_NAME)
    for metric in METRICS:
        if metric.kind == "histogram":
            known |= {f"{metric.name}_{end}" for end in ("bucket", "sum", "count")} - {metric.name}
    return [name for name in NAME.findall(text) if name not in known]


def test_it_asks_for_metrics_that_exist() -> None:
    queries = [rule["expr"] for rule in list_rules()] + list_dashboard_queries()
    assert len(queries) > 40
    assert [unknown for query in queries for unknown in list_unknown(query)] == []
    assert list_unknown("rate(tds_nothing_total[5m])") == ["tds_nothing_total"]


def test_it_records_what_alerts_use() -> None:
    recorded = {rule["record"] for rule in list_rules() if "record" in rule}
    used = {name for rule in list_rules() for name in RECORDED.findall(rule["expr"])}
    assert used == recorded


def test_it_shows_every_metric() -> None:
    shown = " ".join(list_dashboard_queries() + [rule["expr"] for rule in list_rules()])
    missing = [
        metric.name
        for metric in METRICS
        if not re.search(rf"\b{metric.name}(_bucket|_sum|_count)?\b", shown)
    ]
    assert missing == []


def test_it_explains_every_alert() -> None:
    page = (MONITORING / "README.md").read_text(encoding="utf-8")
    alerts = [rule["alert"] for rule in list_rules() if "alert" in rule]
    assert [alert for alert in alerts if f"`{alert}`" not in page] == []
    assert {rule["labels"]["severity"] for rule in list_rules() if "alert" in rule} == {
        "page", "ticket",
    }  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_it_names_metrics_as_prometheus_does(metric: Any) -> None:
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.unit or metric.name.endswith(f"_{metric.unit}")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_accepts_the_rules() -> None:
    command = ["promtool", "check", "rules", str(RULES)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
