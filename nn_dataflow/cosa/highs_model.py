# SPDX-License-Identifier: BSD-3-Clause
"""Mixed-integer programs as arrays, and their solution by HiGHS.

Decides how a program is handed to the solver and what its answer means (docs/model/cosa_program.md
section 5). Columns and rows are collected as arrays and passed at once. The solver is an optional
dependency, imported when a program is first solved.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nn_dataflow.errors import require

from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# The optimum is to be the optimum: the spread of costs that differ is far above these.
RELATIVE_GAP = 1e-9
ABSOLUTE_GAP = 1e-8
FEASIBILITY = 1e-9


class Answer(NamedTuple):
    """What the solver found.

    Attributes
    ----------
    values
        Best values of the columns, None where none was found.
    objective
        Their cost, infinite where none was found.
    bound
        Proved lower bound of the cost, minus infinity where none was proved.
    status
        "optimal", "infeasible", "time limit", or what else the solver says.
    """

    values: Floats | None
    objective: float
    bound: float
    status: str


class LinearProgram:
    """A mixed-integer linear program, built block by block; minimises cost."""

    def __init__(self) -> None:
        self._columns: list[tuple[Floats, Floats, Floats, NDArray[np.bool_]]] = []
        self._more_cost: list[tuple[Ints, float]] = []
        self.num_columns = 0
        self._rows: list[tuple[Ints, Floats]] = []
        self._row_lower: list[float] = []
        self._row_upper: list[float] = []

    @property
    def num_rows(self) -> int:
        """Number of rows so far."""
        return len(self._rows)

    def add_columns(
        self, cost: ArrayLike, upper: ArrayLike, *, integer: bool = True, lower: float = 0
    ) -> Ints:
        """Add columns between `lower` and `upper`; returns their numbers.

        Parameters
        ----------
        cost, upper
            One value per column, broadcast against each other.
        integer
            Whether they are integers.
        lower
            Least value of all of them.
        """
        costs, uppers = np.broadcast_arrays(
            np.atleast_1d(np.asarray(cost, float)), np.atleast_1d(np.asarray(upper, float))
        )
        number = len(costs)
        self._columns.append((costs, np.full(number, lower), uppers, np.full(number, integer)))
        self.num_columns += number
        return np.arange(self.num_columns - number, self.num_columns)

    def add_cost(self, columns: ArrayLike, cost: float) -> None:
        """Add to the cost of columns."""
        self._more_cost.append((np.atleast_1d(np.asarray(columns, np.int64)), cost))

    def add_row(
        self,
        columns: ArrayLike,
        coefficients: ArrayLike,
        *,
        lower: float = -math.inf,
        upper: float = math.inf,
    ) -> None:
        """Add a row; a coefficient stands for all columns where only one is given."""
        cols = np.atleast_1d(np.asarray(columns, np.int64))
        values = np.broadcast_to(np.asarray(coefficients, float), cols.shape)
        self._rows.append((cols, values))
        self._row_lower.append(lower)
        self._row_upper.append(upper)

    @property
    def least_cost(self) -> float:
        """Lower bound of the cost without the rows."""
        cost, lower, upper, _ = self._all_columns()
        return float(np.minimum(cost * lower, cost * upper).sum())

    def solve(self, *, time_limit: float | None = None, seed: int = 0) -> Answer:
        """Solve to proven optimality, or as far as the time allows.

        Parameters
        ----------
        time_limit
            Seconds, None for no limit.
        seed
            Seed of the solver: the same seed gives the same answer.

        Raises
        ------
        InputError
            If the solver allows no such limit or seed.
        MissingExtraError
            Without HiGHS.
        """
        highspy: Any = require("highspy", "HiGHS", "solving formulations H and P", "cosa")
        solver = highspy.Highs()
        options: dict[str, Any] = {
            "output_flag": False,
            "threads": 1,
            "random_seed": seed,
            "mip_rel_gap": RELATIVE_GAP,
            "mip_abs_gap": ABSOLUTE_GAP,
            "mip_feasibility_tolerance": FEASIBILITY,
            "primal_feasibility_tolerance": FEASIBILITY,
        }
        if time_limit is not None:
            options["time_limit"] = float(time_limit)
        for name, value in options.items():
            if solver.setOptionValue(name, value) != highspy.HighsStatus.kOk:
                raise InputError(f"HiGHS: {name} must not be {value!r}")
        solver.passModel(self._to_highs(highspy))
        solver.run()
        return self._answer(highspy, solver)

    def _all_columns(self) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
        """Cost, least and largest value and kind of all columns."""
        cost, lower, upper, integer = (
            np.concatenate(parts) for parts in zip(*self._columns, strict=True)
        )
        for columns, more in self._more_cost:
            cost[columns] += more
        return cost, lower, upper, integer

    def _to_highs(self, highspy: Any) -> Any:
        """The program in the solver's own form."""
        cost, lower, upper, integer = self._all_columns()
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self.num_columns, self.num_rows
        program.col_cost_, program.col_lower_, program.col_upper_ = cost, lower, upper
        program.row_lower_ = np.array(self._row_lower)
        program.row_upper_ = np.array(self._row_upper)
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        program.integrality_ = [kinds[flag] for flag in integer.tolist()]
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        sizes = [len(columns) for columns, _ in self._rows]
        matrix.start_ = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
        matrix.index_ = np.concatenate([columns for columns, _ in self._rows]).astype(np.int32)
        matrix.value_ = np.concatenate([values for _, values in self._rows])
        return program

    def _answer(self, highspy: Any, solver: Any) -> Answer:
        """Read values, bound and status of a solver that has run."""
        info = solver.getInfo()
        model_status = solver.getModelStatus()
        names = {
            highspy.HighsModelStatus.kOptimal: "optimal",
            highspy.HighsModelStatus.kInfeasible: "infeasible",
            highspy.HighsModelStatus.kTimeLimit: "time limit",
        }
        status = names.get(model_status, solver.modelStatusToString(model_status))
        found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        values = np.array(solver.getSolution().col_value) if found else None
        objective = info.objective_function_value if found else math.inf
        bound = info.mip_dual_bound
        return Answer(values, objective, bound if math.isfinite(bound) else -math.inf, status)
