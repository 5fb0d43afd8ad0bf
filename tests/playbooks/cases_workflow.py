"""Conformance cases of the linter: the workflow, its conditions, and calls of other playbooks."""

from __future__ import annotations

from typing import Any

from tocsin.tests.playbooks.cases_document import Case, Change, at, both, less, nothing, top, without
from tocsin.tests.playbooks.full import Object, ref, step, uid

NOWHERE = f"end--{uid(900)}"


def add(name: str, **fields: Any) -> Change:
    """Another step."""
    return lambda content: content["workflow"].update({name: {"type": name.partition("--")[0], **fields}})


def condition(text: str) -> Change:
    """Another condition of the if step."""
    return at("decide", condition=text)


def _alone(content: Object) -> None:
    """Only start, action and end."""
    keep = (ref("start"), ref("alarm"), ref("alarm_end"))
    content["workflow"] = {name: content["workflow"][name] for name in keep}
    content["workflow"][ref("start")]["on_completion"] = ref("alarm")
    content.pop("workflow_exception", None)


def _no_action(content: Object) -> None:
    _alone(content)
    step(content, "start")["on_completion"] = ref("alarm_end")
    del content["workflow"][ref("alarm")]


def _loop(content: Object) -> None:
    step(content, "scan")["on_completion"] = ref("repeat")
    del content["workflow"][ref("scan_end")]


def _own_ends(content: Object) -> None:
    step(content, "watch")["on_completion"] = ref("cut_end")


def _two_starts(content: Object) -> None:
    content["workflow"][f"start--{uid(902)}"] = {"type": "start", "on_completion": ref("done")}


