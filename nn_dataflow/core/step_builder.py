# SPDX-License-Identifier: BSD-3-Clause
"""From the layers of a network to the steps that are searched.

Decides which layers share what they have in common (docs/model/search.md section 6, step 1): equal
layers are looked at once, and so are the hops to equal layers from equal producers. Both are found
in several processes where there are to be some.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .network_step import Source, hops_of_ifmaps, make_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from .constraints import Constraints
    from .layer_space import LayerSpace
    from .network import Network
    from .network_step import Step
    from .option import Option
    from .partition_array import PartitionArray
    from .resource import Resource
    from .scheduling import Scheduling
    from .workers import Workers

    Floats = NDArray[np.floating[Any]]
    Reader = tuple[str, list[Source]]  # a layer and its producers


def layer_resource(network: Network, resource: Resource) -> Resource:
    """Resource of every layer: filters may stay on chip only in a network of one layer."""
    return resource._replace(no_time_mux=len(network) == 1)


class StepBuilder:
    """Makes the steps of a network search.

    Parameters
    ----------
    network, resource, options
        What is searched.
    schedulings
        The scheduling of every layer by name, equal ones the same.
    constraints
        What is fixed or forbidden in schedules.
    progress
        Told (number done, number in all, name) of layers.
    """

    def __init__(
        self,
        network: Network,
        resource: Resource,
        schedulings: Mapping[str, Scheduling],
        constraints: Constraints,
        options: Option,
        progress: Callable[[int, int, str], None],
    ) -> None:
        self.network = network
        self.resource = resource
        self.schedulings = schedulings
        self.constraints = constraints
        self.options = options
        self.progress = progress

    def build(self, order: Sequence[str], starts: PartitionArray, workers: Workers) -> list[Step]:
        """Look at the space of every layer, and find what it costs from where its data can be.

        The steps end before a layer that cannot be split as it must.

        Parameters
        ----------
        order
            Layers in scheduling order.
        starts
            Places of the input of the network.
        workers
            Where layers are looked at.
        """
        spaces = self._find_spaces(order, workers)
        alike = self._equal_steps(order, starts, spaces)

        def find_hops(like: list[Reader]) -> dict[int, Floats]:
            name, producers = like[0]
            return hops_of_ifmaps(spaces[name], producers)

        found: dict[str, Step] = {}
        for like, hops in zip(alike, workers.each(find_hops, alike), strict=True):
            first, producers = like[0]
            step = make_step(first, spaces[first], producers, hops)
            for name, producers in like:
                found[name] = step._replace(
                    name=name, sources=_columns(producers), producers=tuple(producers)
                )
        return [found[name] for name in order if name in found]

    def _find_spaces(self, order: Sequence[str], workers: Workers) -> dict[str, LayerSpace]:
        """Look at the space of every layer, those of equal layers once."""
        resource = layer_resource(self.network, self.resource)

        def find(name: str) -> LayerSpace:
            limits = self.constraints.limits(name)
            with _named_failure(name):
                return self.schedulings[name].space(resource, self.options, limits=limits)

        keys = {name: (self.schedulings[name], self.constraints.limits(name)) for name in order}
        distinct: dict[object, str] = {}
        for name in order:
            distinct.setdefault(keys[name], name)
        found = workers.each(find, list(distinct.values()))
        spaces: dict[object, LayerSpace] = {}
        for number, name in enumerate(order):
            if keys[name] not in spaces:
                spaces[keys[name]] = next(found)
                self.schedulings[name].keep(spaces[keys[name]])
            if self.options.verbose:
                sys.stderr.write(f"-> {name}\n")
            self.progress(number + 1, len(order), name)
        return {name: spaces[keys[name]] for name in order}

    def _equal_steps(
        self, order: Sequence[str], starts: PartitionArray, spaces: Mapping[str, LayerSpace]
    ) -> list[list[Reader]]:
        """Layers with their producers, those together to which hops are the same."""
        network, resource = self.network, self.resource
        sources = {
            name: Source(
                network.input_layer() if name is None else network[name],
                resource.src_data_region,
                starts,
                0,
            )
            for name in (None, *network.ext_layers())
        }
        alike: dict[object, list[Reader]] = {}
        for number, name in enumerate(order):
            space = spaces[name]
            if not len(space.parts):
                break
            _, places = space.ofmap_places()
            producers = [sources[prev] for prev in network.prevs(name)]
            sources[name] = Source(network[name], resource.dst_data_region, places, number + 1)
            columns = _columns(producers)
            key = (space, tuple((s.layer, s.parts, columns.index(s.number)) for s in producers))
            alike.setdefault(key, []).append((name, producers))
        return list(alike.values())


def _columns(producers: Sequence[Source]) -> tuple[int, ...]:
    """Columns of the places of producers, each once."""
    return tuple(dict.fromkeys(source.number for source in producers))


@contextmanager
def _named_failure(layer_name: str) -> Iterator[None]:
    """Say which layer an error comes from, such as one of a user's mapping strategy."""
    try:
        yield
    except Exception:
        sys.stderr.write(f"Failed when scheduling layer {layer_name}.\n")
        raise
