# SPDX-License-Identifier: BSD-3-Clause
"""Files that come with the package: machines, their mapspace, the first layer of a network.

Decides the defaults of the command line (docs/cosa.md section 5). The files in EXAMPLES are those
that docs/cosa.md section 2 shows.
"""

from pathlib import Path

_DATA = Path(__file__).parent / "data"

ARCHITECTURES = {path.stem: path for path in sorted(_DATA.glob("simba*.yaml"))}
ARCHITECTURE = _DATA / "simba16.yaml"
MAPSPACE = _DATA / "mapspace.yaml"
PROBLEM = _DATA / "resnet50_input.2.yaml"
EXAMPLES = _DATA / "examples"
