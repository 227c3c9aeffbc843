# SPDX-License-Identifier: BSD-3-Clause
"""Schedules of one layer by the original's mixed-integer program, solved to proven optimality.

Decides how the program is solved and what its solution says (docs/model/cosa_program.md): either
revision, even mapping or uneven mapping by given or by chosen residency boundaries.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decoding import FactorTables, factor_tables, from_mapping, to_mapping
from .errors import InputError, NoMappingError
from .formulation_compact import NUM_DIMS, CompactModel
from .formulation_uneven import UnevenModel
from .problem import TENSORS
from .program import TEMPORAL, Configuration, Objective, make_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .architecture import Architecture
    from .highs_model import Answer
    from .mapping import Mapping
    from .mapspace import Mapspace
    from .problem import Problem
    from .program import Program

    Bools = NDArray[np.bool_]

# Evaluated and solved objectives agree to the solver's tolerances.
TOLERANCE = 1e-6


class ProgramSolution(NamedTuple):
    """Best solution of a program that was found, and what is proved about it.

    Attributes
    ----------
    mapping
        What runs where.
    objective
        Terms of the objective, in bits.
    best_bound
        No mapping of the program has a lower total.
    gap
        Distance of total and bound, relative to the total where that is above one.
    status
        "optimal" or "time limit".
    wall_s
        Seconds for all of it.
    tables
        Prime factors, level of factor, spatial flag and order index.
    columns, rows
        Size of the program.
    """

    mapping: Mapping
    objective: Objective
    best_bound: float
    gap: float
    status: str
    wall_s: float
    tables: FactorTables
    columns: int
    rows: int


def solve(
    problem: Problem,
    architecture: Architecture,
    revision: str,
    *,
    mapspace: Mapspace | None = None,
    residency: str | Sequence[Sequence[int]] | None = None,
    time_limit: float | None = None,
    seed: int = 0,
) -> ProgramSolution:
    """Schedule a layer by formulation H or P.

    Parameters
    ----------
    problem
        The layer.
    architecture
        The machine.
    revision
        "H" or "P".
    mapspace
        What the memories keep, where it is not as the architecture says.
    residency
        None or "even": the tile of a tensor at a memory spans all loops of that memory.
        "uneven": the program chooses for each tensor how many of the buffer's loops its tile
        there spans. A table of 0 and 1, (memories, 3): whether the tile of weights, inputs and
        outputs at a memory spans the temporal loops of that memory.
    time_limit
        Seconds for the solver; None for no limit. The best solution found by then is returned; at
        worst all loops are at the last memory.
    seed
        Seed of the solver: the same seed gives the same mapping.

    Raises
    ------
    InputError
        For an unknown revision or a residency that does not fit.
    NoMappingError
        If a memory holds less than a word of a tensor, or the solver gives up.
    MissingExtraError
        Without HiGHS.

    Examples
    --------
    >>> from nn_dataflow.cosa import Architecture, Problem
    >>> layer = Problem({"R": 3, "S": 3, "P": 56, "Q": 56, "C": 64, "K": 64})
    >>> solution = solve(layer, Architecture.preset("simba16"), "H")
    >>> solution.status, round(solution.objective.total, 6)
    ('optimal', 223.21074)
    """
    start = time.perf_counter()
    machine = architecture if mapspace is None else mapspace.apply(architecture)
    spans = _read_residency(residency, machine)
    program = make_program(problem, machine, revision, spans)
    model = (UnevenModel if spans is None and residency == "uneven" else CompactModel)(program)
    answer = model.rows.solve(time_limit=time_limit, seed=seed)
    configuration = _configuration(program, model, answer)
    terms = [float(term[0]) for term in program.objective(configuration)]
    objective = Objective(*terms)
    if program.overflowing(configuration).any() or objective.total > answer.objective + TOLERANCE:
        raise RuntimeError(
            f"the solution of {problem.name or problem} does not keep to its program"
        )
    bound = min(max(answer.bound, model.rows.least_cost), objective.total)
    keeps = None if mapspace is None else tuple(level.keeps for level in machine.levels)
    return ProgramSolution(
        mapping=to_mapping(program, configuration, spans, keeps),
        objective=objective,
        best_bound=bound,
        gap=(objective.total - bound) / max(abs(objective.total), 1.0),
        status=answer.status,
        wall_s=time.perf_counter() - start,
        tables=factor_tables(program, configuration),
        columns=model.rows.num_columns,
        rows=model.rows.num_rows,
    )


def objective_of(
    problem: Problem,
    architecture: Architecture,
    revision: str,
    mapping: Mapping,
    *,
    mapspace: Mapspace | None = None,
) -> Objective:
    """Terms of the program's objective for any mapping, whether the program allows it or not.

    Parameters
    ----------
    problem, architecture, revision, mapspace
        As of `solve`.
    mapping
        A mapping of this layer on this machine. Of its loop orders only the buffer's matters;
        boundaries in it are charged as those that the program chooses.

    Raises
    ------
    InputError
        For an unknown revision, a mapping of another layer or machine, or one with a tile that
        spans a part of the loops of a memory inside the buffer.

    Examples
    --------
    >>> from nn_dataflow.cosa import Architecture, Mapping, Problem
    >>> machine = Architecture.preset("simba16")
    >>> mapping = Mapping([(name, [], [("K", 2)] * (name == "DRAM")) for name in machine.names])
    >>> round(objective_of(Problem({"K": 2}), machine, "H", mapping).total, 6)
    13.01
    """
    machine = architecture if mapspace is None else mapspace.apply(architecture)
    spans = _spans_of(mapping, machine)
    program = make_program(problem, machine, revision, spans)
    terms = program.objective(from_mapping(program, mapping))
    return Objective(*(float(term[0]) for term in terms))


def _read_residency(residency: Any, machine: Architecture) -> Bools | None:
    """Given boundaries; None where there are none or the program chooses them."""
    shape = (len(machine.levels), len(TENSORS))
    if residency is None or isinstance(residency, str):
        if residency not in (None, "even", "uneven"):
            raise InputError(f'residency: must be "even", "uneven" or a table, got {residency!r}')
        return None
    try:
        table: NDArray[Any] = np.array(residency)
    except ValueError:
        table = np.zeros(())
    if table.shape != shape or not np.isin(table, (0, 1)).all():
        raise InputError(f"residency: must be a table of 0 and 1 of {shape}, got {residency!r}")
    if not table[-1].all():
        raise InputError(f"residency: {machine.names[-1]}, the last memory, holds whole tensors")
    given: Bools = table.astype(bool) | ~machine.stores.T
    return given


def _spans_of(mapping: Mapping, machine: Architecture) -> Bools | None:
    """Boundaries of a mapping inside the buffer, where a tile has all loops of a memory or none."""
    if mapping.residency is None:
        return None
    spans = np.ones((len(mapping.levels), len(TENSORS)), dtype=bool)
    for memory, (name, _, temporal) in enumerate(mapping.levels[: machine.roles.global_buffer]):
        for tensor, count in enumerate(mapping.residency[memory]):
            if 0 < count < len(temporal):
                raise InputError(
                    f"{name}: the program has none or all of its {len(temporal)} temporal loops "
                    f"inside the tile of {TENSORS[tensor]}, got {count}"
                )
            spans[memory, tensor] = count == len(temporal)
    return spans


def _configuration(program: Program, model: CompactModel, answer: Answer) -> Configuration:
    """Solution of the solver, or everything at the last memory where it found none in time."""
    if answer.status not in ("optimal", "time limit"):
        raise NoMappingError(
            f"formulation {program.revision}: HiGHS stopped: {answer.status}, best bound "
            f"{answer.bound:g}",
            answer.status,
            answer.bound if math.isfinite(answer.bound) else None,
        )
    if answer.values is not None:
        return model.configuration(answer.values)
    counts = np.zeros((len(program.groups.dim), len(program.architecture.levels), 2), np.int64)
    counts[:, -1, TEMPORAL] = program.groups.number
    inside = np.full((1, len(TENSORS)), NUM_DIMS)
    return Configuration(counts[None], np.arange(NUM_DIMS)[None], inside)
