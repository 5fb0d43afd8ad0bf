"""Sums over a group of learners: torch's gloo or NCCL under three verbs, with a deadline on each.

Flows in: one tensor per member. Flows out: the same numbers on every member, bit by bit: each part of a sum is computed
by one member and sent to the rest. Groups are made and dropped as members come and go, so nothing here is torch's
process-wide default group. It starts nobody and restarts nothing.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import time
from datetime import timedelta
from typing import Any, Protocol

import torch
import torch.distributed

dist: Any = torch.distributed  # its stubs leave out what is built in C++


class GroupError(RuntimeError):
    """A member of the group is gone or late; the group is of no more use and must be made again."""


class Group(Protocol):
    """What learners need of each other."""

    rank: int
    size: int
    waited: float  # seconds spent in sums and gathers so far

    def add_up(self, tensor: torch.Tensor) -> None:
        """Put the sum over all members in place of a tensor that all have in one shape; raises GroupError."""
        ...

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Everyone's tensor, by rank; lengths of the only axis may differ; raises GroupError."""
        ...


class Alone:
    """A group of one."""

    rank, size, waited = 0, 1, 0.0

    def add_up(self, tensor: torch.Tensor) -> None:
        """The sum of one is itself."""

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Its own."""
        return [tensor]


class TorchGroup:
    """Members that meet at a store; lives until one of them goes."""

    def __init__(self, store: Any, rank: int, size: int, *, patience_s: float, device: str = "cpu") -> None:
        """Meet the others.

        Raises:
            GroupError: they did not all come within `patience_s`.
        """
        self.rank, self.size, self.waited = rank, size, 0.0
        patience = timedelta(seconds=patience_s)
        try:
            if device == "cpu":
                self._process_group: Any = dist.ProcessGroupGloo(store, rank, size, patience)
            else:  # written from torch's documentation and never run: no GPU was at hand
                options = dist.ProcessGroupNCCL.Options()
                options._timeout = patience
                self._process_group = dist.ProcessGroupNCCL(store, rank, size, options)
        except RuntimeError as error:
            raise GroupError(f"rank {rank} of {size} met not all others in {patience_s:g} s: {error}") from None

    def add_up(self, tensor: torch.Tensor) -> None:
        """See `Group`."""
        self._wait(lambda: self._process_group.allreduce([tensor]))

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """See `Group`."""
        lengths = [torch.zeros(1, dtype=torch.int64, device=tensor.device) for _ in range(self.size)]
        length = torch.tensor([len(tensor)], device=tensor.device)
        self._wait(lambda: self._process_group.allgather([lengths], [length]))
        longest = max(int(one) for one in lengths)
        padded = torch.zeros(longest, dtype=tensor.dtype, device=tensor.device)
        padded[: len(tensor)] = tensor
        rows = [torch.empty_like(padded) for _ in range(self.size)]
        self._wait(lambda: self._process_group.allgather([rows], [padded]))
        return [row[: int(one)] for row, one in zip(rows, lengths, strict=True)]

    def _wait(self, begin: Any) -> None:
        began = time.perf_counter()
        try:
            begin().wait()
        except RuntimeError as error:
            raise GroupError(f"rank {self.rank} of {self.size}: {error}") from None
        finally:
            self.waited += time.perf_counter() - began


def open_store(address: str, patience_s: float) -> tuple[Any, int]:
    """Serve a meeting place at this machine's address; gives it and its port. It lives as long as the object."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind((address, 0))
    port = int(listener.getsockname()[1])
    store = dist.TCPStore(
        address,
        port,
        is_master=True,
        timeout=timedelta(seconds=patience_s),
        wait_for_workers=False,
        master_listen_fd=listener.detach(),
    )
    return store, port


def find_store(address: str, port: int, patience_s: float) -> Any:
    """Come to a meeting place.

    Raises:
        GroupError: nobody serves it any more.
    """
    try:
        return dist.TCPStore(
            address, port, is_master=False, timeout=timedelta(seconds=patience_s), wait_for_workers=False
        )
    except RuntimeError as error:
        raise GroupError(f"no meeting place at {address}:{port}: {error}") from None


def speak_from(address: str) -> None:
    """Let gloo use the interface that has this address: by itself it takes what the machine's name resolves to.

    A user's own GLOO_SOCKET_IFNAME goes before it.
    """
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asker:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(asker.fileno(), _SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
            except OSError:  # an interface without an address
                continue
            if socket.inet_ntoa(found[20:24]) == address:
                os.environ.setdefault("GLOO_SOCKET_IFNAME", name)


_SIOCGIFADDR = 0x8915  # of Linux, netdevice(7)
