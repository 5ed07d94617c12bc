"""`kinepose completion SHELL`: a script that completes commands, options and files, made from the commands' parsers."""

import argparse
import importlib
from typing import Final

SHELLS: Final = ("bash", "zsh", "fish")

BASH: Final = """_kinepose() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words=""
    case "$COMP_CWORD ${{COMP_WORDS[1]}}" in
        "1 "*) words="{commands} --version --help" ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _kinepose kinepose
"""
ZSH: Final = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = 'bash: eval "$(kinepose completion bash)"; zsh likewise; fish: kinepose completion fish | source'
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the script."""
    # The table of commands is that of the program that is running.
    commands = importlib.import_module("service.__main__").COMMANDS
    words = {name: words_of(module) for name, (_, module) in commands.items()}
    if arguments.shell == "fish":
        print(_fish({name: text for name, (text, _) in commands.items()}, words), end="")
    else:
        print((ZSH if arguments.shell == "zsh" else "") + _bash(words), end="")


def words_of(module: str) -> list[str]:
    """What may follow a command: its options, and its own subcommands with theirs."""
    parser = argparse.ArgumentParser()
    importlib.import_module(module).describe(parser)
    return list(dict.fromkeys(_words(parser)))


def _words(parser: argparse.ArgumentParser) -> list[str]:
    words: list[str] = []
    for action in parser._actions:  # argparse tells its arguments nowhere else.
        words += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                words += [name, *_words(subparser)]
        elif action.choices is not None:
            words += [str(choice) for choice in action.choices]
    return words


def _bash(words: dict[str, list[str]]) -> str:
    cases = "\n".join(f'        *" {name}") words="{" ".join(of)}" ;;' for name, of in words.items())
    return BASH.format(commands=" ".join(words), cases=cases)


def _fish(texts: dict[str, str], words: dict[str, list[str]]) -> str:
    lines = [f"complete -c kinepose -n __fish_use_subcommand -f -a {name} -d '{text}'" for name, text in texts.items()]
    for name, of in words.items():
        inside = f"complete -c kinepose -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{inside} -l {word[2:]}" if word.startswith("--") else f"{inside} -a {word}" for word in of]
    return "\n".join(lines) + "\n"
