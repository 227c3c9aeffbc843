# SPDX-License-Identifier: BSD-3-Clause
"""Texts and bars of pictures, and where they are."""

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg

TOLERANCE = 0.5  # pixels


class TextRenderer(RendererAgg):
    """Keeps the texts of a picture and the boxes around them, and draws nothing."""

    def __init__(self, figure):
        super().__init__(*map(int, figure.bbox.size), figure.dpi)
        self.texts = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):  # noqa: ARG002
        if mtext is None:  # one of several lines; y goes down
            wide, high, below = self.get_text_width_height_descent(s, prop, ismath)
            low = self.height - y - below
            box = (x, low, x + wide, low + high)
        else:
            box = mtext.get_window_extent(self).extents
        self.texts.append((s, box))

    def draw_path(self, *args, **kwargs):
        pass

    def _update_methods(self):
        """The class would put what draws into the instance."""
        super()._update_methods()
        for name in ("draw_markers", "draw_path_collection", "draw_image"):
            setattr(self, name, self.draw_path)


def texts_of(figure):
    """All texts of a figure of matplotlib, each with the box around it."""
    renderer = TextRenderer(figure)
    figure.draw(renderer)
    return renderer.texts


def outside(figure, texts):
    """The texts that are not wholly in the figure."""
    names, boxes = _shown(texts)
    width, height = figure.bbox.size
    is_out = (boxes[:, :2] < -TOLERANCE).any(axis=1)
    is_out |= (boxes[:, 2:] > np.array([width, height]) + TOLERANCE).any(axis=1)
    return [name for name, out in zip(names, is_out, strict=True) if out]


def overlaps(texts):
    """Pairs of texts that lie on each other."""
    names, boxes = _shown(texts)
    apart = (boxes[:, None, 2:] <= boxes[None, :, :2] + TOLERANCE).any(axis=2)
    overlap = np.triu(~(apart | apart.T), 1)
    return [(names[one], names[other]) for one, other in np.argwhere(overlap)]


def _shown(texts):
    shown = [(text, box) for text, box in texts if text.strip()]
    return [text for text, _ in shown], np.array([box for _, box in shown])


def bars(collection):
    """Row, begin and end of the bars of one kind."""
    corners = [path.get_extents() for path in collection.get_paths()]
    return [(round((box.y0 + box.y1) / 2), box.x0, box.x1) for box in corners]
