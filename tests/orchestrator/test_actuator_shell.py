"""Programs of playbooks on the node's machine: listed ones only, values beside them, within limits, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.actuators import shell
from tocsin.orchestrator.actuators.base import Malformed, Order, Outcome, Refused, Unavailable
from tocsin.orchestrator.actuators.program_text import for_posix, for_powershell, posix_assignments
from tocsin.orchestrator.actuators.running import Ran
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
    text += f" > {tmp_path}/said"
    bash_for(tmp_path, text).carry_out(order(text, arguments={"__x__": value}))
    assert (tmp_path / "said").read_text() == shown.format(value)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return bash_for(tmp_path_factory.mktemp("echo"), ECHO)


ECHO = 'printf "__y__="; printf "%s" __x__:value | od -An -v -tx1 | tr -d " \\n"; echo'
PLAIN = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)


@settings(max_examples=30, deadline=None)
@given(value=PLAIN)
def test_no_value_breaks_out(echo: Shell, value: str) -> None:
    """The law: byte for byte what was given, for any text."""
    key = hashlib.sha256(value.encode()).hexdigest()
    done = echo.carry_out(order(ECHO, key, arguments={"__x__": value}, returns={"__y__": "string"}))
    assert done.arguments["__y__"] == value.encode().hex()


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
        "printf __x__:value y",
        "printf 2>f __x__:value y",
        "echo $[ __x__:value ]",
        "[ -v __x__:value ]",
        "test ! -v __x__:value",
        "echo ${a[__x__:value]}",
        "a[__x__:value]=1",
        "v=ab; echo ${v:__x__:value}",
        "n=__x__:value; echo ${!n}",
        "n=__x__:value; $n",
        "n=1 echo __x__:value",
        "$0 -c __x__:value",
        "e'v'al __x__:value",
        'b""ash -c __x__:value',
        "/bin/b*sh -c __x__:value",
        "b\\ash -c __x__:value",
        "ev\\\nal __x__:value",
        ". __x__:value",
        "__x__:value",
        "if __x__:value; then true; fi",
        "for x in __x__:value; do $x; done",
        "set -- __x__:value; $1",
        "echo __x__:value | bash",
        "echo __x__:value | while read l; do $l; done",
        "echo a;eval __x__:value",
        "true |& /usr/bin/env __x__:value",
        "getopts ab __x__:value",
        "cat <<< __x__:value",
        "cat <(echo __x__:value)",
        "echo hi > __x__:value",
        "$__x__ __x__:value",
        "{ eval,__x__:value}",
        'echo "$(__x__:value)"',
        'echo "not closed __x__:value',
    ],
)
def test_a_value_where_a_shell_reads_twice_is_refused(text: str) -> None:
    """Single quotes put nothing in; eval and the like would make a program of it."""
    with pytest.raises(Refused, match="place"):
        for_posix(text, {"__x__": "a[$(touch pwned)]"}, "place")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("echo --name=__x__:value 2>/dev/null", "--name={}"),
        ("true && echo 'a $b' \\$ \"c:__x__:value\" || false", "a $b $ c:{}"),
        ('echo x;# it is " a comment\necho __x__:value # "', "x\n{}"),
        ("echo 3 __x__:value 2>&1 | cat", "3 {}"),
    ],
)
def test_simple_commands_are_read_once(tmp_path: Path, text: str, shown: str) -> None:
    """What is allowed is enough for an order, and a value in it stays one word."""
    value = "$(touch pwned)  a[$(touch pwned)]"
    program = for_posix(text, {"__x__": value}, "place")
    done = subprocess.run(
        ["bash", "-c", program], env={"__x__": value, "PATH": os.environ["PATH"]}, capture_output=True, cwd=tmp_path
    )
    assert done.stdout.decode() == shown.format(value) + "\n" and not list(tmp_path.iterdir())


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
    assert shell.carry_out(order("echo one", "1")).status == 200
    with pytest.raises(Refused, match="not on the owner's list"):
        shell.carry_out(order("echo  one", "2"))
    with pytest.raises(Refused, match="owner 'edge'"):
        bash_for(tmp_path, "true", owners=["shop"]).carry_out(order("true", "3"))


def test_a_listed_program_is_run_without_a_shell(tmp_path: Path) -> None:
    """Its name, and arguments of which each stays one."""
    program = tmp_path / "count"
    program.write_text(f'#!/bin/sh\nprintf "%s:" "$#" "$@" > {tmp_path}/said\n')
    program.chmod(0o755)
    shell = make_bash(Setup("bash", tmp_path, {"programs": {"count": str(program)}}))
    text = "count --to=__x__:value 'two words' __y__:value; rm -r x"
    shell.carry_out(order(text, arguments={"__x__": "a b; c", "__y__": "$(id)"}))
    assert (tmp_path / "said").read_text() == "6:--to=a b; c:two words:$(id);:rm:-r:x:"
    with pytest.raises(Refused, match="is not at"):
        make_bash(Setup("bash", tmp_path, {"programs": {"gone": "/no/where"}})).carry_out(order("gone", "2"))


def test_an_exit_code_is_a_failure_that_may_have_done_a_part(tmp_path: Path) -> None:
    """No refusal: it ran. And it is remembered, with its words: the program does not run again."""
    text = f"echo once >> {tmp_path}/lines; echo no such unit >&2; exit 3"
    shell = bash_for(tmp_path, text)
    for _ in range(2):
        with pytest.raises(Malformed, match="exit code 3: no such unit"):
            shell.carry_out(order(text))
    with pytest.raises(Malformed, match="exit code 3"):
        bash_for(tmp_path, text).read(order(text))
    assert (tmp_path / "lines").read_text() == "once\n"


def test_what_a_program_says_is_not_written_down(tmp_path: Path) -> None:
    """An outcome's text goes to the audit log: no output, no value that is given back, none that was given."""
    good, bad = "echo __token__=s3cret; echo s3cret", "echo __token__=s3cret; exit 1"
    told = "echo no such user __x__:value >&2; echo __token__=s3cret >&2; exit 1"
    shell = bash_for(tmp_path, good, bad, told)
    done = shell.carry_out(order(good, "1", returns={"__token__": "string"}))
    assert done.text == "exit code 0" and done.arguments == {"__token__": "s3cret"}
    with pytest.raises(Malformed) as fault:
        shell.carry_out(order(bad, "2", returns={"__token__": "string"}))
    assert str(fault.value).endswith("exit code 1")
    with pytest.raises(Malformed) as fault:
        shell.carry_out(order(told, "3", arguments={"__x__": "hidden word"}))
    assert str(fault.value).endswith("exit code 1: no such user __x__")


