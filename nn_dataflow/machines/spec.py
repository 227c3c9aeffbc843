# SPDX-License-Identifier: BSD-3-Clause
"""A machine in bits, as a file or the command line describes it, and in the model's words.

Decides how the quantities of a description become those of the model (docs/model/hardware.md
section 8): capacities and widths are rounded down to whole words, the bandwidth is not rounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from nn_dataflow.core.cost import Cost
from nn_dataflow.core.node_region import NodeRegion
from nn_dataflow.core.phy_dim2 import PhyDim2
from nn_dataflow.core.resource import Resource, bus_width_from_bits, words_from_bits

CORNERS = "2D"
"""Memory is at the four corners of the nodes."""
EVERY_NODE = "3D"
"""Memory is at every node."""

_ONE = PhyDim2(1, 1)
_ORIGIN = PhyDim2(0, 0)


class Machine(NamedTuple):
    """A machine as the model takes it, and what it is called.

    Attributes
    ----------
    resource, cost
        The machine in words and cycles, and its unit costs.
    word : int
        Size of a word, in bits.
    cost_unit : str
        What the costs are in, such as "pJ", or "" if that is not known.
    name : str
        Name of the preset or the file, or "" if there is none.
    memory : str
        `CORNERS` or `EVERY_NODE`, or "" where the memory is elsewhere.
    """

    resource: Resource
    cost: Cost
    word: int
    cost_unit: str = ""
    name: str = ""
    memory: str = ""

    def told(self) -> dict[str, Any]:
        """Return what is known of it beside the model's numbers."""
        return {
            "name": self.name,
            "word": self.word,
            "cost_unit": self.cost_unit,
            "memory": self.memory,
        }


@dataclass(frozen=True)
class MachineSpec:
    """A machine in bits; what is not given is the machine of the command line's defaults.

    Attributes
    ----------
    nodes : NodeRegion
        The compute nodes.
    memory : str or NodeRegion
        `CORNERS`, `EVERY_NODE`, or the memory nodes.
    ifmaps, ofmaps : NodeRegion or None
        Where the input of a network comes from and the ofmaps of layers go to; None is the memory.
    array : PhyDim2
        PEs of a node.
    word, gbuf, regf : int
        Bits of a word, of the global buffer of a node, and of the register file of a PE.
    bus : int
        Bits per cycle from global buffer to PEs for each data category, 0 if unlimited.
    dram_bandwidth : float
        Bits per cycle of all memory together, may be infinite.
    no_time_mux : bool
        See `Resource`; a search of a network sets it.
    cost : Cost
        Unit costs.
    cost_unit, name, description, source : str
        What the costs are in; name, what it is, and where the numbers are from.
    """

    nodes: NodeRegion = NodeRegion(_ONE, _ORIGIN, type=NodeRegion.PROC)  # noqa: RUF009 (immutable)
    memory: str | NodeRegion = CORNERS
    ifmaps: NodeRegion | None = None
    ofmaps: NodeRegion | None = None
    array: PhyDim2 = PhyDim2(16, 16)  # noqa: RUF009
    word: int = 16
    gbuf: int = 131072 * 8
    regf: int = 512 * 8
    bus: int = 0
    dram_bandwidth: float = math.inf
    no_time_mux: bool = False
    cost: Cost = Cost(mac_op=1, mem_hier=(200, 6, 2, 1), noc_hop=10, idl_unit=0)  # noqa: RUF009
    cost_unit: str = ""
    name: str = ""
    description: str = ""
    source: str = ""

    def memory_region(self) -> NodeRegion:
        """Return the memory nodes.

        Examples
        --------
        >>> nodes = NodeRegion(PhyDim2(4, 4), PhyDim2(0, 0), type=NodeRegion.PROC)
        >>> sorted(tuple(node) for node in MachineSpec(nodes).memory_region().iter_node())
        [(0, 0), (0, 3), (3, 0), (3, 3)]
        """
        if isinstance(self.memory, NodeRegion):
            return self.memory
        nodes = self.nodes
        if self.memory == EVERY_NODE:
            return nodes._replace(type=NodeRegion.DRAM)
        dist = (nodes.dim - 1) * nodes.dist
        return NodeRegion(PhyDim2(2, 2), nodes.origin, dist=dist, type=NodeRegion.DRAM)

    def machine(self) -> Machine:
        """Return the machine in words and cycles.

        Raises
        ------
        ValueError
            If the bus is narrower than a word.
        """
        memory = self.memory_region()
        resource = Resource(
            proc_region=self.nodes,
            dram_region=memory,
            src_data_region=self.ifmaps or memory,
            dst_data_region=self.ofmaps or memory,
            dim_array=self.array,
            size_gbuf=words_from_bits(self.gbuf, self.word),
            size_regf=words_from_bits(self.regf, self.word),
            array_bus_width=bus_width_from_bits(self.bus, self.word),
            dram_bandwidth=self.dram_bandwidth / self.word,
            no_time_mux=self.no_time_mux,
        )
        place = self.memory if isinstance(self.memory, str) else ""
        return Machine(resource, self.cost, self.word, self.cost_unit, self.name, place)