CASES: dict[str, list[Case]] = {
    "start-missing": [
        (top(workflow_start=f"start--{uid(903)}"), "$.workflow_start", nothing),
        (top(workflow_start=ref("fork")), "$.workflow_start", nothing),
    ],
    "exception-missing": [(top(workflow_exception=NOWHERE), "$.workflow_exception", without("workflow_exception"))],
    "workflow-minimum": [(_no_action, "$.workflow", _alone)],
    "next-missing": [
        (at("cut", on_completion=NOWHERE), ".on_completion", nothing),
        (at("notify", on_failure=NOWHERE), ".on_failure", nothing),
        (lambda c: step(c, "choose")["cases"].update(x=NOWHERE), ".cases.x", nothing),
        (at("fork", next_steps=[ref("collect"), NOWHERE]), ".next_steps[1]", nothing),
    ],
    "next-both": [
        (at("notify", on_completion=ref("notified")), f'["{ref("notify")}"]', less("notify", "on_failure")),
        (both(at("phone", on_failure=ref("notified"))), f'["{ref("phone")}"]', nothing),
    ],
    "next-none": [
        (less("cut", "on_completion"), f'["{ref("cut")}"]', nothing),
        (less("notify", "on_success"), f'["{ref("notify")}"]', less("choose", "on_completion")),
    ],
    "next-silent": [(less("choose", "on_completion"), f'["{ref("choose")}"]', less("cut", "on_completion"))],
    "next-failure": [
        (both(without("workflow_exception"), less("notify", "on_failure")), f'["{ref("notify")}"]',
         less("notify", "on_failure")),
    ],
    "step-time": [
        (at("notify", timeout=604_800_001), ".timeout", at("notify", timeout=604_800_000)),
        (at("notify", delay=9_007_199_254_740_991), ".delay", at("notify", delay=604_800_000)),
    ],
    "start-next": [(at("start", on_success=ref("fork")), f'["{ref("start")}"]', nothing)],
    "end-next": [(at("done", on_completion=ref("alarm_end")), f'["{ref("done")}"]', nothing)],
    "start-again": [
        (at("cut", on_completion=ref("start")), ".on_completion", nothing),
        (_two_starts, "$.workflow", nothing),
    ],
    "branch-end": [(at("scan", on_completion=ref("scan")), ".on_true", nothing)],
    "branch-shared": [
        (_own_ends, ".on_false", nothing),
        (at("collect", on_completion=ref("notified")), ".next_steps[1]", nothing),
        (at("scan", on_completion=ref("done")), ".on_true", nothing),
        (lambda c: step(c, "choose")["cases"].update(other=ref("other_end")), ".cases.other", nothing),
    ],
    "step-unreachable": [(add(NOWHERE), f'["{NOWHERE}"]', nothing)],
    "cycle": [
        (_loop, "]", nothing),
        (at("phone", on_completion=ref("phone")), f'["{ref("phone")}"]', nothing),
    ],
    "branches-equal": [(at("fork", next_steps=[ref("collect")] * 2), ".next_steps", nothing)],
    "switch-variable": [
        (at("choose", switch="host"), ".switch", nothing),
        (at("choose", switch="__kind__:value __count__:value"), ".switch", nothing),
    ],
    "switch-default": [(lambda c: step(c, "choose")["cases"].pop("default"), ".cases", nothing)],
    "condition-form": [
        (condition("__kind__:value = host"), ".condition", condition("__kind__:value = 'host'")),
        (condition("__kind__:value"), ".condition", condition("[__kind__:value == 'it\\'s']")),
        (condition("(__count__:value > 0"), ".condition", condition("(__count__:value > 0 OR 1 < 2)")),
        (condition("__count__:value > 0 AND"), ".condition", condition("EXISTS __kind__:value")),
        (condition("__kind__:value IN 'a'"), ".condition", condition("__kind__:value IN ('a')")),
        (at("repeat", condition=""), ".condition", nothing),
    ],
    "condition-prefix-not": [
        (condition("NOT (__kind__:value = 'a')"), ".condition", condition("__kind__:value NOT = 'a'")),
    ],
    "condition-type": [
        (condition("__count__:value = 'many'"), ".condition", condition("__count__:value = '5'")),
        (condition("__address__:value = 5"), ".condition", condition("__address__:value IN ('10.0.0.1')")),
        (condition("__count__:value = true"), ".condition", condition("__count__:value >= 5")),
    ],
    "condition-pattern": [
        (condition("__kind__:value MATCHES '('"), ".condition", condition("__kind__:value MATCHES '^a+$'")),
    ],
    "condition-fixed": [(condition("1 = 1"), ".condition", nothing)],
    "while-fixed": [(less("scan", "out_args"), ".condition", nothing)],
    "playbook-self": [(at("release", playbook_id=ref("self")), ".playbook_id", nothing)],
    "playbook-version": [(less("release", "playbook_version"), f'["{ref("release")}"]', nothing)],
    "arguments-undeclared": [
        (at("release", in_args=["__new__"]), ".in_args[0]", nothing),
        (at("scan", out_args=["__count__:value"]), ".out_args[0]", nothing),
    ],
    "arguments-doubled": [(at("scan", out_args=["__count__"] * 2), ".out_args[1]", nothing)],
    "arguments-missing": [(at("watch", in_args=[]), ".in_args", nothing)],
    "arguments-idle": [(at("watch", in_args=["__secret__", "__count__"]), ".in_args[1]", nothing)],
    "definition-unused": [
        (at("alarm", agent=ref("ada")), f'["{ref("team")}"]', nothing),
    ],
    "agent-missing": [(at("cut", agent=f"linux--{uid(904)}"), ".agent", nothing)],
    "target-missing": [(at("hunt", targets=[f"linux--{uid(905)}"]), ".targets[0]", nothing)],
    "agent-person": [
        (at("alarm", agent=ref("box")), ".agent", at("alarm", agent=ref("firm"))),
    ],
    "agent-abstract": [
        (at("reset", agent=ref("team")), ".agent", at("reset", agent=ref("ada"))),
    ],
}  # fmt: skip
