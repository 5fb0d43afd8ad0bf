"""What the kernel was told last, so that a change writes one producer's part of it, not the whole table.

Flows in: lists of rules by producer. Flows out: transactions of `nft`. Where one is not taken, the whole table is
written: somebody may have changed it behind our back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .layout import Layout, layout_of
from .nft import NftError, Place, begun, changed, whole
from .rules import Rule

Lists = Mapping[str, Sequence[Rule]]  # by producer, each top-down


@dataclass(slots=True)
class Kernel:
    """Our table in the kernel; lives as long as the enforcement point, used by one thread at a time."""

    place: Place
    send: Callable[[dict[str, Any], Place], None]  # see `nft.run`
    _numbers: dict[str, int] = field(default_factory=dict)  # of producers, in the names of chains
    _written: dict[str, tuple[Sequence[Rule], Layout]] | None = None  # None: not known

    def write(self, lists: Lists) -> None:
        """Have the kernel hold these lists.

        Raises:
            NftError: it does not take them; it holds what it held, so far as that is known.
        """
        before, self._written = self._written, None  # until all is well, nothing is known
        laid = {
            name: before[name] if before is not None and name in before and before[name][0] is rules
            else (rules, layout_of(rules))
            for name, rules in lists.items()
        }  # fmt: skip
        if before is None:
            self._write_whole(laid)
        else:
            commands = self._changes(before, laid)
            try:
                if commands:
                    self.send({"nftables": commands}, self.place)
            except NftError:
                self._write_whole(laid)
        self._written = laid

    def _changes(
        self, before: Mapping[str, tuple[Sequence[Rule], Layout]], after: dict[str, tuple[Sequence[Rule], Layout]]
    ) -> list[dict[str, Any]]:
        commands: list[dict[str, Any]] = []
        for name in before:
            after.setdefault(name, ((), Layout()))  # its chains stay, empty
        for name, (_, layout) in after.items():
            if name in before:
                commands += changed(self._numbers[name], before[name][1], layout, self.place)
            else:
                self._numbers[name] = max(self._numbers.values(), default=0) + 1
                commands += begun(self._numbers[name], layout, self.place)
        return commands

    def _write_whole(self, laid: Mapping[str, tuple[Sequence[Rule], Layout]]) -> None:
        self._numbers = {name: number for number, name in enumerate(sorted(laid), 1)}
        layouts = {number: laid[name][1] for name, number in self._numbers.items()}
        self.send({"nftables": whole(layouts, self.place)}, self.place)
