# SPDX-License-Identifier: BSD-3-Clause
"""Machines as files: sizes with units, presets of the literature (docs/machines.md).

`machine_file.load` reads a preset or a file as a `MachineSpec`; its `machine` is what the model
takes, a `Resource` and a `Cost` in words and cycles.
"""
