"""What every actuator keeps: an order carried out twice changes the world once, and errors say who can mend them.

The first part holds for each of them (`WORLDS`); what follows is OpenC2's over HTTP.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tocsin.orchestrator.actuators.base import Malformed, Order, Outcome, Refused, Unavailable
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.addresses import AddressError
from tocsin.tests.contracts.actuator_worlds import WORLDS, World
from tocsin.tests.orchestrator.openc2_consumer import Consumer, running


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give each actuator with the world that it acts on."""
    with WORLDS[request.param](tmp_path) as it:
        yield it


def test_an_order_twice_is_one_change(world: World) -> None:
    """Carried out, and again under the same key: the same outcome, one change."""
    actuator = world.make()
    first = world.carry(actuator, world.order)
    assert first.status == 200 and world.changes() == 1
    assert world.carry(actuator, world.order) == first and world.changes() == 1


def test_a_restart_forgets_nothing(world: World) -> None:
    """A new actuator on the same state knows what the first did."""
    first = world.carry(world.make(), world.order)
    assert world.carry(world.make(), world.order) == first and world.changes() == 1


def test_another_key_is_another_change(world: World) -> None:
    """An equal command under another key is carried out too."""
    actuator = world.make()
    world.carry(actuator, world.order)
    world.carry(actuator, replace(world.order, key="key-2"))
    assert world.changes() == 2


def test_what_is_refused_changes_nothing(world: World) -> None:
    """It says that somebody can mend it, and names the order; asked again it says so again."""
    actuator = world.make()
    for _ in range(2):
        with pytest.raises(Refused, match="key-9"):
            world.carry(actuator, world.bad)
    assert world.changes() == 0


ORDER = Order("response--1/do/step-1/1", "edge", {"action": "deny", "target": {"x-tocsin:asset": "edge/host/gateway"}})


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    """Run a real OpenC2 consumer."""
    with running(Consumer()) as it:
        yield it


@pytest.fixture
def actuator(consumer: Consumer) -> Iterator[OpenC2Http]:
    """Make the OpenC2 actuator that talks to it."""
    yield OpenC2Http({"edge": Endpoint(consumer.url, consumer.token)}, timeout_s=5, sleep=lambda _s: None)


def test_order_is_carried_out(actuator: OpenC2Http, consumer: Consumer) -> None:
    """The command arrives as it was ordered, under the order's key."""
    assert actuator.carry_out(ORDER) == Outcome(200, "done")
    assert consumer.done == [ORDER.command] and consumer.seen == [ORDER.key]


def test_same_order_twice_changes_the_world_once(actuator: OpenC2Http, consumer: Consumer) -> None:
    """A repetition, by whatever path the actuator declares, gives the first outcome and does nothing."""
    first = actuator.carry_out(ORDER)
    again = actuator.carry_out(ORDER) if actuator.removes_duplicates else actuator.read(ORDER)
    assert again == first and len(consumer.done) == 1


def test_other_key_is_another_order(actuator: OpenC2Http, consumer: Consumer) -> None:
    """Equal commands under different keys are carried out both."""
    actuator.carry_out(ORDER)
    actuator.carry_out(replace(ORDER, key="response--1/do/step-1/2"))
    assert len(consumer.done) == 2


def test_passing_failure_is_tried_again_with_the_same_key(actuator: OpenC2Http, consumer: Consumer) -> None:
    """Two failures are outlived; every try carries the same request_id."""
    consumer.fail_next = 2
    assert actuator.carry_out(ORDER).status == 200
    assert consumer.seen == [ORDER.key] * 3 and len(consumer.done) == 1


def test_lost_answer_does_not_double_the_effect(actuator: OpenC2Http, consumer: Consumer) -> None:
    """If the answer is lost after the effect, the next try finds it done."""
    consumer.lose_next = 1
    assert actuator.carry_out(ORDER).status == 200 and len(consumer.done) == 1


def test_lasting_failure_is_unavailable(actuator: OpenC2Http, consumer: Consumer) -> None:
    """A consumer that keeps failing, or is not there, is unavailable, and may be tried later."""
    consumer.fail_next = 9
    with pytest.raises(Unavailable, match="503"):
        actuator.carry_out(ORDER)
    gone = OpenC2Http({"edge": Endpoint("http://127.0.0.1:9/openc2", "t")}, timeout_s=1, sleep=lambda _s: None)
    with pytest.raises(Unavailable, match="not reached"):
        gone.carry_out(ORDER)


