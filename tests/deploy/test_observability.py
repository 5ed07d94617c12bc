"""What Prometheus and Grafana are given: valid, complete, and of metrics that exist."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from service.observability.metrics import Metrics
from tests.deploy.promql import Known, faults

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "observability"
RUNBOOK = "deploy/runbook.md"
GRID_WIDTH = 24
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
PROMETHEUS_OWN = {"up": frozenset[str](), "ALERTS": frozenset({"alertname", "alertstate", "severity"})}

Panel = dict[str, Any]


def loaded(name: str) -> Any:
    """A YAML or JSON file of deploy/observability."""
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


RULES: list[dict[str, Any]] = [rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES}
DASHBOARD = loaded("grafana/dashboards/kinepose.json")
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}


# -- queries ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> Known:
    """Every metric that a query may name, with its labels."""
    metrics = Metrics()
    wrappers = [wrapper for wrapper in vars(metrics).values() if isinstance(wrapper, MetricWrapperBase)]
    labels = {family.name: frozenset(wrapper._labelnames) for wrapper in wrappers for family in wrapper.describe()}
    found = dict(PROMETHEUS_OWN)
    for family in metrics.registry.collect():
        has = labels.get(family.name, frozenset(name for sample in family.samples for name in sample.labels))
        for suffix in SUFFIXES.get(family.type, ()):
            found[family.name + suffix] = has | ({"le"} if suffix == "_bucket" else set())
    return found


def expanded(query: str) -> str:
    """The query as Grafana sends it."""
    return query.replace("$__rate_interval", "5m").replace("$instance", "10.0.0.1:8000|10.0.0.2:8000")


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_names_metrics_that_exist(alert: str, known: Known) -> None:
    """A rule on a metric that nobody shows never fires."""
    assert faults(ALERTS[alert]["expr"], known) == []


@pytest.mark.parametrize("title", PANELS)
def test_panel_names_metrics_that_exist(title: str, known: Known) -> None:
    """Nor does such a panel show anything."""
    for target in PANELS[title]["targets"]:
        assert faults(expanded(target["expr"]), known) == []


def test_annotations_and_variables_name_metrics_that_exist(known: Known) -> None:
    """They are queries, too."""
    for annotation in DASHBOARD["annotations"]["list"]:
        assert faults(expanded(annotation["expr"]), known) == []
    for variable in DASHBOARD["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        assert faults(f"sum by ({label}) ({metric})", known) == []


def test_legends_name_labels_that_their_query_keeps() -> None:
    """A legend of another label is empty."""
    for panel in PANELS.values():
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                kept = re.findall(r"by \(([^)]*)\)", target["expr"])
                assert label == "instance" if not kept else label in re.split(r",\s*", kept[0])


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("sum(rate(kinepose_frame_total[5m]))", "no metric 'kinepose_frame_total'"),
        ("kinepose_frames", "no metric 'kinepose_frames'"),
        ("absent(up == 1) or kinepose_worker_alive < 1", "no metric 'kinepose_worker_alive'"),
        ('rate(kinepose_frames_total{outcom="ok"}[5m])', "kinepose_frames_total has no label 'outcom'"),
        ("sum by (outcome, queue) (kinepose_frames_total)", "kinepose_frames_total has no label 'queue'"),
        ("sum without (line) (kinepose_frames_claimed_total)", "kinepose_frames_claimed_total has no label 'line'"),
        ("sum by (le) (rate(kinepose_batch_size_sum[5m]))", "kinepose_batch_size_sum has no label 'le'"),
        ("up / on (stage) group_left () up", "up has no label 'stage'"),
        ("max_over_time(deriv(kinepose_stream_frame[5m])[1h:1m])", "no metric 'kinepose_stream_frame'"),
    ],
)
def test_misspelt_query_is_found(query: str, fault: str, known: Known) -> None:
    """Wherever in the query the mistake is."""
    assert fault in faults(query, known)


def test_right_query_has_no_faults(known: Known) -> None:
    """Label values and words of the language are not taken for names."""
    query = 'sum by (le, job) (rate(kinepose_compute_duration_seconds_bucket{stage=~"by|kinepose_x",job!=""}[5m]))'
    assert faults(f"histogram_quantile(0.9, {query}) > bool 1 and on (job) up", known) == []


def test_broken_query_is_found(known: Known) -> None:
    """What Prometheus would not read is an error here, too."""
    with pytest.raises(ValueError, match=r"unexpected|invalid|unclosed|parenthes"):
        faults("sum(rate(kinepose_frames_total[5m])", known)


# -- alerts -----------------------------------------------------------------------------------------------


def headings(markdown: str) -> set[str]:
    """Anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_says_what_it_means_and_where_to_read_on(alert: str) -> None:
    """Whoever it wakes up knows what to do."""
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(rule["annotations"].values())
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOK}#{alert.lower()}"
    assert alert.lower() in headings((ROOT / RUNBOOK).read_text(encoding="utf-8"))


