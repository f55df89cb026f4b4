"""The change of a weight by each kind of adapter, against its formula in fp64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sdtui.engine.lora.delta import (
    Decomposed,
    Delta,
    Full,
    Hadamard,
    Kronecker,
    LowRank,
    Rows,
)

OUT, IN, RANK = 24, 18, 4
KERNEL = (3, 3)
Formula = Callable[[], torch.Tensor]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _error(delta: Delta, expected: torch.Tensor, original: torch.Tensor | None = None) -> float:
    expected = expected.reshape(len(expected), -1)
    original = torch.zeros(expected.shape) if original is None else original
    assert delta.shape == expected.shape
    changed = delta.change(original.reshape(expected.shape))
    return float((changed.double() - expected).norm() / expected.norm())


def test_lora_is_up_times_down() -> None:
    up, down = torch.randn(OUT, RANK), torch.randn(RANK, IN)
    expected = up.double() @ down.double() * 0.3
    assert _error(LowRank(up, down, scale=0.3), expected) < 1e-6


def test_half_precision_is_computed_in_fp32() -> None:
    up, down = torch.randn(OUT, RANK).half(), torch.randn(RANK, IN).half()
    assert _error(LowRank(up, down), up.double() @ down.double()) < 1e-6


def test_locon_of_a_convolution() -> None:
    up, down = torch.randn(OUT, RANK, 1, 1), torch.randn(RANK, IN, *KERNEL)
    expected = torch.einsum("or,rikl->oikl", up.double()[..., 0, 0], down.double())
    assert _error(LowRank(up, down), expected) < 1e-6


def test_locon_in_the_form_of_tucker() -> None:
    up, down = torch.randn(OUT, RANK, 1, 1), torch.randn(RANK, IN, 1, 1)
    mid = torch.randn(RANK, RANK, *KERNEL)
    # What the three convolutions do to a picture of one pixel at each place of the kernel.
    weight = torch.einsum(
        "or,rskl,si->oikl", up.double()[..., 0, 0], mid.double(), down.double()[..., 0, 0]
    )
    assert _error(LowRank(up, down, mid, 0.5), weight * 0.5) < 1e-6


def test_rank_limit_leaves_the_first_ranks() -> None:
    up, down = torch.randn(OUT, RANK), torch.randn(RANK, IN)
    expected = up[:, :2].double() @ down[:2].double()
    assert _error(LowRank(up, down).limited(2), expected) < 1e-6


def test_loha_is_the_product_of_two() -> None:
    w1_a, w1_b = torch.randn(OUT, RANK), torch.randn(RANK, IN)
    w2_a, w2_b = torch.randn(OUT, RANK), torch.randn(RANK, IN)
    expected = (w1_a.double() @ w1_b.double()) * (w2_a.double() @ w2_b.double()) * 2
    assert _error(Hadamard(w1_a, w1_b, w2_a, w2_b, scale=2), expected) < 1e-6


def test_loha_in_the_form_of_tucker() -> None:
    w1_a, w1_b = torch.randn(RANK, OUT), torch.randn(RANK, IN)
    w2_a, w2_b = torch.randn(RANK, OUT), torch.randn(RANK, IN)
    t1, t2 = torch.randn(RANK, RANK, *KERNEL), torch.randn(RANK, RANK, *KERNEL)
    first = torch.einsum("ijkl,jr,ip->prkl", t1.double(), w1_b.double(), w1_a.double())
    second = torch.einsum("ijkl,jr,ip->prkl", t2.double(), w2_b.double(), w2_a.double())
    assert _error(Hadamard(w1_a, w1_b, w2_a, w2_b, t1, t2), first * second) < 1e-6


def test_lokr_of_whole_matrices() -> None:
    w1, w2 = torch.randn(4, 3), torch.randn(6, 6)
    assert _error(Kronecker((w1,), (w2,)), torch.kron(w1.double(), w2.double())) < 1e-6


def test_lokr_of_products() -> None:
    w1 = torch.randn(4, 2), torch.randn(2, 3)
    w2 = torch.randn(6, 2), torch.randn(2, 6)
    expected = torch.kron(w1[0].double() @ w1[1].double(), w2[0].double() @ w2[1].double())
    assert _error(Kronecker(w1, w2, scale=0.5), expected * 0.5) < 1e-6


def test_lokr_of_a_convolution() -> None:
    w1, w2 = torch.randn(4, 3), torch.randn(6, 6, *KERNEL)
    expected = torch.kron(w1.double()[..., None, None], w2.double())
    assert _error(Kronecker((w1,), (w2,)), expected) < 1e-6


def test_lokr_in_the_form_of_tucker() -> None:
    w1, w2_a, w2_b = torch.randn(4, 3), torch.randn(RANK, 6), torch.randn(RANK, 6)
    t2 = torch.randn(RANK, RANK, *KERNEL)
    second = torch.einsum("ijkl,ip,jr->prkl", t2.double(), w2_a.double(), w2_b.double())
    expected = torch.kron(w1.double()[..., None, None], second.contiguous())
    assert _error(Kronecker((w1,), (w2_a, w2_b), t2), expected) < 1e-6


def test_full_change_is_as_it_is() -> None:
    whole = torch.randn(OUT, IN, *KERNEL)
    assert _error(Full(whole), whole.double()) < 1e-6


@pytest.mark.parametrize("kernel", [(), KERNEL])
def test_dora_scales_rows(kernel: tuple[int, ...]) -> None:
    original, whole = torch.randn(OUT, IN, *kernel), torch.randn(OUT, IN, *kernel)
    magnitude = torch.rand(OUT, 1) + 0.5
    changed = (original.double() + whole.double()).flatten(1)
    expected = changed * magnitude / changed.norm(dim=1, keepdim=True)
    delta = Decomposed(Full(whole), magnitude)
    assert _error(delta, expected - original.double().flatten(1), original) < 1e-6


@pytest.mark.parametrize("kernel", [(), KERNEL])
def test_dora_scales_input_channels(kernel: tuple[int, ...]) -> None:
    original, whole = torch.randn(OUT, IN, *kernel), torch.randn(OUT, IN, *kernel)
    magnitude = torch.rand(1, IN, *[1] * len(kernel)) + 0.5
    changed = original.double() + whole.double()
    others = [dimension for dimension in range(changed.ndim) if dimension != 1]
    expected = changed * magnitude / torch.linalg.vector_norm(changed, dim=others, keepdim=True)
    delta = Decomposed(Full(whole), magnitude)
    assert _error(delta, expected - original.double(), original) < 1e-6


def test_rows_of_any_kind_are_those_of_the_whole() -> None:
    lora = LowRank(torch.randn(OUT, RANK), torch.randn(RANK, IN))
    loha = Hadamard(
        torch.randn(OUT, 2), torch.randn(2, IN), torch.randn(OUT, 2), torch.randn(2, IN)
    )
    original = torch.randn(OUT, IN)
    dora = Decomposed(lora, torch.rand(OUT, 1))
    for whole in (lora, loha, dora):
        expected = whole.change(original)[8:16].double()
        assert _error(Rows(whole, 8, 8), expected, original[8:16]) < 1e-6
