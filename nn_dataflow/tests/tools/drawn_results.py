# SPDX-License-Identifier: BSD-3-Clause
"""Results that pictures and reports are tested with, each found once."""

import json
from functools import lru_cache

from nn_dataflow.tests.tools.pipelined_result import found
from nn_dataflow.tools import result_json

# One node; many; layers that share segments; four groups with memory at every node and energies
# of a known unit; more layers than fit below each other.
WORDS = {
    "alex_net": "alex_net",
    "vgg_net": "vgg_net --nodes 4 4 --hybrid-partition",
    "googlenet": (
        "googlenet --nodes 4 4 --batch 4 --interlayer-partition --layer-pipeline-max-degree 2 "
        "--solve-loopblocking --dram-bw 64"
    ),
    "lstm_gnmt": (
        "lstm_gnmt --batch 2 --nodes 4 4 --mem-type 3D --hybrid-partition --interlayer-partition "
        "--unit-idle-cost 100"
    ),
    "resnet152": "resnet152 --arch eyeriss-chip",
}


@lru_cache
def result(name):
    """The search of `WORDS`."""
    return found(f"{WORDS[name]} -p 1")


@lru_cache
def record(name):
    """Its JSON record, as read."""
    return json.loads(result_json.to_text(result_json.record(result(name), "")))
