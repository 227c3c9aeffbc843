# SPDX-License-Identifier: BSD-3-Clause
"""Files of tables that people write: YAML, or JSON, which needs nothing installed.

`reader` reads a file; `table` has its values taken one by one, each with a check, so that every
complaint names file, line, field and what is allowed.
"""
