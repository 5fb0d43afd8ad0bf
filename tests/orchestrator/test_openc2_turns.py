"""Producers at one consumer in turn: whoever sends a flood waits for itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping

import httpx
from tocsin.orchestrator.openc2.consumer import Asked, Gate, Tokens, create_consumer
from tocsin.orchestrator.openc2.lanes import MOST_WAITING
from tocsin.orchestrator.openc2.language import Response
from tocsin.orchestrator.openc2.memory import Memory
from tocsin.orchestrator.openc2.message import CONTENT_TYPE, ENDPOINT
from tocsin.tests.orchestrator.test_openc2_consumer import DENY, Counter

TOKENS = {"flood": "the-token-of-a-flood", "quiet": "the-token-of-a-quiet-one"}


class Slow(Counter):
    """It takes its time for each command."""

    def carry_out(self, asked: Asked) -> Response:
        time.sleep(0.01)
        return super().carry_out(asked)


def together(senders: Mapping[str, int]) -> tuple[list[str], list[tuple[str, int]]]:
    """Send so many commands of each producer at once, in this order; give who was served when, and all answers."""
    enforcer = Slow()
    app = create_consumer(Gate(enforcer, Tokens.of(TOKENS), Memory()))

    async def send(client: httpx.AsyncClient, producer: str, number: int) -> tuple[str, int]:
        message = {"headers": {"request_id": f"{number}"}, "body": {"openc2": {"request": DENY}}}
        headers = {"Authorization": f"Bearer {TOKENS[producer]}", "Content-Type": CONTENT_TYPE}
        answer = await client.post(ENDPOINT, content=json.dumps(message), headers=headers)
        return producer, answer.json()["body"]["openc2"]["response"]["status"]

    async def all_at_once() -> list[tuple[str, int]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://filter") as client:
            wanted = [(producer, number) for producer, count in senders.items() for number in range(count)]
            return list(await asyncio.gather(*(send(client, *one) for one in wanted)))

    answers = asyncio.run(all_at_once())
    return [asked.producer for asked in enforcer.done], answers


def test_a_flood_of_one_lets_another_through() -> None:
    """The other's commands come after one of the flood's each, not after all."""
    served, answers = together({"flood": MOST_WAITING, "quiet": 3})
    assert [place for place, producer in enumerate(served) if producer == "quiet"][-1] <= 6
    assert len(served) == MOST_WAITING + 3 and {status for _, status in answers} == {200}


def test_what_waits_for_one_producer_is_bounded() -> None:
    """The rest is a 503, to be sent again; the other is served all the same."""
    served, answers = together({"flood": MOST_WAITING + 40, "quiet": 1})
    refused = [producer for producer, status in answers if status == 503]
    assert refused == ["flood"] * 40 and served.count("flood") == MOST_WAITING and served.count("quiet") == 1
