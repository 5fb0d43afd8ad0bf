"""Programs of playbooks on the node's machine: listed ones only, values beside them, within limits, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.actuators.base import Order, Outcome, Refused, Unavailable
from tocsin.orchestrator.actuators.program_text import for_posix, for_powershell, posix_assignments
from tocsin.orchestrator.actuators.setup import Setup, SetupError
from tocsin.orchestrator.actuators.shell import Shell, make_bash, make_powershell

EVIL = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    '" ; touch pwned ; "',
    "' ; touch pwned ; '",
    "a b  c",
    "*",
    "-rf",
    "\\",
    "line\nbreak",
    "${HOME}",
    "%s%n",
    "ends in newline\n",
    "é…\u202e",
    "",
]


def bash_for(folder: Path, *texts: str, **more: Any) -> Shell:
    allow = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return make_bash(Setup("bash", folder, {"allow": allow, **more}))


def order(text: str, key: str = "k", **more: Any) -> Order:
    return Order(key, "edge", {"text": text}, "bash", **more)


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("printf '%s|' __x__:value", "{}|"),
        ('printf "%s|" "<__x__:value>"', "<{}>|"),
        ("printf %s\\| a__x__:value", "a{}|"),
    ],
)
def test_a_value_is_one_word_whatever_it_holds(tmp_path: Path, value: str, text: str, shown: str) -> None:
    """Quoted or not, it comes out as it went in, so nothing of it ran."""
    ran = bash_for(tmp_path, text).carry_out(order(text, arguments={"__x__": value}))
    assert ran.text == shown.format(value).strip()


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return bash_for(tmp_path_factory.mktemp("echo"), ECHO)


ECHO = 'printf "%s" __x__:value | od -An -v -tx1 | tr -d " \\n"'
PLAIN = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)


@settings(max_examples=30, deadline=None)
@given(value=PLAIN)
def test_no_value_breaks_out(echo: Shell, value: str) -> None:
    """The law: byte for byte what was given, for any text."""
    key = hashlib.sha256(value.encode()).hexdigest()
    assert echo.carry_out(order(ECHO, key, arguments={"__x__": value})).text == value.encode().hex()


@settings(max_examples=200, deadline=None)
@given(value=PLAIN)
def test_values_for_a_far_shell_are_digits_and_backslashes(value: str) -> None:
    """What is assigned there holds no sign that a shell reads."""
    line = posix_assignments(["__x__"], {"__x__": value})
    inner = line.split("printf '")[1].split("x')")[0]
    assert set(inner) <= set("\\01234567") and line.endswith("__x__=${__x__%x}; ")


@pytest.mark.parametrize(
    "text",
    [
        "echo '__x__:value'",
        "eval echo __x__:value",
        'bash -c "echo __x__:value"',
        "echo `echo __x__:value`",
        "echo $(echo __x__:value)",
        "cat <<END\n__x__:value\nEND",
        "echo $((__x__:value + 1))",
        "[[ __x__:value -eq 1 ]]",
        "let a=__x__:value",
        "echo $'__x__:value'",
        "ssh far echo __x__:value",
        "printf -v __x__:value y",
    ],
)
def test_a_value_where_a_shell_reads_twice_is_refused(text: str) -> None:
    """Single quotes put nothing in; eval and the like would make a program of it."""
    with pytest.raises(Refused, match="place"):
        for_posix(text, {"__x__": "a[$(touch pwned)]"}, "place")


def test_a_missing_value_is_refused(tmp_path: Path) -> None:
    """Not the empty string, not the words themselves."""
    text = "echo __x__:value"
    with pytest.raises(Refused, match="no value for __x__"):
        bash_for(tmp_path, text).carry_out(order(text))


def test_nothing_runs_that_is_not_on_the_list(tmp_path: Path) -> None:
    """Empty by default; one changed byte is another text."""
    with pytest.raises(Refused, match="not on the owner's list"):
        make_bash(Setup("bash", tmp_path)).carry_out(order("true"))
    shell = bash_for(tmp_path, "echo one")
    assert shell.carry_out(order("echo one", "1")).text == "one"
    with pytest.raises(Refused, match="not on the owner's list"):
        shell.carry_out(order("echo  one", "2"))
    with pytest.raises(Refused, match="owner 'edge'"):
        bash_for(tmp_path, "true", owners=["shop"]).carry_out(order("true", "3"))


def test_a_listed_program_is_run_without_a_shell(tmp_path: Path) -> None:
    """Its name, and arguments of which each stays one."""
    program = tmp_path / "count"
    program.write_text('#!/bin/sh\nprintf "%s:" "$#" "$@"\n')
    program.chmod(0o755)
    shell = make_bash(Setup("bash", tmp_path, {"programs": {"count": str(program)}}))
    text = "count --to=__x__:value 'two words' __y__:value; rm -r x"
    done = shell.carry_out(order(text, arguments={"__x__": "a b; c", "__y__": "$(id)"}))
    assert done.text == "6:--to=a b; c:two words:$(id);:rm:-r:x:"
    with pytest.raises(Refused, match="is not at"):
        make_bash(Setup("bash", tmp_path, {"programs": {"gone": "/no/where"}})).carry_out(order("gone", "2"))


def test_an_exit_code_is_a_refusal_with_its_words(tmp_path: Path) -> None:
    """And it is remembered: the program does not run again."""
    text = f"echo once >> {tmp_path}/lines; echo no such unit >&2; exit 3"
    shell = bash_for(tmp_path, text)
    for _ in range(2):
        with pytest.raises(Refused, match="exit code 3: no such unit"):
            shell.carry_out(order(text))
    assert (tmp_path / "lines").read_text() == "once\n"


def test_what_takes_too_long_is_ended_with_its_children_and_not_repeated(tmp_path: Path) -> None:
    """Nobody knows how far it came: a person looks."""
    text = f"echo once >> {tmp_path}/lines; (sleep 3; echo child >> {tmp_path}/lines) & sleep 30"
    shell = bash_for(tmp_path, text)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"longer than 0.7 s"):
        shell.carry_out(order(text, timeout_s=0.7))
    assert time.monotonic() - began < 3
    with pytest.raises(Unavailable, match="not repeated"):
        bash_for(tmp_path, text).carry_out(order(text))
    time.sleep(3.2)
    assert (tmp_path / "lines").read_text() == "once\n"


def test_a_node_that_died_meanwhile_does_not_run_it_again(tmp_path: Path) -> None:
    """The key was written down before the program began."""
    shell = bash_for(tmp_path, "true")

    def die() -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shell.journal.once(order("true"), die)
    with pytest.raises(Unavailable, match="not repeated"):
        bash_for(tmp_path, "true").carry_out(order("true"))


def test_limits_hold(tmp_path: Path) -> None:
    """Memory, file size and processor time are bounded; output is cut, not kept."""
    hungry = "python3 -c 'x = bytearray(400_000_000)'"
    with pytest.raises(Refused, match="MemoryError"):
        bash_for(tmp_path, hungry, limits={"memory_bytes": 200_000_000}).carry_out(order(hungry, "1"))
    with pytest.raises(Refused, match="exit code"):
        bash_for(tmp_path, BIG, limits={"file_bytes": 1_000}).carry_out(order(BIG, "2"))
    with pytest.raises(Refused, match="exit code -"):
        bash_for(tmp_path, SPIN, limits={"cpu_s": 1}).carry_out(order(SPIN, "3", timeout_s=20))
    loud = "head -c 5000000 /dev/zero | tr '\\0' x"
    assert len(bash_for(tmp_path, loud).carry_out(order(loud, "4")).text) == 500


BIG, SPIN = "head -c 100000 /dev/zero > big", "while :; do :; done"


def test_the_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the node are not there; the order's key is."""
    monkeypatch.setenv("TOCSIN_SECRET", "s3cret")
    said = bash_for(tmp_path, "env").carry_out(order("env")).text
    assert "s3cret" not in said and "TOCSIN_ORDER=k" in said


