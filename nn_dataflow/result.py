# SPDX-License-Identifier: BSD-3-Clause
"""A result of a search, as Python programs and notebooks see it.

Decides its attributes and how it is shown (docs/python.md). All of them are those of the JSON
record, so that a result that was stored and read is the same.
"""

from __future__ import annotations

import copy
import html
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import InputError, require
from .tools.argument_checks import Refused
from .tools.layer_figures import LEVELS
from .tools.output_file import OutputFile
from .tools.result_json import to_text
from .tools.table_text import Column, alone, join, scaled, shorten
from .tools.terminal import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .core.certificate import Certificate
    from .core.nn_dataflow_scheme import NNDataflowScheme
    from .tools.layer_figures import Component
    from .tools.result_record import ResultRecord

_MOST_ROWS = 40  # of layers that are shown; of more, the first and the last ones


class LayerResult(NamedTuple):
    """A layer of a result.

    Attributes
    ----------
    name, segment
        Its name, and the number of its segment, which begin with 0.
    energy, time
        Energy in the unit of the result, and cycles, of the layer by itself.
    limit
        What its time comes from: "PEs", "bus" or "DRAM".
    pe_utilization
        Share of the time in which the PEs of its nodes work, from 0 to 1.
    components
        Energy of operations, of every memory, of hops, and static.
    accesses
        Words at every memory.
    schedule
        How it is scheduled (docs/model/search.md section 3).
    """

    name: str
    segment: int
    energy: float
    time: float
    limit: str
    pe_utilization: float
    components: dict[str, float]
    accesses: dict[str, float]
    schedule: Mapping[str, Any]


class SegmentResult(NamedTuple):
    """Layers that are on chip together: their names by group of nodes, and cycles of all."""

    groups: tuple[tuple[str, ...], ...]
    time: float


