# SPDX-License-Identifier: BSD-3-Clause
"""Metadata, dependencies and programs of the package; tool settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Version in the text of version.py; importing the package would need its dependencies."""
    text = (ROOT / "nn_dataflow" / "version.py").read_text(encoding="utf-8")
    match = re.search(r"""^__version__\b[^=\n]*=\s*["']([^"']+)["']""", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("nn_dataflow/version.py: no line __version__ = ...")
    return match.group(1)


ARCH = ["PyYAML>=6"]
# Solver of the mixed-integer programs, and files of machines and mappings.
COSA = ["highspy>=1.7", *ARCH]
PLOT = ["matplotlib>=3.7"]
REPORT = ["jinja2>=3.1"]
DOCS = ["sphinx>=7.3", "myst-parser>=3", "furo>=2024.8.6"]

EXTRAS = {
    "arch": ARCH,  # machines in YAML; presets and JSON need nothing
    "cosa": COSA,
    "plot": PLOT,  # --plot, and charts of benchmarks/
    "pandas": ["pandas>=2"],  # results as data frames
    "report": REPORT,  # --report
    "test": [
        *("pytest>=8", "pytest-cov>=5", "pytest-xdist>=3.5", "hypothesis>=6.100"),
        *COSA,
        *PLOT,
        *REPORT,
    ],
    "docs": DOCS,  # the documentation as HTML
    "browser": ["playwright>=1.49"],  # tests of reports in Chromium, which it does not bring
    # Fixed to a minor version: a newer one brings new rules, and a clean tree would fail.
    "lint": ["ruff==0.17.*", "mypy==2.4.*"],
}

setup(
    name="nn_dataflow",
    version=read_version(),
    description="Find how a neural network should run on a tiled accelerator.",
    long_description=(ROOT / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="the nn_dataflow developers",
    license="BSD-3-Clause",
    keywords="neural-network accelerator scheduling dataflow loop-blocking mapping",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: System :: Hardware",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["nn_dataflow", "nn_dataflow.*"]),
    package_data={
        "nn_dataflow": ["py.typed"],
        "nn_dataflow.cosa": ["data/*.yaml", "data/examples/*.yaml"],
        "nn_dataflow.machines": ["data/*.json"],
        "nn_dataflow.report": ["templates/*"],
        "nn_dataflow.tests": ["data/*.json*", "data/cosa/*"],
    },
    python_requires=">=3.10",
    install_requires=["numpy>=1.24"],
    extras_require={
        **EXTRAS,
        "all": [name for names in EXTRAS.values() for name in names],
        # Needs a compiler and is no faster than the standard library: for those who ask for it.
        "fastcache": ["fastcache>=1"],
    },
    entry_points={
        "console_scripts": [
            "cosa_schedule = nn_dataflow.tools.cosa_schedule:main",
            "nn_dataflow = nn_dataflow.tools.main:main",
            "nn_dataflow_search = nn_dataflow.tools.nn_dataflow_search:main",
            "nn_layer_stats = nn_dataflow.tools.nn_layer_stats:main",
        ],
    },
    zip_safe=False,
)
