"""Commands a second at the packet filter, with real nftables: a quiet producer alone, and beside one that floods."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tocsin.orchestrator.enforcement.nft import Place
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.serving import build
from tocsin.orchestrator.enforcement.store import RuleStore
from tocsin.orchestrator.openc2.consumer import create_consumer
from tocsin.orchestrator.openc2.message import CONTENT_TYPE, ENDPOINT
from tocsin.orchestrator.range.machine import call, lacking
from tocsin.tests.benchmarks.figures import Figures

TOKENS = {"quiet": "token-of-the-quiet-0", "crowd": "token-of-the-crowd-0"}
STANDING = 3_000  # rules of the crowd
COMMANDS = 20  # of the quiet one, each time
AT_ONCE = 8  # commands of the crowd under way


@pytest.fixture
def netns() -> Iterator[str]:
    """A network namespace of this benchmark alone."""
    if reason := lacking():
        pytest.skip(f"needs a network namespace and nft: {reason}")
    name = f"tb{os.getpid()}"
    call(["ip", "netns", "add", name])
    yield name
    call(["ip", "netns", "delete", name])


def _filter(folder: Path, netns: str, *, standing: int) -> FastAPI:
    """A packet filter where so many rules of the crowd stand."""
    folder.mkdir()
    entries = [
        {"producer": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), "addresses": ["0.0.0.0/0"]}
        for name, token in TOKENS.items()
    ]
    (folder / "tokens.json").write_text(json.dumps(entries))
    store = RuleStore(folder / "state.db")
    with store.change():
        for number in range(standing):
            flows = tuple(Flow(4, **{end: f"10.{number // 256}.{number % 256}.1"}) for end in ("src", "dst"))
            store.add(Rule(100_000 + number, "deny", flows, key=key_of("crowd", str(number))))
    store.close()
    gate = build(Place(netns=netns), token_file=folder / "tokens.json", state=folder / "state.db")
    gate.rate_limit = 1_000_000
    return create_consumer(gate)


async def _send(client: httpx.AsyncClient, producer: str, key: str) -> None:
    command: dict[str, Any] = {"action": "deny", "target": {"ipv4_net": "10.200.0.1"}}
    command["args"] = {"response_requested": "complete", "duration": 3_600_000}
    message = {"headers": {"request_id": key}, "body": {"openc2": {"request": command}}}
    headers = {"Authorization": f"Bearer {TOKENS[producer]}", "Content-Type": CONTENT_TYPE}
    answer = await client.post(ENDPOINT, content=json.dumps(message), headers=headers, timeout=60)
    assert answer.json()["body"]["openc2"]["response"]["status"] == 200, answer.text


async def _rates(app: FastAPI, *, floods: bool) -> tuple[float, float]:
    """Commands a second of the quiet one, and of the crowd meanwhile."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://filter") as client:
        sent, over = 0, False

        async def flood(number: int) -> None:
            nonlocal sent
            count = 0
            while not over:
                await _send(client, "crowd", f"c{number}-{count}")
                count, sent = count + 1, sent + 1

        crowd = [asyncio.create_task(flood(number)) for number in range(AT_ONCE if floods else 0)]
        await asyncio.sleep(0.1)
        began, before = time.perf_counter(), sent
        for number in range(COMMANDS):
            await _send(client, "quiet", f"q{number}")
        took, meanwhile = time.perf_counter() - began, sent - before
        over = True
        await asyncio.gather(*crowd)
    return COMMANDS / took, meanwhile / took


def test_rate_of_a_quiet_producer_beside_a_crowd(tmp_path: Path, netns: str, figures: Figures) -> None:
    """In one run: alone, beside 3,000 rules that stand, and beside a flood on top of them; it keeps its share."""
    alone, _ = asyncio.run(_rates(_filter(tmp_path / "alone", netns, standing=0), floods=False))
    beside, _ = asyncio.run(_rates(_filter(tmp_path / "beside", netns, standing=STANDING), floods=False))
    share, crowd = asyncio.run(_rates(_filter(tmp_path / "flood", netns, standing=STANDING), floods=True))
    figures.add("packet filter: one producer, nobody else", f"{alone:,.0f} commands/s")
    figures.add(
        "packet filter: the same beside 3,000 rules of another",
        f"{beside:,.0f} commands/s, {beside / alone:.2f} of alone", "at least 0.20",
    )  # fmt: skip
    figures.add(
        "packet filter: the same while that one floods, 8 at once",
        f"{share:,.0f} commands/s, {share / alone:.2f} of alone; the other {crowd:,.0f}", "at least 0.05",
    )  # fmt: skip
    assert beside > 0.2 * alone and share > 0.05 * alone
