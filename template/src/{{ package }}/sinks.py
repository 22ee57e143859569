"""Where predictions go besides `--output`: to what `sinks` in params.yaml names.

A table, an API or a topic takes each row by its id. Where files are kept, one takes all rows of the
table that was scored, under its name.

The options of a sink are those of a source of its kind. ``own: true`` says that it is on own
machines and not in a cloud.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow.parquet as pq

from . import datasets, duck, sources
from .errors import ProjectError
from .params import Params
from .sources import BATCH_ROWS, Options

# What each prediction says of itself.
MADE_BY, MADE_AT = "predicted_by", "predicted_at"


class SinkError(ProjectError):
    """Predictions cannot be written where they should go."""


@dataclass(frozen=True)
class Sink:
    name: str
    options: Options
    own: bool


def find(name: str, project: Params) -> Sink:
    """The sink of this name; raise SinkError, or ParamsError where its options are not right."""
    if name not in project.sinks:
        known = ", ".join(project.sinks) or "none"
        raise SinkError(f"params.yaml has no {name} under sinks; there is: {known}")
    given = dict(project.sinks[name])
    own = given.pop("own", False) is True
    options = datasets.parse_options(f"sinks.{name}", given)
    kind = sources.kind(options.kind)
    if not (hasattr(kind, "write") or hasattr(kind, "put")):
        raise SinkError(f"sinks.{name}: nothing can be written to the kind {options.kind}")
    return Sink(name, options, own)


def write(sink: Sink, predictions: Path, id: str, name: str) -> None:
    """Write what `score` put into a file for the table of this name.

    Rows of the same id are replaced; of files, the one for a table of the same name. Nothing is
    written when an id is missing or stands in two rows. Raises SinkError when the sink does not
    take them all.
    """
    _check(predictions, id)
    kind = sources.kind(sink.options.kind)
    with pq.ParquetFile(predictions, pre_buffer=False) as file:
        metadata, rows = file.schema_arrow.metadata, file.metadata.num_rows
        made = {
            MADE_BY: pl.lit(metadata[b"model"].decode()),
            MADE_AT: pl.lit(metadata[b"scored_at"].decode()).str.to_datetime(time_zone="UTC"),
        }
        done = 0
        try:
            if hasattr(kind, "put"):
                with TemporaryDirectory(dir=predictions.parent) as folder:
                    whole = Path(folder) / predictions.name
                    pl.scan_parquet(predictions).with_columns(**made).sink_parquet(whole)
                    kind.put(sink.options, whole, name)
                return
            for batch in file.iter_batches(BATCH_ROWS):
                table = pl.DataFrame(pl.from_arrow(batch)).with_columns(**made)
                kind.write(sink.options, table, [id])
                done += table.height
        except (ProjectError, OSError) as error:
            raise SinkError(
                f"{sink.name}: {error}; {done:,} of {rows:,} predictions were written, and all "
                f"are in {predictions}: score again, which replaces them"
            ) from None


def _check(predictions: Path, id: str) -> None:
    """Raise SinkError where rows could not be told apart; of any number of them."""
    name = '"' + id.replace('"', '""') + '"'
    with duck.connect() as connection:
        [wrong] = connection.execute(
            f"SELECT count(*) FROM (SELECT {name} FROM read_parquet($path) GROUP BY ALL "
            f"HAVING count(*) > 1 OR {name} IS NULL)",
            {"path": str(predictions)},
        ).fetchall()
    if wrong[0]:
        raise SinkError(
            f"nothing is written, but into {predictions}: {wrong[0]:,} values of {id} are missing "
            "or stand in several rows"
        )
