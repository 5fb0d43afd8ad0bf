"""Numbers as files of scenarios may give them: of their own type and within bounds.

Flows in: nothing. Flows out: types for pydantic, and the line that tells a fault. `true` is no number and `"240"` is
none either, so that a slip is seen. Bounds keep whatever the rulebook makes of them (ticks, sums) inside its integers.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

LONGEST_S = 31_536_000.0  # a year
MONTH_S = 2_678_400.0  # 31 days

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


def first_fault(error: ValidationError) -> str:
    """The first fault of a file as `place: what is wrong; mend it there`."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "top"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}; mend it there"
