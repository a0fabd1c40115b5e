"""The files of dashboards/, checked by Prometheus's and Alertmanager's own tools."""

import json
import pathlib
import re
import subprocess

import pytest

DASHBOARDS = pathlib.Path(__file__).resolve().parents[2] / "dashboards"


def check(*command):
    result = subprocess.run(command, capture_output=True, text=True, cwd=DASHBOARDS)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "command",
    [
        "promtool check rules alerts.yml",
        "promtool test rules alerts_test.yml",
        "promtool check config prometheus.yml",
        "amtool check-config alertmanager.yml",
    ],
)
def test_file_is_accepted_by_its_program(command):
    check(*command.split())


def test_wrong_expectation_fails_the_test_of_rules(tmp_path):
    """The test of the rules can fail."""
    text = (DASHBOARDS / "alerts_test.yml").read_text()
    assert "Arena is busy: 85%" in text
    (tmp_path / "alerts_test.yml").write_text(text.replace("Arena is busy: 85%", "Arena is busy: 86%"))
    (tmp_path / "alerts.yml").write_text((DASHBOARDS / "alerts.yml").read_text())
    result = subprocess.run(["promtool", "test", "rules", tmp_path / "alerts_test.yml"], capture_output=True)
    assert result.returncode != 0


def test_each_alert_is_tested_and_documented():
    alerts = re.findall(r"^ +- alert: (\w+)", (DASHBOARDS / "alerts.yml").read_text(), re.MULTILINE)
    assert len(alerts) > 25 and len(set(alerts)) == len(alerts)
    tests = (DASHBOARDS / "alerts_test.yml").read_text()
    page = (DASHBOARDS.parent / "docs/operating/monitoring.md").read_text()
    assert [alert for alert in alerts if f'alertname="{alert}"' not in tests] == []
    assert [alert for alert in alerts if f"`{alert}`" not in page] == []
    # No alert is named that does not exist.
    assert set(re.findall(r"\bTapline[A-Z]\w+", page)) <= set(alerts)


def test_dashboard_is_valid_json_with_unique_panels():
    dashboard = json.loads((DASHBOARDS / "grafana.json").read_text())
    panels = dashboard["panels"]
    assert len(panels) >= 8
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24 and not covered & cells, panel["title"]
        cells |= covered
        assert all(target["expr"] for target in panel["targets"]), panel["title"]