def test_a_daemon_that_keeps_the_pipe_holds_nobody_up(tmp_path: Path) -> None:
    """It left the process group; the program itself has ended, and what it said is there."""
    text = "setsid sleep 8 & echo __a__=hi"
    began = time.monotonic()
    done = bash_for(tmp_path, text).carry_out(order(text, returns={"__a__": "string"}, timeout_s=3))
    assert done.arguments == {"__a__": "hi"} and time.monotonic() - began < 4


def test_what_takes_too_long_is_ended_with_its_children_and_not_repeated(tmp_path: Path) -> None:
    """Nobody knows how far it came: a person looks."""
    text = f"echo once >> {tmp_path}/lines; (sleep 3; echo child >> {tmp_path}/lines) & sleep 30"
    shell = bash_for(tmp_path, text)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"longer than 0.7 s"):
        shell.carry_out(order(text, timeout_s=0.7))
    assert time.monotonic() - began < 3
    for _ in range(2):  # what the log says in the end still names the reason and the mend
        with pytest.raises(Unavailable, match=r"longer than 0.7 s .* names a timeout; it is not repeated"):
            bash_for(tmp_path, text).carry_out(order(text))
    time.sleep(3.2)
    assert (tmp_path / "lines").read_text() == "once\n"


def test_a_time_that_the_playbook_names_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is longer than an hour."""
    given: list[float] = []

    def runs(*_: Any, timeout_s: float, **_more: Any) -> Ran:
        given.append(timeout_s)
        return Ran(0, "", "")

    monkeypatch.setattr(shell, "run", runs)
    bash_for(tmp_path, "true").carry_out(order("true", timeout_s=7_200))
    assert given == [7_200]


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
    with pytest.raises(Malformed, match="MemoryError"):
        bash_for(tmp_path, hungry, limits={"memory_bytes": 200_000_000}).carry_out(order(hungry, "1"))
    with pytest.raises(Malformed, match="exit code"):
        bash_for(tmp_path, BIG, limits={"file_bytes": 1_000}).carry_out(order(BIG, "2"))
    with pytest.raises(Malformed, match="exit code -"):
        bash_for(tmp_path, SPIN, limits={"cpu_s": 1}).carry_out(order(SPIN, "3", timeout_s=120))
    loud = "echo __a__=1; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo __a__=2"
    done = bash_for(tmp_path, loud).carry_out(order(loud, "4", returns={"__a__": "integer"}))
    assert done.arguments == {"__a__": "1"}


BIG, SPIN = "head -c 100000 /dev/zero > big", "while :; do :; done"


def test_the_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets of the node are not there; the order's key is."""
    monkeypatch.setenv("TOCSIN_SECRET", "s3cret")
    text = f"env > {tmp_path}/said"
    bash_for(tmp_path, text).carry_out(order(text))
    said = (tmp_path / "said").read_text()
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


