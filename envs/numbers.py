"""Numbers as files of scenarios may give them: of their own type and within bounds.

Flows in: nothing. Flows out: types for pydantic, and the line that tells a fault. `true` is no number and `"240"` is
none either, so that a slip is seen. Bounds keep whatever the rulebook makes of them (ticks, sums) inside its integers.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, ValidationError

LONGEST_S = 31_536_000.0  # a year
MONTH_S = 2_678_400.0  # 31 days

Real = Annotated[float, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]


def first_fault(error: ValidationError) -> str:
    """The first fault of a file as `place: what is wrong and what may stand there`."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "top"
    kind, bounds = fault["type"], fault.get("ctx", {})
    given = _SHOWN.sub(" ", repr(fault["input"]))[:_LONGEST_SHOWN]
    if kind == "value_error":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}; mend it there"
    if kind == "extra_forbidden":
        return f"{place}: is no field that is known here; mend its name or leave it out"
    if kind == "missing":
        return f"{place}: is not there; give it"
    said = next((words for name, words in _EXPECTED if kind.startswith(name)), None)
    if said is None:
        return f"{place}: {fault['msg']}; mend it there"
    return f"{place}: {given} is not {said.format_map(bounds)}; mend it there"


_LONGEST_SHOWN = 60  # characters of what a file gave
_SHOWN = re.compile(r"\s+")
_EXPECTED = (  # by the beginning of pydantic's name of a fault; bounds stand in its context
    ("string_too_short", "text of at least {min_length} characters"),
    ("string_too_long", "text of at most {max_length} characters"),
    ("string", "text"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("finite_number", "a finite number"),
    ("bool", "true or false"),
    ("greater_than_equal", "{ge} or more"),
    ("greater_than", "more than {gt}"),
    ("less_than_equal", "{le} or less"),
    ("less_than", "less than {lt}"),
    ("literal_error", "one of {expected}"),
    ("too_short", "a list of at least {min_length}"),
    ("too_long", "a list of at most {max_length}"),
    ("tuple_type", "a list"),
    ("list_type", "a list"),
    ("dict_type", "a mapping of fields to values"),
    ("model_type", "a mapping of fields to values"),
    ("invalid_key", "a word, as names of fields are"),
)
