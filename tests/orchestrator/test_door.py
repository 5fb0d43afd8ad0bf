"""The door of the API: no token, no look at the body; sizes, times and places are bounded; readers hold nobody up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from tocsin.orchestrator.api import create_app, door
from tocsin.orchestrator.records import list_responses
from tocsin.orchestrator.store import reading, responses
from tocsin.tests.orchestrator.fakes import House, house

CHUNK = b" " * 1000


class Sender:
    """A client at the level of ASGI messages, which counts how much of its body was asked for."""

    def __init__(
        self,
        path: str,
        token: str = "",
        chunks: Iterable[bytes] = (b"{}",),
        pause_s: float = 0.0,
        *,
        ends: bool = False,
    ) -> None:
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        headers.append((b"content-type", b"application/json"))
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": headers,
            "query_string": b"",
        }
        self.chunks, self.pause_s, self.ends, self.asked, self.status = iter(chunks), pause_s, ends, 0, 0

    async def receive(self) -> dict[str, Any]:
        """Send one piece of the body; it never ends unless it was said to."""
        self.asked += 1
        await asyncio.sleep(self.pause_s)
        piece = next(self.chunks, None)
        more = piece is not None or not self.ends
        return {"type": "http.request", "body": piece or b"", "more_body": more}

    async def send(self, message: Any) -> None:
        """Note the status."""
        self.status = message.get("status", self.status)

    def post(self, home: House) -> int:
        """Post to a node; gives the status."""
        asyncio.run(create_app(home.node)(self.scope, self.receive, self.send))
        return self.status


@pytest.mark.parametrize("path", ["/v1/events", "/v1/responses", "/v1/tick", "/v1/kill-switch", "/v1/none"])
def test_without_a_token_no_body_is_read(tmp_path: Path, path: str) -> None:
    """401 comes before the first byte of the body is asked for, on every route."""
    sender = Sender(path, token="tocsin_wrong", chunks=[CHUNK] * 10**6)
    assert (sender.post(house(tmp_path)), sender.asked) == (401, 0)


def test_a_body_that_grows_too_large_is_cut_off(tmp_path: Path) -> None:
    """A body of undeclared length is read up to the limit and no further."""
    home = house(tmp_path)
    sender = Sender("/v1/responses", home.token("edge", "approver"), [CHUNK] * 10**6)
    assert sender.post(home) == 413 and sender.asked == door.MAX_BODY // len(CHUNK) + 1


def test_a_body_that_drips_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body has a time as a whole, however many pieces it comes in."""
    monkeypatch.setattr(door, "BODY_S", 0.05)
    home = house(tmp_path)
    for path, role in (("/v1/responses", "approver"), ("/v1/events", "sensor")):
        assert Sender(path, home.token("edge", role), [b" "] * 10**6, pause_s=0.01).post(home) == 408


def test_one_owner_takes_no_other_owners_places(tmp_path: Path) -> None:
    """While two sensors of an owner drip into all their places, it is refused a further one; all others are served."""
    home = house(tmp_path)
    app = create_app(home.node)
    tokens_of_meter = [home.token("meter", ("sensor", "sensor-2")[number % 2]) for number in range(9)]
    senders = [Sender("/v1/events", token, [b" "] * 10**6, 0.01) for token in tokens_of_meter]

    async def play() -> list[int]:
        drips = [asyncio.create_task(app(one.scope, one.receive, one.send)) for one in senders]
        await asyncio.sleep(0.05)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as http:
            names = [("meter", "sensor"), ("meter", "approver"), ("edge", "viewer")]
            tokens = [home.token(*name) for name in names]
            asked = [http.get("/v1/assets", headers={"Authorization": f"Bearer {token}"}) for token in tokens]
            found = [(await one).status_code for one in asked]
        for drip in drips:
            drip.cancel()
        await asyncio.gather(*drips, return_exceptions=True)
        return found

    assert asyncio.run(play()) == [429, 200, 200]
    assert sorted(one.status for one in senders) == [0] * door.MAX_AT_ONCE + [429] * (9 - door.MAX_AT_ONCE)


def test_readers_neither_wait_for_a_writer_nor_hold_one_up(tmp_path: Path) -> None:
    """A read goes through while another connection writes, and a write while another connection reads."""
    home = house(tmp_path)
    done: list[int] = []

    def look() -> None:
        with reading(home.engine) as conn:
            done.append(len(list_responses(conn)))

    with home.engine.begin():
        reader = threading.Thread(target=look)
        reader.start()
        reader.join(5)
    assert done == [0]
    with reading(home.engine) as conn:
        list_responses(conn)
        writer = threading.Thread(target=home.node.tick, args=(home.node.clock.now(),))
        writer.start()
        writer.join(5)
        assert not writer.is_alive()


def test_a_reading_transaction_cannot_write(tmp_path: Path) -> None:
    """Also by mistake nothing is written through it; the next one that writes may."""
    home = house(tmp_path)
    with pytest.raises(sa.exc.OperationalError), reading(home.engine) as conn:
        conn.execute(sa.delete(responses))
    with home.engine.begin() as conn:
        conn.execute(sa.delete(responses))


def test_a_token_taken_back_while_its_body_comes_in_counts_no_longer(tmp_path: Path) -> None:
    """Also for whoever began its request before."""
    for path, role in (("/v1/kill-switch", "operator"), ("/v1/events", "sensor")):
        home = house(tmp_path / role)

        def chunks(home: House = home) -> Iterator[bytes]:
            yield b'{"on":'
            (home.path / "tokens.json").write_text("[]")
            yield b"true}"

        sender = Sender(path, home.token("edge", role), chunks(), ends=True)
        assert sender.post(home) == 401 and not home.node.kill_switch_is_on()
