# SPDX-License-Identifier: BSD-3-Clause
"""Command line tool: finds the best dataflow of a network on an accelerator, and shows it.

Decides how the quantities of the command line become the model's (docs/model/search.md section 7,
docs/model/hardware.md section 8), where the result goes, and the exit status. The modules that
are only needed after the arguments are found good are loaded then.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

# The matrix products of a search are small: threads cost more at start than they save.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if not __package__:
    # Without pathlib, which is slow to import.
    sys.path.insert(0, os.path.abspath(__file__).rsplit(os.sep, 3)[0])  # noqa: PTH100

from nn_dataflow.tools.argument_checks import Refused
from nn_dataflow.tools.exit_status import OK, NoDataflow, give_up
from nn_dataflow.tools.search_arguments import PROG, parse_arguments
from nn_dataflow.tools.terminal import columns, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nn_dataflow.core.cost import Cost
    from nn_dataflow.core.network import Network
    from nn_dataflow.core.option import Option
    from nn_dataflow.core.resource import Resource
    from nn_dataflow.tools.search_arguments import Arguments
    from nn_dataflow.tools.search_result import SearchResult


class Problem(NamedTuple):
    """What is searched, in the model's terms."""

    network: Network
    resource: Resource
    cost: Cost
    options: Option


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, those of the process by default.

    Returns
    -------
    int
        Exit status: 0 with a result, 2 for bad input, 3 if no dataflow is valid, 1 if the program
        failed, 130 when interrupted, 141 if the reader of the output went away. Except with 0 and
        141, there is one line on standard error.
    """
    arguments = None
    try:
        arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
        run(arguments)
    except BaseException as error:  # noqa: BLE001  # each has its status and its line
        if arguments is None and isinstance(error, SystemExit):  # --help or --version
            return OK
        if arguments and arguments.debug:
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        return give_up(PROG, error, hint=" (--debug shows where)")
    return OK


def run(arguments: Arguments) -> None:
    """Search, and put the result where the arguments say.

    Raises
    ------
    Refused
        For bad input, before the search starts.
    NoDataflow
        If no dataflow is valid.
    OutputError
        If the result cannot be written.
    """
    file = None
    if arguments.output is not None:
        from nn_dataflow.tools.output_file import OutputFile  # noqa: PLC0415

        file = OutputFile(arguments.output)
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    table_wanted = is_terminal and not arguments.json
    json_wanted = arguments.json or not (is_terminal or file)
    if json_wanted and sys.stdout is None:
        raise Refused("standard output is closed: use --output FILE")

    result = search(arguments, describe(arguments))

    if file or json_wanted:
        from nn_dataflow.tools import result_json  # noqa: PLC0415
        from nn_dataflow.version import get_version  # noqa: PLC0415

        text = result_json.to_text(result_json.record(result, get_version(with_local=True)))
        if file:
            file.save(text)
        if json_wanted:
            write(text)
    if table_wanted:
        from nn_dataflow.tools.result_table import render  # noqa: PLC0415

        write(render(result, columns(sys.stdout)))


def describe(arguments: Arguments) -> Problem:
    """Return the search that the arguments ask for, in words and cycles.

    Capacities and widths are rounded down to whole words; the bandwidth is not rounded.

    Raises
    ------
    Refused
        If there is no such network, or the hardware or the options make no sense together.
    """
    from nn_dataflow.core.cost import Cost  # noqa: PLC0415
    from nn_dataflow.core.option import Option  # noqa: PLC0415
    from nn_dataflow.nns import import_network  # noqa: PLC0415

    try:
        # What the program of a network prints is no part of the result.
        with contextlib.redirect_stdout(sys.stderr):
            network = import_network(arguments.net)
        resource = _resource(arguments)
        cost = Cost(
            mac_op=arguments.op_cost,
            mem_hier=arguments.hier_cost,
            noc_hop=arguments.hop_cost,
            idl_unit=arguments.unit_idle_cost,
        )
        options = Option(
            sw_gbuf_bypass=tuple(letter not in arguments.disable_bypass for letter in "fio"),
            sw_solve_loopblocking=arguments.solve_loopblocking,
            hw_access_forwarding=arguments.enable_access_forwarding,
            hw_gbuf_sharing=arguments.enable_gbuf_sharing,
            hw_gbuf_save_writeback=arguments.enable_save_writeback,
            partition_hybrid=arguments.hybrid_partition,
            partition_batch=arguments.batch_partition,
            partition_ifmaps=arguments.ifmaps_partition,
            partition_interlayer=arguments.interlayer_partition,
            layer_pipeline_time_ovhd=arguments.layer_pipeline_time_overhead,
            layer_pipeline_max_degree=arguments.layer_pipeline_max_degree,
            layer_pipeline_opt=not arguments.disable_interlayer_opt,
            opt_goal=arguments.goal,
            ntops=arguments.top,
            nprocesses=arguments.processes,
            verbose=arguments.verbose,
        )
    except (ImportError, ValueError) as error:
        raise Refused(error) from error
    return Problem(network, resource, cost, options)


def _resource(arguments: Arguments) -> Resource:
    from nn_dataflow.core.node_region import NodeRegion  # noqa: PLC0415
    from nn_dataflow.core.phy_dim2 import PhyDim2  # noqa: PLC0415
    from nn_dataflow.core.resource import (  # noqa: PLC0415
        Resource,
        bus_width_from_bits,
        words_from_bits,
    )

    nodes = PhyDim2(*arguments.nodes)
    origin = PhyDim2(0, 0)
    if arguments.mem_type == "3D":
        memory = NodeRegion(dim=nodes, origin=origin, type=NodeRegion.DRAM)
    else:
        corners = PhyDim2(2, 2)
        memory = NodeRegion(dim=corners, origin=origin, dist=nodes - 1, type=NodeRegion.DRAM)
    return Resource(
        proc_region=NodeRegion(dim=nodes, origin=origin, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(*arguments.array),
        size_gbuf=words_from_bits(arguments.gbuf * 8, arguments.word),
        size_regf=words_from_bits(arguments.regf * 8, arguments.word),
        array_bus_width=bus_width_from_bits(arguments.bus_width, arguments.word),
        dram_bandwidth=arguments.dram_bw * 8 / arguments.word,
        no_time_mux=False,
    )


def search(arguments: Arguments, problem: Problem) -> SearchResult:
    """Run the search, with a progress line where someone waits for it.

    Raises
    ------
    Refused
        If a layer is too large to be searched.
    NoDataflow
        If no dataflow is valid.
    """
    from nn_dataflow.core.map_strategy import MapStrategyEyeriss  # noqa: PLC0415
    from nn_dataflow.core.nn_dataflow import NNDataflow  # noqa: PLC0415
    from nn_dataflow.tools.progress import ProgressLine  # noqa: PLC0415
    from nn_dataflow.tools.search_result import SearchResult  # noqa: PLC0415

    network, resource, cost, options = problem
    talks = options.verbose or arguments.debug
    progress = ProgressLine(arguments.net)
    try:
        nnd = NNDataflow(network, arguments.batch, resource, cost, MapStrategyEyeriss)
    except ValueError as error:
        reason = str(error).removeprefix("NNDataflow: ")
        raise Refused(f"{arguments.net}: {reason}") from error
    # What the search says of its own failure is said better, and in one line, by this program.
    said = io.StringIO()
    begin = time.perf_counter()
    try:
        if talks:
            tops, cache_stats = nnd.schedule_search(options)
        else:
            progress.start()
            with contextlib.redirect_stderr(said):
                tops, cache_stats = nnd.schedule_search(options, progress=progress)
    finally:
        progress.stop()
    elapsed = time.perf_counter() - begin
    if not tops:
        regf, gbuf = _bytes(arguments.regf), _bytes(arguments.gbuf)
        given = f"--regf {regf}, --gbuf {gbuf}, {arguments.word}-bit words"
        raise NoDataflow(f"no valid dataflow for {arguments.net}: {nnd.failure} ({given})")
    if sys.stderr is not None:
        sys.stderr.write(said.getvalue())
    assert nnd.certificate is not None
    return SearchResult(
        arguments,
        resource,
        cost,
        options,
        tops,
        cache_stats,
        elapsed,
        nnd.effort.as_dict(),
        nnd.certificate,
        nnd.seconds,
    )


def _bytes(number: int) -> str:
    return f"{number} byte{'s' if number > 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())
