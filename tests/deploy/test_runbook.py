"""deploy/runbook.md and deploy/k8s/README.md: what they name exists."""

import re
from pathlib import Path

import pytest
import yaml

from service.config import Settings
from service.observability.metrics import Metrics
from tests.deploy.manifests import series_of

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = [
    rule["alert"]
    for group in yaml.safe_load((DEPLOY / "observability" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
every_text = pytest.mark.parametrize("name", ["runbook.md", "k8s/README.md"])


def anchors(text: str) -> set[str]:
    """Those of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_its_section(alert: str) -> None:
    """Under its name, with what it means and what to do."""
    text = (DEPLOY / "runbook.md").read_text()
    section = re.search(rf"^### {alert}$(.+?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert re.findall(r"^\*\*(.+?)\.\*\*", section[1], re.MULTILINE) == ["Meaning", "Likely causes", "Look at", "Do"]


def test_no_section_is_of_an_alert_that_is_gone() -> None:
    """Every Kinepose... heading is an alert."""
    headings = re.findall(r"^### (Kinepose\w+)$", (DEPLOY / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


@every_text
def test_links_lead_somewhere(name: str) -> None:
    """Files exist, and anchors in them."""
    path = DEPLOY / name
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target


@every_text
def test_settings_and_metrics_exist(name: str) -> None:
    """Variables are those of Settings, metrics those that are exported."""
    text = (DEPLOY / name).read_text()
    settings = {f"KINEPOSE_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"\bKINEPOSE_\w+", text)) <= settings
    exported = {series for metric in Metrics().registry.collect() for series in series_of(metric)}
    assert set(re.findall(r"\bkinepose_\w+", text)) <= exported
