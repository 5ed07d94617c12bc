"""How the command line behaves beside its work: version, completion, mistyped settings, what it imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import COMMANDS, main
from service.cli.failures import CommandFailed
from service.cli.settings import check_names
from service.cli.settings_table import page
from service.config import Settings

ROOT = Path(__file__).parents[3]


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, and nothing else done."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == "kinepose 0.1.0\n"


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("KINEPOSE_HTTP_PROT", "is KINEPOSE_HTTP_PORT meant?"),
        ("kinepose_devise", "is KINEPOSE_DEVICE meant?"),
        ("KINEPOSE_QQQ", "`kinepose settings` lists them"),
    ],
)
def test_a_mistyped_setting_is_an_error_that_names_the_nearest(variable: str, told: str) -> None:
    """It would be passed over in silence."""
    with pytest.raises(CommandFailed) as raised:
        check_names([variable])

    assert f"{variable} is no setting" in str(raised.value)
    assert told in str(raised.value)


def test_what_is_no_mistake_is_passed_over() -> None:
    """Settings in any case, others' variables, and what Kubernetes tells of a Service called kinepose."""
    check_names(
        [
            *(f"KINEPOSE_{name.upper()}" for name in Settings.model_fields),
            *("kinepose_host", "KINEPOSE", "PATH", "KINEPOSE_TAG"),
            *("KINEPOSE_SERVICE_HOST", "KINEPOSE_SERVICE_PORT_HTTP", "KINEPOSE_PORT", "KINEPOSE_PORT_8000_TCP_ADDR"),
        ]
    )


def test_every_command_checks_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    monkeypatch.setenv("KINEPOSE_WIEGHTS_DIR", "/tmp")

    assert main(["models"]) == 2
    assert capsys.readouterr().err == "kinepose: KINEPOSE_WIEGHTS_DIR is no setting; is KINEPOSE_WEIGHTS_DIR meant?\n"


def test_the_table_of_settings_is_current() -> None:
    """`make settings` writes it anew; every setting is in it once."""
    assert (ROOT / "docs" / "settings.md").read_text() == page()
    for name in Settings.model_fields:
        assert page().count(f"| `KINEPOSE_{name.upper()}` |") == 1


# -- completion -------------------------------------------------------------------------------------------


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    script = subprocess.run(
        [sys.executable, "-m", "service", "completion", "bash"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    line = " ".join(f"'{word}'" for word in words)
    asked = f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _kinepose; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", script + asked], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["kinepose", "est"], ["estimate"]),
        (["kinepose", "estimate", "--output"], ["--output", "--output-dir"]),
        (["kinepose", "serve", "--device", "cu"], ["cuda"]),
        (["kinepose", "keys", "re"], ["remove"]),
    ],
)
def test_bash_completes_commands_options_and_choices(words: list[str], offered: list[str]) -> None:
    """By a script that needs nothing else."""
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script_with_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Made from the same table."""
    assert main(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)


# -- imports ----------------------------------------------------------------------------------------------

HEAVY = ("av", "cv2", "fastapi", "numpy", "openvino", "redis", "scipy", "torch", "uvicorn")


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["keys", "list", "--file", "no-such-file"]])
def test_small_commands_import_nothing_large(arguments: list[str]) -> None:
    """Each of these packages costs more than the command itself."""
    program = (
        "import sys\nfrom service.__main__ import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stderr.splitlines()[-1] == "[]"
