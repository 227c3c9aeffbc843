# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the constraints on top-level loops (docs/model/pipeline.md section 2).

Decides which values are refused, which loops and orders pass, and how constraints are compared and
updated.
"""

import copy
import itertools
import pickle
from collections import OrderedDict
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_dataflow.core.scheduling_constraint import (
    SchedulingConstraint,
    SchedulingConstraintLayerPipeline,
)

BOTH = pytest.mark.parametrize("cls", [SchedulingConstraint, SchedulingConstraintLayerPipeline])
ORDERS = list(itertools.permutations(range(3)))


def set_topofm(constraint, result):
    constraint.topofm = result.scheme["to"][0]


def result_with(to):
    return SimpleNamespace(scheme=OrderedDict(to=to))


@BOTH
class TestConstruction:
    def test_defaults_leave_everything_free(self, cls):
        constraint = cls()
        assert (constraint.topbat, constraint.topifm, constraint.topofm) == (0, 0, 0)
        assert constraint.update_dict == {}

    def test_attributes(self, cls):
        constraint = cls(topbat=2, topofm=4, update_dict={"a": set_topofm})
        assert (constraint.topbat, constraint.topifm, constraint.topofm) == (2, 0, 4)
        assert constraint.update_dict == {"a": set_topofm}

    def test_factors_by_position(self, cls):
        constraint = cls(2, 3, 1)
        assert (constraint.topbat, constraint.topifm, constraint.topofm) == (2, 3, 1)

    @pytest.mark.parametrize("field", ["topbat", "topifm", "topofm"])
    @pytest.mark.parametrize("value", [-1, 1.5, 2.0, "2", None])
    def test_bad_factor(self, cls, field, value):
        with pytest.raises(ValueError, match=rf"^{cls.__name__}: {field} must be .* got {value!r}"):
            cls(**{field: value})

    def test_bad_rules(self, cls):
        with pytest.raises(TypeError, match=rf"^{cls.__name__}: update_dict must be a mapping"):
            cls(update_dict=["a"])
        with pytest.raises(TypeError, match=rf"^{cls.__name__}: update_dict .* got 3 for a"):
            cls(update_dict={"a": 3})


class TestPipelineConstruction:
    def test_fully_buffered_is_factor_one(self):
        constraint = SchedulingConstraintLayerPipeline(fbifm=True, fbofm=True)
        assert (constraint.topifm, constraint.topofm) == (1, 1)
        assert constraint == SchedulingConstraintLayerPipeline(topifm=1, topofm=1)
        assert constraint == SchedulingConstraintLayerPipeline(0, 0, 1, True, False)

    @pytest.mark.parametrize("flag", ["fbifm", "fbofm"])
    def test_flags_read_back(self, flag):
        assert getattr(SchedulingConstraintLayerPipeline(**{flag: True}), flag)
        assert not getattr(SchedulingConstraintLayerPipeline(), flag)

    @pytest.mark.parametrize(("field", "flag"), [("topifm", "fbifm"), ("topofm", "fbofm")])
    def test_fully_buffered_with_several_groups(self, field, flag):
        with pytest.raises(ValueError, match=f"{field} must be 0 or 1 with {flag}, got 2"):
            SchedulingConstraintLayerPipeline(**{field: 2, flag: True})

    def test_groups_of_both_fmaps(self):
        with pytest.raises(ValueError, match="topifm and topofm must not both"):
            SchedulingConstraintLayerPipeline(topifm=2, topofm=2)
        SchedulingConstraint(topifm=2, topofm=2)


class TestTopLoops:
    @pytest.mark.parametrize("order", ORDERS)
    @pytest.mark.parametrize(
        ("constraint", "factors", "valid"),
        [
            ({}, (2, 3, 4), True),
            ({"topifm": 2}, (2, 3, 4), True),
            ({"topifm": 3}, (2, 3, 4), False),
            ({"topofm": 3}, (2, 3, 4), True),
            ({"topofm": 2}, (2, 3, 4), False),
            ({"topbat": 4}, (2, 3, 4), True),
            ({"topbat": 1}, (2, 3, 4), False),
            ({"topifm": 2, "topofm": 3, "topbat": 4}, (2, 3, 4), True),
            ({"topifm": 2, "topofm": 3, "topbat": 4}, (2, 3, 1), False),
        ],
    )
    def test_base_looks_at_factors_only(self, order, constraint, factors, valid):
        assert SchedulingConstraint(**constraint).is_valid_top_bl(factors, order) == valid

    # Orders are positions of I, O, B, 0 innermost.
    @pytest.mark.parametrize(
        ("constraint", "factors", "order", "valid"),
        [
            ({"topbat": 4}, (2, 1, 4), (0, 1, 2), True),
            ({"topbat": 4}, (2, 1, 4), (1, 2, 0), False),
            ({"topbat": 4}, (2, 1, 2), (0, 1, 2), False),  # factor of B
            ({"topbat": 4}, (1, 1, 4), (1, 2, 0), True),  # the others are trivial
            ({"topbat": 1}, (2, 2, 1), (1, 0, 2), True),
            ({"topifm": 2}, (2, 1, 1), (0, 1, 2), True),
            ({"topifm": 2}, (2, 3, 1), (0, 1, 2), False),  # O outside I
            ({"topifm": 2}, (2, 3, 1), (1, 0, 2), True),
            ({"topifm": 2}, (2, 3, 4), (1, 0, 2), False),  # a free B outside I
            ({"topifm": 2}, (2, 3, 4), (2, 0, 1), True),
            ({"topifm": 2, "topbat": 4}, (2, 3, 4), (1, 0, 2), True),
            ({"topifm": 2, "topbat": 4}, (2, 3, 4), (2, 0, 1), False),
            ({"topifm": 2, "topbat": 4}, (2, 3, 4), (0, 1, 2), False),
            ({"topofm": 3}, (2, 3, 1), (0, 1, 2), True),
            ({"topofm": 3}, (2, 3, 1), (1, 0, 2), False),
            ({"topofm": 3, "topbat": 4}, (2, 3, 4), (0, 1, 2), True),
            ({"topofm": 3, "topbat": 4}, (2, 3, 4), (1, 0, 2), False),
            ({"topofm": 3, "fbifm": True}, (1, 3, 1), (2, 1, 0), True),
            ({"topofm": 3, "fbifm": True}, (2, 3, 1), (0, 1, 2), False),  # factor of I
            ({"fbifm": True, "fbofm": True}, (1, 1, 4), (0, 1, 2), True),
        ],
    )
    def test_pipeline_looks_at_the_order(self, constraint, factors, order, valid):
        constraint = SchedulingConstraintLayerPipeline(**constraint)
        assert constraint.is_valid_top_bl(factors, order) == valid

    factors = st.integers(1, 3)

    @given(
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 3),
        st.tuples(factors, factors, factors),
        st.sampled_from(ORDERS),
    )
    def test_pipeline_restricts_base(self, topbat, topifm, topofm, factors, order):
        if topifm > 1 and topofm > 1:
            topofm = 0
        pipeline = SchedulingConstraintLayerPipeline(topbat, topifm, topofm)
        base = SchedulingConstraint(topbat, topifm, topofm)
        outermost_first = sorted(range(3), key=lambda lpe: -order[lpe])
        loops = "".join("IOB"[lpe] for lpe in outermost_first if factors[lpe] > 1)
        # What must come first: a required B, then a required I or O.
        prefix = "B" * (topbat > 1) + "I" * (topifm > 1) + "O" * (topofm > 1)
        assert pipeline.is_valid_top_bl(factors, order) == (
            base.is_valid_top_bl(factors, order) and loops.startswith(prefix)
        )

    @BOTH
    def test_partition_is_free(self, cls):
        assert cls(topbat=2).is_valid_part(None)

    @BOTH
    def test_refused_until_updated(self, cls):
        constraint = cls(update_dict={"a": set_topofm})
        with pytest.raises(ValueError, match="update_dict still has rules for a"):
            constraint.is_valid_top_bl((1, 1, 1), (0, 1, 2))
        with pytest.raises(ValueError, match="update_dict still has rules for a"):
            constraint.is_valid_part(None)


@BOTH
class TestFilter:
    CANDIDATES = ((1, 4, 1), (2, 2, 1), (2, 1, 2), (4, 1, 1))

    def kept(self, constraint):
        gens = constraint.filter_gen_ts(*(iter(self.CANDIDATES) for _ in range(3)))
        return [list(gen) for gen in gens]

    def test_free(self, cls):
        assert self.kept(cls()) == [list(self.CANDIDATES)] * 3

    def test_required(self, cls):
        twos = [(2, 2, 1), (2, 1, 2)]
        assert self.kept(cls(topbat=4, topifm=2, topofm=1)) == [twos, [(1, 4, 1)], [(4, 1, 1)]]
        assert self.kept(cls(topofm=3)) == [list(self.CANDIDATES), [], list(self.CANDIDATES)]

    def test_does_not_look_at_rules(self, cls):
        constraint = cls(topifm=4, update_dict={"a": set_topofm})
        assert self.kept(constraint)[0] == [(4, 1, 1)]

    def test_is_lazy(self, cls):
        gen, _, _ = cls(topifm=2).filter_gen_ts(((n, 1) for n in itertools.count(1)), (), ())
        assert next(gen) == (2, 1)


@BOTH
class TestUpdate:
    def test_in_place(self, cls):
        constraint = cls(topbat=2, update_dict={"a": set_topofm})
        constraint.update_by_prev({"a": result_with(to=(4, 2, 1)), "b": None})
        assert constraint == cls(topbat=2, topofm=4)
        assert constraint.is_valid_top_bl((1, 4, 2), (0, 1, 2))
        assert not constraint.is_valid_top_bl((1, 2, 2), (0, 1, 2))

    def test_without_rules(self, cls):
        constraint = cls(topbat=2)
        constraint.update_by_prev({})
        assert constraint == cls(topbat=2)

    def test_second_update_changes_nothing(self, cls):
        constraint = cls(update_dict={"a": set_topofm})
        constraint.update_by_prev({"a": result_with(to=(4, 2, 1))})
        constraint.update_by_prev({"a": result_with(to=(8, 1, 1))})
        assert constraint.topofm == 4

    def test_missing_result(self, cls):
        rules = {"a": set_topofm, "b": set_topofm}
        constraint = cls(update_dict=rules)
        with pytest.raises(KeyError):
            constraint.update_by_prev({"a": result_with(to=(4, 2, 1))})
        assert constraint == cls(update_dict=rules)

    def test_copy_is_independent(self, cls):
        constraint = cls(update_dict={"a": set_topofm})
        copied = copy.copy(constraint)
        assert copied == constraint
        copied.update_by_prev({"a": result_with(to=(4, 2, 1))})
        assert constraint == cls(update_dict={"a": set_topofm})


class TestValue:
    DIFFERENT = tuple(
        cls(**fields)
        for cls in (SchedulingConstraint, SchedulingConstraintLayerPipeline)
        for fields in (
            {},
            {"topbat": 2},
            {"topifm": 2},
            {"topofm": 2},
            {"update_dict": {"a": set_topofm}},
            {"update_dict": {"b": set_topofm}},
        )
    )

    def test_equality_and_hash_by_class_and_content(self):
        """Base and pipeline constraints differ as cache keys (correction E9)."""
        again = [copy.deepcopy(constraint) for constraint in self.DIFFERENT]
        assert again == list(self.DIFFERENT)
        assert list(map(hash, again)) == list(map(hash, self.DIFFERENT))
        assert len({*again, *self.DIFFERENT}) == len(self.DIFFERENT)
        for one, other in itertools.combinations(self.DIFFERENT, 2):
            assert one != other

    def test_same_numbers_of_two_classes_behave_differently(self):
        base = SchedulingConstraint(topifm=2)
        pipeline = SchedulingConstraintLayerPipeline(topifm=2)
        assert base.is_valid_top_bl((2, 2, 1), (0, 1, 2))
        assert not pipeline.is_valid_top_bl((2, 2, 1), (0, 1, 2))
        assert base != pipeline

    def test_other_types(self):
        assert SchedulingConstraint() != (0, 0, 0)

    @BOTH
    def test_pickle(self, cls):
        constraint = cls(topbat=2, topofm=3, update_dict={"a": set_topofm})
        assert pickle.loads(pickle.dumps(constraint)) == constraint

    @BOTH
    def test_print(self, cls):
        constraint = cls(topbat=2)
        assert repr(constraint) == f"{cls.__name__}(topbat=2, topifm=0, topofm=0, update_dict={{}})"
