# SPDX-License-Identifier: BSD-3-Clause
"""The cache of pure functions: fastcache's where it is installed, else the standard library's.

Both keep the most recently used results. The standard library's is the faster one in current
Pythons; fastcache is for those who have it in their environment for other reasons.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functools import lru_cache
else:
    try:
        from fastcache import clru_cache as lru_cache
    except ImportError:
        from functools import lru_cache

__all__ = ["lru_cache"]