def test_no_is_a_refusal_and_not_tried_again(actuator: OpenC2Http, consumer: Consumer) -> None:
    """A command it does not know, an owner without address and a wrong token are refused at once."""
    with pytest.raises(Refused, match="not implemented"):
        actuator.carry_out(replace(ORDER, command={"action": "dance", "target": {}}))
    with pytest.raises(Refused, match="'shop'"):
        actuator.carry_out(replace(ORDER, owner="shop"))
    consumer.token = "another"
    with pytest.raises(Refused, match="401"):
        actuator.carry_out(ORDER)
    assert len(consumer.seen) == 1


SAYS = b'{"body": {"openc2": {"response": {"status": %s}}}}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"hello", 200),
        (b"[" * 200_000, 200),
        (SAYS % b"1e999", 200),
        (SAYS % b"true", 200),
        (SAYS % b"-1", 200),
        (SAYS % b'"200"', 200),
        (SAYS % b"200", 302),
        (SAYS % b"200", 204),
    ],
)
def test_answer_without_sense_is_malformed(actuator: OpenC2Http, consumer: Consumer, body: bytes, status: int) -> None:
    """An answer that is no OpenC2 response, or a redirection, is neither success nor refusal, nor a fault of ours."""
    consumer.garble, consumer.status = body, status
    with pytest.raises(Malformed, match="OpenC2"):
        actuator.carry_out(ORDER)


def test_an_answer_that_drips_is_given_up(consumer: Consumer) -> None:
    """It would take half a minute; the order is given up soon after its time."""
    consumer.drips = True
    it = OpenC2Http({"edge": Endpoint(consumer.url, consumer.token)}, timeout_s=0.5, sleep=lambda _s: None)
    with pytest.raises(Unavailable, match=r"longer than 0.5 s"):
        it.carry_out(ORDER)


def test_what_is_left_of_a_steps_time_bounds_a_try(consumer: Consumer) -> None:
    """The order's own bound is kept where it is the shorter one."""
    consumer.drips = True
    it = OpenC2Http({"edge": Endpoint(consumer.url, consumer.token)}, timeout_s=30, sleep=lambda _s: None)
    with pytest.raises(Unavailable, match=r"longer than 0.4 s"):
        it.carry_out(replace(ORDER, timeout_s=0.4))


def test_headers_that_drip_are_given_up_too() -> None:
    """A byte of header now and then never ends; the order is given up after its time, every try of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            for _ in range(3):
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not over.wait(0.05):
                        connection.sendall(b"x")

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/openc2"
        it = OpenC2Http({"edge": Endpoint(url, "t")}, timeout_s=0.3, sleep=lambda _s: None)
        with pytest.raises(Unavailable, match=r"longer than 0.3 s"):
            it.carry_out(ORDER)
        over.set()
        dripping.join(5)


def test_an_answer_that_unpacks_to_more_is_not_unpacked(actuator: OpenC2Http, consumer: Consumer) -> None:
    """Compressed bytes are no OpenC2 response."""
    consumer.garble = gzip.compress(b" " * 50_000_000)
    with pytest.raises(Malformed):
        actuator.carry_out(ORDER)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    """It would travel into logs and records."""
    with pytest.raises(AddressError, match="user or password") as refusal:
        OpenC2Http({"edge": Endpoint("https://svc:hidden@127.0.0.1/openc2", "t")})
    assert "hidden" not in str(refusal.value)


def test_what_a_consumer_says_can_be_stored(actuator: OpenC2Http, consumer: Consumer) -> None:
    """Half a surrogate pair is no text; what is recorded of it is."""
    consumer.garble = SAYS % b'200, "status_text": "\\ud800"'
    assert actuator.carry_out(ORDER).text.encode()


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/openc2",
        "ftp://127.0.0.1/",
        "http://evil.example/",
        "//x",
        "",
        "http://[",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
    ],
)
def test_orders_leave_the_machine_encrypted_only(url: str) -> None:
    """Plain HTTP is for loopback; anything else needs https."""
    with pytest.raises(AddressError, match="https"):
        OpenC2Http({"edge": Endpoint(url, "t")})


def test_token_is_not_shown() -> None:
    """Neither actuator nor endpoint show the token when printed."""
    actuator = OpenC2Http({"edge": Endpoint("https://edge.example/openc2", "secret-token")})
    assert "secret-token" not in repr(actuator) + str(actuator.endpoints)
