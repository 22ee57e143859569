"""An observation as a page for people: one HTML file that needs nothing else."""

from pathlib import Path

from .. import charter, retention
from ..charter import Charter
from ..errors import ProjectError
from ..metrics import LOSS_NAME
from ..params import Params
from ..plots import BARS, Plot
from ..report import METRICS, page, picture
from ..settings import MODEL_NAME, REPORTS, Settings
from .drift import Drift
from .quality import Quality
from .run import Observation, observe, save, write

NAME = "observation.html"
TEMPLATE = Path(__file__).with_name("observation.html.j2")
# The features that differ most; a table holds all of them.
PICTURES = 24
UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class ReportError(ProjectError):
    """What was observed cannot be written down."""


def publish(params: Params, settings: Settings, hours: float | None = None) -> Observation:
    """Observe, keep what was seen, write reports/observation.html, and let go what is too old.

    Raises ProjectError.
    """
    seen = observe(params, settings, hours)
    page = render(seen, params, charter.load())
    try:
        save(seen, page, settings.observations, params.observe.keep)
        write(REPORTS / NAME, page)
    except OSError as error:
        raise ReportError(f"the observation cannot be kept: {error}") from None
    retention.expire(settings, params)
    return seen


def render(seen: Observation, params: Params, costs: Charter) -> str:
    return page(
        TEMPLATE,
        duration=duration,
        seen=seen,
        name=MODEL_NAME,
        loss_name=LOSS_NAME[seen.task],
        metric_names=METRICS,
        unit=costs.costs.unit,
        confidence=params.gates.confidence,
        limits=params.observe,
        least_rows=params.gates.slice_min_rows,
        pictures=[(plot, picture(plot)) for plot in _plots(seen)],
    )


def duration(seconds: float) -> str:
    """For people, in the unit that they would choose."""
    unit = next((unit for unit, size in UNITS.items() if seconds >= 2 * size), "seconds")
    return f"{seconds / UNITS[unit]:.3g} {unit}"


def _plots(seen: Observation) -> list[Plot]:
    plots = []
    if seen.quality is not None and len(seen.quality.days) > 1:
        plots.append(_days(seen.quality, LOSS_NAME[seen.task]))
    if seen.drift is not None:
        plots += map(_distribution, (seen.drift.prediction, *seen.drift.features[:PICTURES]))
    return plots


def _distribution(drift: Drift) -> Plot:
    bins = zip(drift.bins, drift.before, drift.now, strict=True)
    present = [one for one in bins if one[1] or one[2]]
    # Of more bins than a person can read, those that differ most.
    most = sorted(present, key=lambda one: -abs(one[2] - one[1]))[:BARS]
    shown = [
        {"bin": name, "then": then, "now": now}
        for name, then, now in present
        if (name, then, now) in most
    ]
    text = "Drifted." if drift.drifted else "No drift."
    text += f" PSI {drift.psi:.3f}; chance alone explains {drift.chance:.3f}."
    return Plot(drift.name, drift.name, "then_and_now", "share_of_rows", "bin", shown, text)


def _days(quality: Quality, loss: str) -> Plot:
    records = [
        {"day": day, "loss": one.value, "low": one.low, "high": one.high}
        for day, one in sorted(quality.days.items())[-BARS:]
    ]
    text = f"The evaluation promised {quality.promised_loss}."
    title = f"{loss.capitalize()} by day of the prediction"
    return Plot("days", title, "bar_horizontal_sorted", "loss", "day", records, text)