def test_values_come_back_where_they_are_asked_for(tmp_path: Path) -> None:
    """Lines of the form __name__=value; others are not taken."""
    text = "echo __ticket__=T-1; echo __other__=x; echo __ticket__=T-2"
    done = bash_for(tmp_path, text).carry_out(order(text, returns={"__ticket__": "string"}))
    assert dict(done.arguments) == {"__ticket__": "T-2"}


def test_settings_are_checked(tmp_path: Path) -> None:
    """A typing slip is seen."""
    with pytest.raises(SetupError, match="allowed"):
        make_bash(Setup("bash", tmp_path, {"allowed": []}))
    with pytest.raises(SetupError, match=r"bash\.allow\.0"):
        make_bash(Setup("bash", tmp_path, {"allow": ["abc"]}))


def test_powershell_puts_values_into_the_environment() -> None:
    """A reference to a variable in each place, or a refusal; nothing is pasted."""
    text = 'Write-Output __x__:value "to __x__:value"'
    assert for_powershell(text, {"__x__": "; rm"}, "p") == 'Write-Output ${env:__x__} "to ${env:__x__}"'
    for bad in ("echo '__x__:value'", "iex __x__:value", "Invoke-Expression __x__:value", "@'\n__x__:value\n'@"):
        with pytest.raises(Refused):
            for_powershell(bad, {"__x__": "1"}, "p")


def test_powershell_is_called_without_profile_or_questions(tmp_path: Path) -> None:
    """By a stand-in that says how it was called; values are in its environment."""
    stand_in = tmp_path / "pwsh"
    stand_in.write_text('#!/bin/sh\nprintf "%s|" "$@"; printf "%s" "$__x__"\n')
    stand_in.chmod(0o755)
    text = "Write-Output __x__:value"
    allow = [hashlib.sha256(text.encode()).hexdigest()]
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": allow, "interpreter": str(stand_in)}))
    done = shell.carry_out(Order("k", "edge", {"text": text}, "powershell", arguments={"__x__": "; evil"}))
    assert done.text == "-NoProfile|-NonInteractive|-Command|Write-Output ${env:__x__}|; evil"


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="NO POWERSHELL on this machine: its actuator ran no real one")
@pytest.mark.parametrize("value", [one for one in EVIL if one and not one.endswith("\n")])
def test_a_real_powershell_takes_any_value(tmp_path: Path, value: str) -> None:
    """As for bash."""
    text = "[Console]::Out.Write(__x__:value)"
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": [hashlib.sha256(text.encode()).hexdigest()]}))
    assert (
        shell.carry_out(Order("k", "edge", {"text": text}, "powershell", arguments={"__x__": value})).text
        == value.strip()
    )


def test_without_powershell_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": [hashlib.sha256(b"ls").hexdigest()]}))
    with pytest.raises(Refused, match="pwsh is not installed"):
        shell.carry_out(Order("k", "edge", {"text": "ls"}, "powershell"))
    assert os.environ["PATH"] == str(tmp_path)
