"""Shared arithmetic against what is known, and streams of random numbers that nothing else draws from."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from lib.scores.agreement import nmi
from lib.store.arithmetic import entropy, joint, mutual_information, standardised, unit_variance
from lib.store.streams import STREAMS, stream

RNG = np.random.default_rng(0)
SHARED = {11, 29, 31, 41, 43, 47, 53}  # numbers that had two uses before streams had names


def test_information_of_two_codings():
    a, b = RNG.integers(0, 4, 200), RNG.integers(0, 3, 200)
    assert mutual_information(joint(a, b)) == pytest.approx(mutual_info_score(a, b))
    assert nmi(a, b) == pytest.approx(normalized_mutual_info_score(a, b))
    assert mutual_information(joint(a, a)) == pytest.approx(entropy(joint(a, a)))
    np.testing.assert_allclose(entropy(np.array([[0.5, 0.5], [1, 0]]), 1), [np.log(2), 0])


def test_columns_and_blocks_on_one_scale():
    x = np.c_[RNG.standard_normal((50, 2)) * [1, 9], np.full(50, 0.1)]
    np.testing.assert_allclose(standardised(x).std(0), [1, 1, 0])
    assert standardised(x, drop=True).shape == (50, 2) and standardised(x, 2.0, drop=True).shape == (50, 1)
    block = unit_variance(pd.DataFrame(x))
    assert block.var(ddof=0).sum() == pytest.approx(1) and block[1].std() > 5 * block[0].std()
    np.testing.assert_allclose(unit_variance(x), block)
    assert not unit_variance(np.ones((3, 2))).any()


def test_a_stream_has_one_purpose():
    numbers = list(STREAMS.values())
    assert {n for n in numbers if numbers.count(n) > 1} == SHARED
    assert stream(3, "permuted slots").random() == np.random.default_rng([3, 31]).random()
    assert stream(3, "permuted texts", 1).random() != stream(3, "permuted texts", 2).random()
