# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what --explain tells of the schedules that come next (docs/model/search.md 7.2)."""

import re

import pytest

from nn_dataflow.tests.tools.pipelined_result import found
from nn_dataflow.tools.runner_up_text import why

FC1 = """\
what comes next for fc1, all other layers staying as they are, and what cost and time of the network
then are more (+) or less (-); it has
  OUTP 2x2, 49 x 8 x 16 passes (I x O x B) of 1 + 1 + 1 words per PE, blocking I 1·49·1, O 1·1·8,
  B 1·1·16, order -/I
other loop blocking of the same array mapping:
  I 7·7·1, O 1·1·8, B 1·1·16, order I/I
    cost +0, time +0
  I 1·1·49, O 1·2·4, B 1·16·1, order -/OB
    cost +2.20774e+06 (+1.26 %), time +0, GBUF +602112, PE array +1.60563e+06
  I 1·7·7, O 1·1·8, B 1·16·1, order -/IB
    cost +3.696e+06 (+2.1 %), time +0, GBUF +624000, PE array +3.072e+06
another array mapping of the same partition:
  98 x 4 x 16 passes (I x O x B) of 1 + 1 + 1 words per PE, blocking I 1·98·1, O 1·1·4, B 1·1·16,
  order -/I
    cost +1.47763e+06 (+0.84 %), time +0, PE array +1.47763e+06
  196 x 2 x 16 passes (I x O x B) of 1 + 1 + 1 words per PE, blocking I 1·196·1, O 1·1·2, B 1·1·16,
  order -/I
    cost +4.6249e+06 (+2.63 %), time +0, PE array +4.6249e+06
  784 x 1 x 16 passes (I x O x B) of 1 + 1 + 1 words per PE, blocking I 1·784·1, O 1·1·1, B 1·1·16,
  order -/I
    cost +1.06984e+07 (+6.08 %), time +6272 (+34.3 %), PE array +1.06984e+07
another partition: none is valid
"""
PIPELINED = (
    "alex_net --batch 4 --nodes 4 4 --hybrid-partition --interlayer-partition "
    "--enable-save-writeback --unit-idle-cost 5 -p 1"
)


@pytest.fixture(scope="module")
def pipelined():
    return found(PIPELINED)


def test_layer_by_itself():
    assert why(found("mlp_s --nodes 2 2 --hybrid-partition"), "fc1") == FC1


@pytest.mark.parametrize("name", ["conv3_b", "pool1_a"])
def test_components_sum_to_the_cost(pipelined, name):
    """Of a layer in a pipeline, whose segment requires something, and whose fmaps move."""
    text = why(pipelined, name)
    assert re.search(
        "^its segment requires of the trips of the loops in DRAM: .*B", text, re.MULTILINE
    )
    joined = re.sub(r",\n +", ", ", text)
    lines = [line for line in joined.splitlines() if line.startswith("    cost ")]
    assert len(lines) >= 2
    for line in lines:
        cost, _, *parts = (float(item.split(" (")[0].split()[-1]) for item in line.split(", "))
        assert sum(parts) == pytest.approx(cost, rel=1e-4, abs=1)
    assert "hops of its readers" in text
    assert max(map(len, text.splitlines())) <= 100
