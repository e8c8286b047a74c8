"""Tests of the dashboard and the alert rules in deploy/: all metrics and labels exist, and promtool accepts it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkauth.events.metrics import Metrics, Names, State
from linkauth.events.sink import Record
from linkauth.events.types import BackendCalled

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text("utf-8"))
RULES = ROOT / "deploy/alerts.yml"
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OTHER_LABELS = {"instance", "le", "job", "by"}
PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    names = Names(frozenset({"corp"}), frozenset({"google"}), frozenset({"skill"}))
    return Metrics(names, State(lambda: (1, 2), dict, lambda: {"active": 3}))


@pytest.fixture(scope="module")
def labels_of(metrics: Metrics) -> dict[str, set[str]]:
    """The labels of each metric by the name of its samples."""
    found: dict[str, set[str]] = {"linkauth_links": {"state"}}
    for metric in (*metrics._counters.values(), metrics._dropped):
        found[f"{metric._name}_total"] = set(metric._labelnames)
    for name in ("bucket", "count", "sum"):
        found[f"{metrics._seconds._name}_{name}"] = set(metrics._seconds._labelnames)
    for gauge in (metrics._up, metrics._running, metrics._waiting):
        found[gauge._name] = set(gauge._labelnames)
    return found


def rule_expressions() -> Iterator[str]:
    text = re.sub(r">-\n\s+", "", RULES.read_text("utf-8"))
    for match in re.finditer(r"expr: (.*(?:\n {10}\S.*)*)", text):
        yield match[1]


def test_every_metric_and_label_exists(labels_of: dict[str, set[str]]) -> None:
    rules = list(rule_expressions())
    assert len(rules) == RULES.read_text("utf-8").count("alert:")
    assert len(EXPRESSIONS) > 15
    for expression in (*EXPRESSIONS, *rules):
        names = set(re.findall(r"\blinkauth_\w+", expression))
        assert names or expression.startswith("up{"), expression
        assert names <= set(labels_of), expression
        used = set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", expression))
        used |= {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        assert used <= OTHER_LABELS.union(*(labels_of[name] for name in names)), expression


def test_every_metric_is_documented_and_shown(labels_of: dict[str, set[str]]) -> None:
    document = (ROOT / "docs/operation.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(linkauth_\w+)` \|(.*?)\|", document, re.MULTILINE))
    documented = {name: set(re.findall("`([a-z]+)`", labels)) for name, labels in rows.items()}
    expected = {name: labels for name, labels in labels_of.items() if not name.endswith(("_bucket", "_count", "_sum"))}
    assert documented == expected | {"linkauth_backend_seconds": {"backend"}}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: run tests/servers/install")
def test_promtool_accepts_rules_dashboard_and_metrics(tmp_path: Path, metrics: Metrics) -> None:
    assert PROMTOOL

    def check(*arguments: str, text: str = "") -> None:
        result = subprocess.run([PROMTOOL, *arguments], input=text, capture_output=True, text=True, check=False)  # type: ignore[list-item]
        assert result.returncode == 0, result.stdout + result.stderr

    check("check", "rules", str(RULES))
    tests = tmp_path / "tests.yml"
    tests.write_text(
        (Path(__file__).with_name("alert_tests.yml")).read_text("utf-8").replace("RULES", str(RULES)), "utf-8"
    )
    check("test", "rules", str(tests))
    # the expressions of the dashboard as rules, with what Grafana replaces
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, each in enumerate(EXPRESSIONS)
    ]
    panels = tmp_path / "panels.yml"
    panels.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    check("check", "rules", str(panels))
    metrics.write([Record(BackendCalled("corp", "sign-in", "answered", 0.1), 0)])
    check("check", "metrics", text=metrics.render().decode())
