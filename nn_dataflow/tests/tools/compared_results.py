# SPDX-License-Identifier: BSD-3-Clause
"""Comparisons that pictures and reports are tested with, each made once."""

import copy
import json
from functools import lru_cache

from nn_dataflow.tests.tools import drawn_results
from nn_dataflow.tests.tools.pipelined_result import found
from nn_dataflow.tools import result_json
from nn_dataflow.tools.comparison import compare
from nn_dataflow.tools.result_record import ResultRecord

# Command lines of the results, the base first.
WORDS = {
    # Another buffer.
    "buffers": ("alex_net --batch 4", "alex_net --batch 4 --gbuf 262144"),
    # Layers that share segments in one of them, and a limit of memory.
    "pipelined": (
        "alex_net --batch 4 --nodes 2 2",
        "alex_net --batch 4 --nodes 2 2 --interlayer-partition --layer-pipeline-max-degree 2",
        "alex_net --batch 4 --nodes 2 2 --gbuf 32768 --dram-bw 32",
    ),
    # The last one is of another network.
    "networks": ("mlp_s", "mlp_s --batch 4", "alex_net --batch 4"),
    # One result, and others made of it: layers renamed, and figures that are more and less.
    "resnet152": ("resnet152 --arch eyeriss-chip",),
    "six": ("mlp_s",),
    "alike": ("mlp_s", "mlp_s"),
}
NUM_MADE = {"resnet152": 2, "six": 5}
FOLDER = "a/folder/whose/name/is/long/enough/for/several/lines/of/the/title/of/a/picture"


@lru_cache
def values(words):
    """The JSON record of a search, as read."""
    for name, same in drawn_results.WORDS.items():
        if words == same:
            return drawn_results.record(name)
    return json.loads(result_json.to_text(result_json.record(found(f"{words} -p 1"), "")))


def made_of(record, number):
    """A record like another, whose layers cost and take something else, with another name."""
    made = copy.deepcopy(record)
    for place, (layer, *_) in enumerate(made["schedules"].values()):
        layer["cost"] *= 1 + 0.1 * number * ((place % 3) - 1)
        layer["time"] *= (1 + 0.1 * number) ** ((place % 4) - 2)
    names = [*made["schedules"]]
    renamed = f"renamed_{number % 3}_{names[1]}"
    made["schedules"] = {
        renamed if name == names[1] else name: made["schedules"][name] for name in names
    }
    made["total_cost"] *= 1 + 0.3 * number
    made["total_time"] *= 1 - 0.1 * number
    made["machine"] = {**made["machine"], "name": f"machine {number}"}
    return made


@lru_cache
def comparisons(name):
    """Comparisons with the first of the results of `WORDS`."""
    records = [values(words) for words in WORDS[name]]
    records += [made_of(records[0], number + 1) for number in range(NUM_MADE.get(name, 0))]
    folder = f"{FOLDER}/" if name == "six" else ""
    base, *others = [
        ResultRecord(f"{folder}{number}.json", record) for number, record in enumerate(records)
    ]
    return [compare(base, other) for other in others]
