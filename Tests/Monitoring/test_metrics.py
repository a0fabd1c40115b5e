"""The metrics of real programs: their format, their documentation, and the queries of rules and dashboard."""

import json
import re
import subprocess

import http_client
from harness import ROOT
from site_under_watch import DASHBOARDS
from waiting import equal, wait_until

PAGE = ROOT / "docs/reference/metrics.md"
# Alert expressions and panels wait for it: the slowest part is a heartbeat of 15 s.
SERIES_LIMIT_S = 90


def lint(text: str):
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr


def types(text: str) -> dict:
    """Returns the type of each metric of a text, by name."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def documented(section: str) -> dict:
    """Returns the types of the metrics that the page lists: those of devices, or all others."""
    parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    devices = [part for part in parts if part.startswith("Devices")]
    assert len(devices) == 1
    chosen = devices if section == "devices" else [part for part in parts if part not in devices]
    # A row may list several metrics of one type.
    rows = re.findall(r"^\| (`[^|]*`) \| (counter|gauge|histogram) \|", "\n".join(chosen), re.MULTILINE)
    listed = [(name, kind) for names, kind in rows for name in re.findall(r"`(\w+)", names)]
    assert len(dict(listed)) == len(listed), "a metric is listed twice"
    return dict(listed)


def metrics(site) -> str:
    return http_client.get(site, "/metrics").body.decode()


def device_metrics(site) -> str:
    path = site.textfiles / "first.prom"
    wait_until(path.exists, "the publisher has written its metrics")
    return path.read_text()


def test_metrics_of_a_center_pass_promtool(site):
    lint(metrics(site))


def test_metrics_of_a_device_pass_promtool(site):
    lint(device_metrics(site))


def test_page_lists_exactly_the_metrics_of_a_center(site):
    # Only a center with TLS has all of them.
    found = types(site.tls_metrics())
    assert types(metrics(site)).items() <= found.items()
    assert found == documented("center")


def test_page_lists_exactly_the_metrics_of_a_device(site):
    assert types(device_metrics(site)) == documented("devices")


def selectors(expression: str) -> set:
    """Returns the vector selectors of a PromQL expression. Label matchers stay, functions and labels do not."""
    text = re.sub(r"\[[^\]]*\]", "", expression)
    text = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", text)
    text = re.sub(r"\$__\w+", "", text)
    found = re.findall(r'([a-zA-Z_:][\w:]*)\s*(\{(?:[^}"]|"[^"]*")*\})?\s*(\(?)', text)
    words = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
    return {name + labels for name, labels, call in found if not call and name.lower() not in words}


def test_selectors_are_found_in_expressions():
    assert selectors('max by (zone) (a{x="1"} / b) >= 0.5 unless increase(c_total[5m]) > 3 * time()') == {
        'a{x="1"}',
        "b",
        "c_total",
    }


def expect_none(missing):
    """Waits until nothing is missing; names what is."""
    try:
        wait_until(lambda: not missing(), "nothing is missing", SERIES_LIMIT_S)
    except AssertionError:
        equal(missing(), [], "without a series")


def queries_of_rules(site) -> dict:
    groups = site.prometheus("rules")["groups"]
    return {rule["name"]: rule["query"] for group in groups for rule in group["rules"]}


def queries_of_dashboard() -> dict:
    dashboard = json.loads((DASHBOARDS / "grafana.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "10s")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


def test_each_selector_of_the_rules_has_a_series(site):
    queries = queries_of_rules(site)
    assert len(queries) > 25
    wanted = {selector for query in queries.values() for selector in selectors(query)}

    def missing() -> list:
        return sorted(selector for selector in wanted if not site.series(selector))

    expect_none(missing)


def test_each_query_of_the_dashboard_has_a_series(site):
    queries = queries_of_dashboard()
    assert len(queries) > 15

    def missing() -> list:
        return sorted(name for name, query in queries.items() if not site.series(query))

    expect_none(missing)


def test_both_centers_are_collected(site):
    wait_until(lambda: site.series('up{job="tapline-center"} == 1') == 2, "both centers are collected")
    # A center with TLS shows the end of its certificate.
    wait_until(lambda: site.series("tapline_http_certificate_expires_timestamp_seconds"), "the certificate has a series")


def test_alert_of_a_device_without_a_broker_is_raised(site):
    """From the device's file to the alert: its backlog is known, and its faults."""
    wait_until(
        lambda: site.series('ALERTS{alertname="TaplineDeviceFaults",scanner=~"second-.*"}'),
        "the alert of the device is pending or firing",
        SERIES_LIMIT_S,
    )
