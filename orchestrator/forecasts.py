"""Forecasts as they are shown, stored and signed, and whether a new one still meets the one shown.

Flows in: an advisor's `Forecast`. Flows out: JSON values, and comparisons of expected benefit. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .proposals import Estimate, Forecast


class ForecastError(ValueError):
    """A forecast that makes no sense."""


def shown(forecast: Forecast) -> dict[str, Any]:
    """Give the forecast as JSON values, the form that owners sign.

    Raises:
        ForecastError: a number that is not finite, or an interval that does not hold its mean.
    """
    for option in forecast.options:
        if not all(math.isfinite(value) for value in (option.mean, option.low, option.high)):
            raise ForecastError(f"forecast of {option.name!r} is not finite; the advisor must give numbers")
        if not option.low <= option.mean <= option.high:
            raise ForecastError(f"forecast of {option.name!r}: mean {option.mean} lies outside its interval")
    options = {
        name: asdict(option) if option else None
        for name, option in (
            ("nothing", forecast.nothing),
            ("this", forecast.this),
            ("alternative", forecast.alternative),
        )
    }
    later = {"later": shown(forecast.later)} if forecast.later else {}
    return {"horizon_s": float(forecast.horizon_s), "worlds": int(forecast.worlds), **options, **later}


def read(content: Mapping[str, Any]) -> Forecast:
    """Give the forecast back from JSON values."""
    alternative, later = content.get("alternative"), content.get("later")
    return Forecast(
        horizon_s=content["horizon_s"],
        worlds=content["worlds"],
        nothing=Estimate(**content["nothing"]),
        this=Estimate(**content["this"]),
        alternative=Estimate(**alternative) if alternative else None,
        later=read(later) if later else None,
    )


def benefit(forecast: Forecast) -> tuple[float, float]:
    """Give the least and the most loss that the response spares, by the ends of both intervals."""
    return (forecast.nothing.low - forecast.this.high, forecast.nothing.high - forecast.this.low)


def meets(new: Forecast, old: Forecast) -> bool:
    """Whether a new forecast still supports what was consented to: the intervals of the benefit meet, or it grew."""
    return benefit(new)[1] >= benefit(old)[0]