def test_names_of_alerts_are_unique() -> None:
    """One name, one chapter of the runbook."""
    assert len(ALERTS) == len(RULES)


# -- Prometheus -------------------------------------------------------------------------------------------


def test_frontends_and_workers_are_scraped_with_a_key() -> None:
    """Found by DNS, so that scaling needs no change here."""
    config = loaded("prometheus.yml")
    assert all((HERE / name).is_file() for name in config["rule_files"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {"kinepose-frontend", "kinepose-worker"}
    for name, job in jobs.items():
        (discovery,) = job["dns_sd_configs"]
        assert (discovery["names"], discovery["type"], discovery["port"]) == ([name.split("-")[1]], "A", 8000)
        assert job["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/metrics-key"}


PROMTOOL = shutil.which("promtool")
CHECKS = {
    "config": ["check", "config", "--syntax-only", str(HERE / "prometheus.yml")],
    "rules": ["check", "rules", str(HERE / "alerts.yml")],
    "alerts fire": ["test", "rules", str(Path(__file__).parent / "alerts_test.yml")],
}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian package `prometheus`) is not installed")
@pytest.mark.parametrize("check", CHECKS)
def test_promtool_accepts_it(check: str) -> None:
    """Prometheus's own judgement."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *CHECKS[check]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire() -> None:
    """alerts_test.yml leaves none out."""
    reported = (Path(__file__).parent / "alerts_test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', reported)) == set(ALERTS)


# -- Grafana ----------------------------------------------------------------------------------------------


def test_dashboard_has_what_grafana_asks_for() -> None:
    """It loads as it is, and can be linked to."""
    assert DASHBOARD["uid"] == "kinepose"
    assert DASHBOARD["schemaVersion"] >= 39
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == [
        "At a glance",
        "Traffic",
        "Workers",
        "Queue",
        "Sessions and state",
        "Security",
        "Processes",
        "People",
    ]


def _overlap(one: Panel, other: Panel) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    return not (beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])


def test_panels_fill_the_grid_without_overlap() -> None:
    """None covers another, none is outside, and no line has a hole."""
    panels = DASHBOARD["panels"]
    assert [(a["title"], b["title"]) for a, b in combinations(panels, 2) if _overlap(a, b)] == []
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= GRID_WIDTH for place in places)
    for y in {place["y"] for place in places}:
        assert sum(place["w"] for place in places if place["y"] == y) == GRID_WIDTH


@pytest.mark.parametrize("title", PANELS)
def test_panel_says_its_unit_its_source_and_what_it_shows(title: str) -> None:
    """A number without a unit is a riddle."""
    panel = PANELS[title]
    (source,) = loaded("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": source["uid"]}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_dashboards_are_provisioned() -> None:
    """Grafana reads them from the folder that compose mounts."""
    (provider,) = loaded("grafana/provisioning/dashboards/kinepose.yml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
    assert [json.loads(path.read_text())["uid"] for path in (HERE / "grafana/dashboards").iterdir()] == ["kinepose"]
