"""The interactive page of a scenario: a SolaraViz of `ScenarioModel`, served by `tocsin viz`.

Flows in: scenario files named in the environment, a person's choices. Flows out: a page, `Page`, as Solara serves it.
Every visitor has a model of their own. Loading this module needs the extra `viz`.
"""

from __future__ import annotations

import os

import solara
from mesa.visualization import Slider, SolaraViz
from mesa.visualization.utils import update_counter

from ..agents.drawing import draw_chain, draw_course
from ..agents.model import ChainModel
from .attackers import PRESETS
from .scenario import EXAMPLE
from .scenario_model import AS_WRITTEN, COALITION, DEFENDERS, OWNERS, ScenarioModel
from .viz_commands import SCENARIOS

TITLE = "Tocsin: a chain under attack"
HELP = (
    "Step or play; after a change of parameters press Reset. Equal parameters give equal runs. Orange is what the "
    "first seat believes, from findings alone. What is marked TRUTH no defender sees, but the clairvoyant."
)


@solara.component
def Page() -> None:  # noqa: N802  (Solara looks for this name)
    """Controls at the side, chain above, plots below."""
    scenarios = os.environ.get(SCENARIOS, EXAMPLE).split(os.pathsep)
    first = solara.use_memo(lambda: ScenarioModel(scenarios[0], defender="threshold"), [])
    model = solara.use_reactive(first)
    shows_truth = solara.use_reactive(True)
    solara.Title(TITLE)
    SolaraViz(model, components=[], model_params=parameters(scenarios), name=TITLE, play_interval=200)
    with solara.Column(gap="4px", style={"padding": "0 12px"}):
        solara.Text(HELP, style={"color": "#555", "font-size": "14px"})
        solara.Checkbox(label="Show the hidden truth", value=shows_truth)
        Pictures(model.value, shows_truth.value)


@solara.component
def Pictures(model: ChainModel, shows_truth: bool) -> None:  # noqa: N802  (a component)
    """The chain and the plots, drawn again after every step."""
    now = update_counter.get()
    for figure in (draw_chain(model, shows_truth=shows_truth), draw_course(model, shows_truth=shows_truth)):
        solara.FigureMatplotlib(figure, dependencies=[now, model, shows_truth], format="png", dpi=100)


def parameters(scenarios: list[str]) -> dict[str, object]:
    """What a person may choose, in the form that SolaraViz takes."""

    def select(label: str, value: str, values: list[str]) -> dict[str, object]:
        return {"type": "Select", "label": label, "value": value, "values": values}

    return {
        "scenario": select("Scenario", scenarios[0], scenarios),
        "world": Slider("World id", 0, 0, 999, 1, dtype=int),
        "attacker": select("Attacker", AS_WRITTEN, [AS_WRITTEN, *PRESETS]),
        "defender": select("Defender", "threshold", list(DEFENDERS)),
        "seats": select("Seats", COALITION, [COALITION, OWNERS]),
    }