MORE = ("& __x__:value", ". __x__:value", "Set-Alias a __x__:value; a", "$v = __x__:value", "ls | % __x__:value")


def test_powershell_puts_values_into_the_environment() -> None:
    """A reference to a variable in each place, or a refusal; nothing is pasted."""
    text = 'Write-Output __x__:value "to __x__:value"'
    assert for_powershell(text, {"__x__": "; rm"}, "p") == 'Write-Output ${env:__x__} "to ${env:__x__}"'
    for bad in ("echo '__x__:value'", "iex __x__:value", "Invoke-Expression __x__:value", "@'\n__x__:value\n'@", *MORE):
        with pytest.raises(Refused):
            for_powershell(bad, {"__x__": "1"}, "p")


def test_powershell_is_called_without_profile_or_questions(tmp_path: Path) -> None:
    """By a stand-in that says how it was called; values are in its environment."""
    stand_in = tmp_path / "pwsh"
    stand_in.write_text(f'#!/bin/sh\nexec > {tmp_path}/said; printf "%s|" "$@"; printf "%s" "$__x__"\n')
    stand_in.chmod(0o755)
    text = "Write-Output __x__:value"
    allow = [hashlib.sha256(text.encode()).hexdigest()]
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": allow, "interpreter": str(stand_in)}))
    shell.carry_out(Order("k", "edge", {"text": text}, "powershell", arguments={"__x__": "; evil"}))
    assert (tmp_path / "said").read_text() == "-NoProfile|-NonInteractive|-Command|Write-Output ${env:__x__}|; evil"


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="NO POWERSHELL on this machine: its actuator ran no real one")
@pytest.mark.parametrize("value", [one for one in EVIL if one and not one.endswith("\n")])
def test_a_real_powershell_takes_any_value(tmp_path: Path, value: str) -> None:
    """As for bash."""
    text = f"[IO.File]::WriteAllText('{tmp_path}/said', __x__:value)"
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": [hashlib.sha256(text.encode()).hexdigest()]}))
    shell.carry_out(Order("k", "edge", {"text": text}, "powershell", arguments={"__x__": value}))
    assert (tmp_path / "said").read_text() == value


def test_without_powershell_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    shell = make_powershell(Setup("powershell", tmp_path, {"allow": [hashlib.sha256(b"ls").hexdigest()]}))
    with pytest.raises(Refused, match="pwsh is not installed"):
        shell.carry_out(Order("k", "edge", {"text": "ls"}, "powershell"))
    assert os.environ["PATH"] == str(tmp_path)