class Result:
    """The best schedule of a network.

    Parameters
    ----------
    record : ResultRecord
        Its record.
    schedules : sequence of NNDataflowScheme
        The schedules found, best first; none for a result that was read.

    Attributes
    ----------
    net, batch, version
        What was searched, and by which version of this program.
    machine, resource, options
        What it was searched for: what the machine is called, its fields, and the options.
    energy, energy_unit, time
        Of the best schedule; the unit is "pJ" or the like, or "units" of the cost table; the time
        is in cycles.
    components, accesses
        What the energy consists of, and the words at every memory.
    pe_utilization
        Share of the time in which all PEs work, from 0 to 1.
    certificate : Certificate or None
        What is proven of it (docs/model/search.md section 6.3).
    layers : dict of str to LayerResult
        In schedule order.
    segments : list of SegmentResult
        In order.
    schedules : list of NNDataflowScheme
        All that were found, best first.
    """

    def __init__(self, record: ResultRecord, schedules: Sequence[NNDataflowScheme] = ()) -> None:
        self._record = record
        self.net = record.net
        self.batch = record.batch
        self.version = record.version
        self.machine = copy.deepcopy(record.machine)
        self.resource = copy.deepcopy(record.resource)
        self.options = copy.deepcopy(record.options)
        self.energy = float(record.total_cost)
        self.energy_unit = record.unit
        self.time = float(record.total_time)
        self.components = _energies(record.components())
        self.accesses = dict(zip(LEVELS, record.total_accesses, strict=True))
        self.pe_utilization = record.busy_pes()
        self.certificate: Certificate | None = record.certificate
        self.layers = {
            name: LayerResult(
                name,
                layer.place[0],
                layer.total_cost,
                layer.total_time,
                layer.limit,
                record.busy_pes(name),
                _energies(record.layer_components(name)),
                dict(zip(LEVELS, layer.total_accesses, strict=True)),
                copy.deepcopy(layer.scheme),
            )
            for name, layer in record.layers.items()
        }
        self.segments = [SegmentResult(*segment) for segment in record.segments]
        self.schedules = [*schedules]

    def to_dict(self) -> dict[str, Any]:
        """Return the record (docs/model/search.md section 7.1), which may be changed."""
        return copy.deepcopy(self._record.values)

    def to_json(self) -> str:
        """Return the record as strict JSON, as the command line writes it."""
        return to_text(self._record.values)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record to a file, all of it or nothing; `nn_dataflow.load` reads it.

        Raises
        ------
        InputError
            If the file could not be one.
        OSError
            If it cannot be written.
        """
        try:
            OutputFile(os.fspath(path)).save(self.to_json())
        except Refused as error:
            raise InputError(str(error)) from error
        except OutputError as error:
            raise OSError(str(error)) from error

    def to_dataframe(self) -> Any:
        """Return a pandas data frame with a row for each layer, by name.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = require("pandas", "pandas", "to_dataframe", "pandas")
        rows = {
            name: {
                "segment": layer.segment,
                "energy": layer.energy,
                "time": layer.time,
                "limit": layer.limit,
                "pe_utilization": layer.pe_utilization,
                **{f"energy of {part}": energy for part, energy in layer.components.items()},
                **{f"{level} words": words for level, words in layer.accesses.items()},
            }
            for name, layer in self.layers.items()
        }
        return pandas.DataFrame.from_dict(rows, orient="index")

    def __repr__(self) -> str:
        heads, rows = self._table()
        cells = [list(column) for column in zip(*rows, strict=True)]
        left = (0, 5)
        columns = [
            Column(title, unit, column, left=number in left)
            for number, ((title, unit), column) in enumerate(zip(heads, cells, strict=True))
        ]
        lines = (line.rstrip() for line in join(columns))
        return "\n".join([f"Result({self._summary()})", *lines])

    def _repr_html_(self) -> str:
        heads, rows = self._table()
        head = "".join(
            f"<th>{html.escape(f'{title} ({unit})' if unit else title)}</th>"
            for title, unit in heads
        )
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{html.escape(self._summary())}</p>{table}"

    def _summary(self) -> str:
        goal = {"e": "energy", "d": "time"}.get(self._record.goal, "energy x time")
        proven = "evaluated"
        if self.certificate is not None:
            gap = 100 * self.certificate.gap
            proven = (
                f"least {goal}" if self.certificate.is_optimal else f"gap {gap:.2g} % of {goal}"
            )
        machine = self.machine.get("name")
        on = f", on {machine}" if machine else ""
        energy, time = alone(self.energy, self.energy_unit), alone(self.time, "cycles")
        return f"{self.net}, batch {self.batch}{on}: energy {energy}, time {time}, {proven}"

    def _table(self) -> tuple[list[tuple[str, str]], list[list[str]]]:
        """Titles with units, and rows of the layers and of the total."""
        layers = [*self.layers.values()]
        energy = scaled("energy", self.energy_unit, [one.energy for one in layers], self.energy)
        time = scaled("time", "cycles", [one.time for one in layers], self.time)
        shares = [100 * one.energy / self.energy if self.energy else 0 for one in layers]
        busy = [*(one.pe_utilization for one in layers), self.pe_utilization]
        columns = [
            [*(shorten(one.name) for one in layers), "total"],
            [*(str(one.segment + 1) for one in layers), ""],
            energy.cells,
            [f"{share:.1f}" for share in (*shares, 100 if self.energy else 0)],
            time.cells,
            [*(one.limit for one in layers), ""],
            [f"{100 * share:.1f}" for share in busy],
        ]
        titles = ("layer", "seg.", "energy", "energy", "time", "limit", "PEs busy")
        units = ("", "", energy.unit, "% of all", time.unit, "", "% of time")
        rows = [list(row) for row in zip(*columns, strict=True)]
        if len(rows) > _MOST_ROWS:
            half = _MOST_ROWS // 2
            gap = [f"... {len(rows) - 2 * half} more", *[""] * (len(columns) - 1)]
            rows = [*rows[:half], gap, *rows[-half:]]
        return [*zip(titles, units, strict=True)], rows


def _energies(parts: Sequence[Component]) -> dict[str, float]:
    return {part.name: part.cost for part in parts}
