"""Run settings from YAML."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from model.config import CONFIGS
from model.skeletons import JHMDB_15
from tests.training import small_run
from training.config import bundled, read_config


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_config_is_valid(name: str) -> None:
    """Each says a run of at least one step."""
    assert all(stage.steps > 0 for stage in read_config(name).stages)


def test_the_paper_configs_have_the_papers_settings() -> None:
    """Adam at a constant 5e-3 with 16 clips (Penn), 1e-3 with 8 (sub-JHMDB), five frames."""
    for name, rate, batch in (("kimnet-r50-penn", 5e-3, 16), ("kimnet-r50-sub-jhmdb", 1e-3, 8)):
        [stage] = read_config(name).stages
        assert (stage.optimizer.name, stage.optimizer.schedule, stage.optimizer.rate) == ("adam", "constant", rate)
        assert (stage.phases[0].batch, stage.sequence.frames) == (batch, 5)


def test_a_fold_replaces_the_part_of_sub_jhmdb_alone() -> None:
    """`--fold 3` reads train3."""
    [source] = read_config("kimnet-lite-sub-jhmdb").with_fold(3).clips
    assert source.part == "train3"
    assert small_run.config().with_fold(3) == small_run.config()


def test_a_config_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    """A YAML file says the same as the settings it was written from."""
    path = small_run.write_config(tmp_path / "mine.yaml", small_run.config())
    assert read_config(str(path)) == small_run.config()


def test_a_missing_config_names_those_that_are_there() -> None:
    """A typing error is answered with the list."""
    with pytest.raises(FileNotFoundError, match="kimnet-lite"):
        read_config("kimnet-light")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"modell": "x"}, "modell"),
        ({"model": "hourglass"}, "expected one of"),
        ({"clips": [], "stills": []}, "nothing to learn from"),
        ({"clips": []}, "needs clips"),
        ({"average": 2}, "average"),
        ({"save_every": 3, "log_every": 2}, "multiple of log_every"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, object], said: str) -> None:
    """Unknown keys, unknown names and ranges are errors before anything starts."""
    with pytest.raises(ValidationError, match=said):
        type(small_run.config()).model_validate({**small_run.config().model_dump(), **change})


def test_a_stage_knows_the_phase_of_each_step() -> None:
    """Phases follow one another; after the last step it is still the last phase."""
    stage = small_run.config(steps=5).stages[0]
    assert [stage.phase_at(step) for step in (0, 1, 2, 5)] == [
        (stage.phases[0], 2),
        (stage.phases[0], 2),
        (stage.phases[1], 5),
        (stage.phases[1], 5),
    ]


def test_switches_of_table_v_come_from_yaml_and_from_the_command_line() -> None:
    """Each is checked by name and value; the command line goes over the file."""
    run = small_run.config()
    assert run.network == CONFIGS["kimnet-lite"]
    turned = run.with_switches(["share_qk=true", "kmm_scale=none", "kmm_norm=softmax", "skeleton=jhmdb15"])
    network = turned.network
    assert (network.share_qk, network.kmm_scale, network.kmm_norm) == (True, "none", "softmax")
    assert network.skeleton is JHMDB_15
    assert turned.with_switches(["share_qk=false"]).network.share_qk is False
    for wrong in (["share_qk"], ["shared=true"], ["kmm_norm=cubic"], ["heatmap_relation=true"]):
        with pytest.raises(ValueError, match=r"switch|Extra inputs|Input should be|heatmap_relation"):
            run.with_switches(wrong)
