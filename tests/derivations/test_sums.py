import itertools
import random

import pytest
import sympy as sp

from coursework.derivations.spread import differentiate, spread
from coursework.derivations.sums import canonical_sums, holds

m, n = sp.symbols("m n", integer=True, positive=True)
i, j, k, p = sp.symbols("i j k p", integer=True, nonnegative=True)
u, v = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "uv")
c = sp.Symbol("c", real=True)


def total(term, *ranges):
    return sp.Sum(term, *((index, 0, size - 1) for index, size in ranges))


SAME = {
    "renamed": (total(u[i], (i, n)), total(u[k], (k, n))),
    "order of indices": (total(u[i] * v[i, j], (i, m), (j, n)), total(u[i] * v[i, j], (j, n), (i, m))),
    "swapped names": (total(v[i, j] * u[i], (i, m), (j, n)), total(v[j, i] * u[j], (j, m), (i, n))),
    "constants": (total(c * u[i] + 2, (i, n)), c * total(u[i], (i, n)) + 2 * n),
    "separated": (total(u[i] * v[j], (i, m), (j, n)), total(u[i], (i, m)) * total(v[j], (j, n))),
    "nested": (total(total(v[i, j], (j, n)) * u[i], (i, m)), total(v[i, j] * u[i], (i, m), (j, n))),
    "square": (total(u[i], (i, n)) ** 2, total(u[i] * u[k], (i, n), (k, n))),
    "unused index": (total(u[i], (i, n), (j, m)), m * total(u[i], (i, n))),
    "empty function": (total(sp.Integer(1), (i, n), (j, m)), m * n),
    "inner square": (
        total((total(u[k], (k, m)) - v[i]) ** 2, (i, n)),
        n * total(u[k], (k, m)) ** 2 - 2 * total(u[k], (k, m)) * total(v[i], (i, n)) + total(v[i] ** 2, (i, n)),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_equal_sums_get_one_form(name):
    left, right = SAME[name]
    assert canonical_sums(left) == canonical_sums(right)


@pytest.mark.parametrize("name", SAME)
def test_the_form_has_the_value_of_the_sum(name):
    rng = random.Random(name)
    values = {}

    def entry(term):
        return values.setdefault(str(term), sp.Rational(rng.randint(-9, 9), 4))

    point = {m: sp.Integer(2), n: sp.Integer(3), c: sp.Rational(7, 2)}
    for side in SAME[name]:
        assert spread(side, point, entry) == spread(canonical_sums(side), point, entry)


def test_different_sums_keep_different_forms():
    sums = [total(u[i] ** 2, (i, n)), total(u[i], (i, n)) ** 2, total(u[i] * v[i], (i, n)), total(u[i], (i, m)) ** 2]
    assert all(canonical_sums(one) != canonical_sums(other) for one, other in itertools.combinations(sums, 2))


def test_deltas_are_carried_out_only_inside_the_range():
    delta = total(sp.KroneckerDelta(i, p) * u[i], (i, n))
    assert canonical_sums(delta, [sp.Le(p, n - 1)]) == u[p]
    assert canonical_sums(delta).has(sp.KroneckerDelta)
    assert canonical_sums(delta, [sp.Le(p, m - 1)]).has(sp.KroneckerDelta)


def test_infinite_and_triangular_sums_are_left_alone():
    infinite = sp.Sum(1 / (i + 1) - 1 / (i + 2), (i, 0, sp.oo))
    triangular = sp.Sum(u[i] + v[j], (j, 0, i), (i, 0, n))
    assert canonical_sums(infinite) == infinite
    assert canonical_sums(triangular) == triangular


def test_facts_hold_in_either_spelling():
    assert holds(sp.Le(p, n - 1), [sp.Ge(n - 1, p)])
    assert holds(sp.Le(0, p), [])
    assert not holds(sp.Le(p, n), [sp.Le(p, n - 1)])  # true, but no arithmetic is attempted


def test_spread_adds_up_by_brute_force():
    loss = total((total(u[k] * c, (k, m)) - v[i, j]) ** 2, (i, m), (j, n))
    numbers = {str(u[a]): sp.Integer(a + 1) for a in range(2)}
    numbers |= {str(v[a, b]): sp.Integer(a - b) for a in range(2) for b in range(3)}
    expected = sum((3 * sp.Rational(1, 2) * 2 / 2 - (a - b)) ** 2 for a in range(2) for b in range(3))
    found = spread(loss, {m: sp.Integer(2), n: sp.Integer(3), c: sp.Rational(1, 2)}, lambda term: numbers[str(term)])
    assert found == expected


def test_spread_keeps_free_and_bound_indices_apart():
    clash = i * total(u[i], (i, n))  # the first i is free, the others are bound
    assert spread(clash, {i: sp.Integer(5), n: sp.Integer(2)}, lambda term: term.indices[0] + 1) == 15


def test_derivatives_go_under_the_sum():
    derivative = differentiate(sp.Derivative(total(u[i] ** 2 * c, (i, n)), c))
    assert canonical_sums(derivative) == canonical_sums(total(u[i] ** 2, (i, n)))
