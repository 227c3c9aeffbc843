# SPDX-License-Identifier: BSD-3-Clause
"""Settings of the whole test suite.

Property tests draw the same examples in every run, so that a run says something about the change
and not about luck. `HYPOTHESIS_PROFILE=hunt` draws others, and more of them where a test sets no
number, to look for faults.
"""

import os
from pathlib import Path

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# The pages that it tests stand beside the package in a checkout, not where it is installed.
_ROOT = Path(__file__).parents[2]
_PAGES = (_ROOT / "setup.py", _ROOT / "README.rst", _ROOT / "docs" / "index.md")
collect_ignore = [] if all(map(Path.is_file, _PAGES)) else ["test_documentation.py"]
