# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for the network search that answers with recorded schedules, at once."""

import json
import sys
import types
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

from nn_dataflow.core.certificate import Certificate
from nn_dataflow.core.data_layout import DataLayout
from nn_dataflow.core.fmap_range import FmapPosition, FmapRange
from nn_dataflow.core.nn_dataflow_scheme import NNDataflowScheme
from nn_dataflow.core.partition_scheme import PartitionScheme
from nn_dataflow.core.scheduling_result import SchedulingResult

DATA = Path(__file__).parents[1] / "data" / "search.json"
NOTHING_SHARED = {"bufshr_subgrp_size": [1, 1, 1], "node_nhops": [0, 0, 0]}
EFFORT = {"candidates": 1234567, "capacity": 890, "evaluated": 12}


@lru_cache(maxsize=1)
def recorded():
    """All recorded searches, by their command lines without the machine that all share."""
    machine = "--array 16 16 --regf 512 --gbuf 131072 "
    cases = json.loads(DATA.read_text())
    for case in cases:
        for layer in case["schedules"].values():
            layer.update(NOTHING_SHARED)  # left out of the recordings
    return {case["args"].replace(machine, ""): case for case in cases}


def scheme_of(case, network, resource):
    """The recorded schedule as the search would return it."""
    whole = PartitionScheme(range(4), [(1, 1)] * 4)

    def layout(layer):
        end = FmapPosition(case_batch(case), layer.nofm, layer.hofm, layer.wofm)
        frng = FmapRange(FmapPosition(0, 0, 0, 0), end)
        return DataLayout((frng,), (resource.dst_data_region,), (whole,))

    ext = {name: layout(network[name]) for name in network.ext_layers()}
    scheme = NNDataflowScheme(network, layout(network.input_layer()), ext)
    for name, recording in case["schedules"].items():
        values = OrderedDict(recording)
        sched_seq = tuple(values.pop("sched_seq"))
        values["part"] = PartitionScheme(*values["part"])
        scheme[name] = SchedulingResult(values, layout(network[name]), sched_seq)
    return scheme


def case_batch(case):
    words = case["args"].split()
    return int(words[words.index("--batch") + 1])


class RecordedSearch:
    """In the place of ``NNDataflow``; finds nothing when ``failure`` is set.

    Of the value of its result, 100, ``lower_bound`` is proven. What it was asked is kept in
    ``calls``; ``during`` is run when it searches.
    """

    def __init__(self, args, failure=None, during=None, lower_bound=100.0):
        self.case = recorded()[args]
        self.failure = failure
        self.during = during
        self.calls = []
        self.effort = types.SimpleNamespace(as_dict=lambda: dict(EFFORT))
        self.certificate = Certificate(100.0, lower_bound)
        self.seconds = {"layers": 0.125, "network": 0.0625}
        self.log10_space = 12.5

    def __call__(self, network, batch_size, resource, cost, map_strategy, constraints):
        self.network, self.resource = network, resource
        self.calls.append(
            types.SimpleNamespace(
                network=network,
                batch=batch_size,
                resource=resource,
                cost=cost,
                map_strategy=map_strategy,
                constraints=constraints,
                options=None,
            )
        )
        return self

    def schedule_search(self, options, progress=None):
        self.calls[-1].options = options
        if self.during:
            self.during(progress)
        if self.failure:
            return [], (0, 3)
        scheme = scheme_of(self.case, self.network, self.resource)
        return [scheme] * options.ntops, (2, 5)

    def found_so_far(self):
        return []

    def cache_stats(self):
        return 0, 0

    def install(self, monkeypatch):
        """Let the tool find this search."""
        module = types.ModuleType("nn_dataflow.core.nn_dataflow")
        module.NNDataflow = self
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return self
