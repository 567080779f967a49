"""What the chart of the overview shows: by device, by group, or by band."""

from msgspec.structs import replace

from telemetry.web.overview.by_band import read_by_band
from telemetry.web.overview.by_device import read_by_device
from telemetry.web.overview.by_group import read_by_group
from telemetry.web.overview.comparison import Comparison, Question, make_comparison
from telemetry.web.overview.parting import By

READERS = {By.DEVICE: read_by_device, By.GROUP: read_by_group, By.BAND: read_by_band}


def read_comparison(question: Question) -> Comparison:
    """Levels are by device whatever is asked: they are not added up."""
    if question.quantity.is_level:
        question = replace(question, by=By.DEVICE)
    parts, before = READERS[question.by](question)
    return make_comparison(question, parts, before)
