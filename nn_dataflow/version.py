# SPDX-License-Identifier: BSD-3-Clause
"""The version of the package, and of the checkout that it runs from.

Decides what the tools print as their version (docs/model/search.md section 9). Git is asked only
when the local part is wanted.
"""

import os

__version__ = "3.0.0"

_GIT_TIMEOUT_S = 10


def get_version(with_local: bool = False) -> str:
    """Version of the package.

    Parameters
    ----------
    with_local
        Add ``+`` and git's description of the revision, when the package runs from a checkout.

    Returns
    -------
    str
        Without white space. When git fails, or does not know this file, there is no local part.

    Examples
    --------
    >>> get_version()
    '3.0.0'
    """
    local = _git_description() if with_local else ""
    return f"{__version__}+{local}" if local else __version__


def _git_description() -> str:
    """Nearest tag or hash with a mark if something is changed, or nothing if git does not know."""
    # A package that is installed below somebody else's checkout is not part of it.
    if not _git("ls-files", "--error-unmatch", os.path.basename(__file__)):  # noqa: PTH119
        return ""
    return "".join(_git("describe", "--always", "--dirty").split())


def _git(*args: str) -> str:
    """Output of a git command in the folder of the package, or nothing if it fails."""
    import subprocess  # noqa: PLC0415  # slow to import, and rarely needed

    try:
        return subprocess.run(  # noqa: S603  # fixed commands
            ["git", *args],  # noqa: S607  # whichever git the user has
            cwd=os.path.dirname(os.path.abspath(__file__)),  # noqa: PTH100, PTH120
            env={key: val for key, val in os.environ.items() if not key.startswith("GIT_")},
            capture_output=True,
            check=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
