# SPDX-License-Identifier: BSD-3-Clause
"""The model and the search: every public class of the package, imported when first used.

Modules stand in layers (workload, hardware, mapping, partition, blocking, scheduling, pipeline,
top), and each imports from its own or earlier layers only. A tool that needs only the workload does
not load NumPy.
"""

from typing import TYPE_CHECKING

from nn_dataflow.lazy import imported_when_used

if TYPE_CHECKING:
    from . import data_category_enum as DataCategoryEnum
    from . import loop_enum as LoopEnum
    from . import mem_hier_enum as MemHierEnum
    from . import parallel_enum as ParallelEnum
    from .buf_shr_scheme import BufShrScheme
    from .cost import Cost
    from .data_dim_loops import DataDimLoops
    from .data_layout import DataLayout
    from .fmap_range import FmapPosition, FmapRange, FmapRangeMap
    from .int_range import IntRange
    from .inter_layer_pipeline import InterLayerPipeline
    from .layer import (
        ConvLayer,
        EltwiseLayer,
        FCLayer,
        InputLayer,
        Layer,
        LocalRegionLayer,
        PoolingLayer,
    )
    from .loop_blocking_scheme import LoopBlockingScheme
    from .map_strategy import MapStrategy, MapStrategyEyeriss
    from .nested_loop_desc import NestedLoopDesc
    from .network import Network
    from .nn_dataflow import NNDataflow
    from .nn_dataflow_scheme import NNDataflowScheme
    from .node_region import NodeRegion
    from .option import Option
    from .partition_scheme import PartitionScheme
    from .phy_dim2 import PhyDim2
    from .pipeline_segment import PipelineSegment
    from .pipeline_segment_timing import PipelineSegmentTiming
    from .resource import Resource
    from .scheduling import Scheduling
    from .scheduling_constraint import SchedulingConstraint, SchedulingConstraintLayerPipeline
    from .scheduling_result import SchedulingCondition, SchedulingResult

_ENUMERATIONS = {
    "DataCategoryEnum": "data_category_enum",
    "LoopEnum": "loop_enum",
    "MemHierEnum": "mem_hier_enum",
    "ParallelEnum": "parallel_enum",
}

_CLASSES = {
    "buf_shr_scheme": ("BufShrScheme",),
    "cost": ("Cost",),
    "data_dim_loops": ("DataDimLoops",),
    "data_layout": ("DataLayout",),
    "fmap_range": ("FmapPosition", "FmapRange", "FmapRangeMap"),
    "int_range": ("IntRange",),
    "inter_layer_pipeline": ("InterLayerPipeline",),
    "layer": (
        "ConvLayer",
        "EltwiseLayer",
        "FCLayer",
        "InputLayer",
        "Layer",
        "LocalRegionLayer",
        "PoolingLayer",
    ),
    "loop_blocking_scheme": ("LoopBlockingScheme",),
    "map_strategy": ("MapStrategy", "MapStrategyEyeriss"),
    "nested_loop_desc": ("NestedLoopDesc",),
    "network": ("Network",),
    "nn_dataflow": ("NNDataflow",),
    "nn_dataflow_scheme": ("NNDataflowScheme",),
    "node_region": ("NodeRegion",),
    "option": ("Option",),
    "partition_scheme": ("PartitionScheme",),
    "phy_dim2": ("PhyDim2",),
    "pipeline_segment": ("PipelineSegment",),
    "pipeline_segment_timing": ("PipelineSegmentTiming",),
    "resource": ("Resource",),
    "scheduling": ("Scheduling",),
    "scheduling_constraint": ("SchedulingConstraint", "SchedulingConstraintLayerPipeline"),
    "scheduling_result": ("SchedulingCondition", "SchedulingResult"),
}

_MODULE_OF = {name: module for module, names in _CLASSES.items() for name in names}

__all__ = [  # noqa: PLE0604 (the names of the two tables above)
    *_ENUMERATIONS,
    *_MODULE_OF,
]

__getattr__, __dir__ = imported_when_used(__name__, _MODULE_OF, _ENUMERATIONS)
