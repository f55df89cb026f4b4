"""Samplers and noise schedules that diffusers lacks, against the formulas of k-diffusion and A1111
in float64, on a small denoiser that isn't linear."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import diffusers
import numpy
import pytest
import torch

from sdtui.core.samplers import SAMPLERS, SCHEDULES
from sdtui.engine.samplers import make_scheduler
from sdtui.engine.schedulers.noise_schedules import beta_quantile, schedule_of

_CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_SHAPE = (1, 4, 6, 6)

Model = Callable[[torch.Tensor, float], torch.Tensor]
Noise = Callable[[], torch.Tensor]


def denoised(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """Data that a model might predict."""
    return torch.tanh(x / math.hypot(sigma, 1)) * 0.9 + 0.05 * math.atan(sigma)


def noises() -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    while True:
        yield torch.randn(_SHAPE, generator=generator, dtype=torch.float64)


def start(sigma: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(_SHAPE, generator=generator, dtype=torch.float64) * sigma


def original(**config: Any) -> Any:
    """A model's own scheduler."""
    return diffusers.DDIMScheduler(**_CONFIG, **config)


def scheduler_for(label: str, steps: int, **config: Any) -> Any:
    scheduler = make_scheduler(original(**config), label)
    scheduler.set_timesteps(steps)
    return scheduler


def run(scheduler: Any, kind: str = "epsilon") -> torch.Tensor:
    """Run one of our schedulers as a pipeline does."""
    drawn = torch.Generator().manual_seed(1)
    x = start(float(scheduler.init_noise_sigma)).float()
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        sigma = float(scheduler.sigmas[scheduler.step_index])
        assert torch.allclose(scaled, x / math.hypot(sigma, 1), rtol=1e-5)
        data = denoised(x, sigma)
        output = (x - data) / sigma
        if kind == "v_prediction":
            output = (x / (sigma**2 + 1) - data) * math.hypot(sigma, 1) / sigma
        x = scheduler.step(output, timestep, x, generator=_Doubles(drawn)).prev_sample
    return x.double()


class _Doubles:
    """Stands for the generator in the calls below."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator


@pytest.fixture(autouse=True)
def _same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw float64 noise in our schedulers, as the references do."""

    def draw(shape: Any, generator: _Doubles, device: Any, dtype: Any) -> torch.Tensor:
        drawn = torch.randn(tuple(shape), generator=generator.generator, dtype=torch.float64)
        return drawn.to(dtype)

    monkeypatch.setattr("sdtui.engine.schedulers.base.randn_tensor", draw)


def ancestral_step(sigma_from: float, sigma_to: float) -> tuple[float, float]:
    up = min(sigma_to, (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5)
    return (sigma_to**2 - up**2) ** 0.5, up


def euler_ancestral(x: torch.Tensor, sigmas: list[float], noise: Noise) -> torch.Tensor:
    for sigma, following in pairwise(sigmas):
        data = denoised(x, sigma)
        down, up = ancestral_step(sigma, following)
        x = x + (x - data) / sigma * (down - sigma)
        if following > 0:
            x = x + noise() * up
    return x


def dpmpp_2s_ancestral(x: torch.Tensor, sigmas: list[float], noise: Noise) -> torch.Tensor:
    for sigma, following in pairwise(sigmas):
        data = denoised(x, sigma)
        down, up = ancestral_step(sigma, following)
        if down == 0:
            x = x + (x - data) / sigma * (down - sigma)
        else:
            t, t_next = -math.log(sigma), -math.log(down)
            h = t_next - t
            s = t + h / 2
            x_2 = math.exp(-s) / math.exp(-t) * x - math.expm1(-h / 2) * data
            data_2 = denoised(x_2, math.exp(-s))
            x = math.exp(-t_next) / math.exp(-t) * x - math.expm1(-h) * data_2
        if following > 0:
            x = x + noise() * up
    return x


def lms(x: torch.Tensor, sigmas: list[float], noise: Noise) -> torch.Tensor:
    def coefficient(order: int, i: int, j: int) -> float:
        polynomial = numpy.polynomial.Polynomial([1.0])
        for k in range(order):
            if k != j:
                width = sigmas[i - j] - sigmas[i - k]
                polynomial *= numpy.polynomial.Polynomial([-sigmas[i - k] / width, 1 / width])
        whole = polynomial.integ()
        return float(whole(sigmas[i + 1]) - whole(sigmas[i]))

    derivatives: list[torch.Tensor] = []
    for i in range(len(sigmas) - 1):
        derivatives.append((x - denoised(x, sigmas[i])) / sigmas[i])
        order = min(i + 1, 4)
        for j in range(order):
            x = x + coefficient(order, i, j) * derivatives[-1 - j]
    return x


def restart(x: torch.Tensor, sigmas: list[float], noise: Noise) -> torch.Tensor:
    """restart_sampler of A1111 (modules/sd_samplers_extra.py)."""

    def karras(n: int, low: float, high: float) -> list[float]:
        ramp = [i / (n - 1) for i in range(n)]
        a, b = low ** (1 / 7), high ** (1 / 7)
        return [*((b + each * (a - b)) ** 7 for each in ramp), 0.0]

    steps = len(sigmas) - 1
    restarts: dict[int, tuple[int, int, int]] = {}
    if steps >= 20:
        length, times = (steps // 4, 2) if steps >= 36 else (9, 1)
        sigmas = karras(steps - length * times, sigmas[-2], sigmas[0])
        near = numpy.array(sigmas)
        at = int(numpy.argmin(abs(near - 0.1)))
        restarts = {at: (length + 1, times, int(numpy.argmin(abs(near - 2))))}
    pairs = []
    for i, pair in enumerate(pairwise(sigmas)):
        pairs.append(pair)
        if i + 1 in restarts:
            length, times, top = restarts[i + 1]
            again = karras(length, sigmas[i + 1], sigmas[top])[:-1]
            pairs += list(pairwise(again)) * times
    last = None
    for old, new in pairs:
        if last is not None and last < old:
            x = x + noise() * (old**2 - last**2) ** 0.5
        d = (x - denoised(x, old)) / old
        if new == 0:
            x = x + d * (new - old)
        else:
            x_2 = x + d * (new - old)
            d_2 = (x_2 - denoised(x_2, new)) / new
            x = x + (d + d_2) / 2 * (new - old)
        last = new
    assert len(pairs) == steps
    return x


def dpmpp_3m_sde(x: torch.Tensor, sigmas: list[float], noise: Noise) -> torch.Tensor:
    before: list[tuple[torch.Tensor, float]] = []
    for sigma, following in pairwise(sigmas):
        data = denoised(x, sigma)
        if following == 0:
            return data
        h = math.log(sigma) - math.log(following)
        h_eta = 2 * h
        x = math.exp(-h_eta) * x - math.expm1(-h_eta) * data
        phi_2 = math.expm1(-h_eta) / h_eta + 1
        if len(before) > 1:
            (data_1, h_1), (data_2, h_2) = before[:2]
            r0, r1 = h_1 / h, h_2 / h
            d1_0, d1_1 = (data - data_1) / r0, (data_1 - data_2) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            x = x + phi_2 * d1 - (phi_2 / h_eta - 0.5) * d2
        elif before:
            data_1, h_1 = before[0]
            x = x + phi_2 * (data - data_1) / (h_1 / h)
        x = x + noise() * following * math.sqrt(-math.expm1(-2 * h))
        before = [(data, h), *before]
    return x


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 7, 24, 40])
@pytest.mark.parametrize(
    ("label", "reference"),
    [
        ("Euler a Karras", euler_ancestral),
        ("Euler a Beta", euler_ancestral),
        ("DPM++ 2S a Karras", dpmpp_2s_ancestral),
        ("DPM++ 2S a", dpmpp_2s_ancestral),
        ("DPM++ 3M SDE Exponential", dpmpp_3m_sde),
        ("DPM++ 3M SDE", dpmpp_3m_sde),
        ("LMS", lms),
        ("LMS Karras", lms),
        ("Restart Karras", restart),
        ("Restart", restart),
    ],
)
def test_sampler_follows_its_formula(
    label: str, reference: Callable[..., torch.Tensor], steps: int, kind: str
) -> None:
    scheduler = scheduler_for(label, steps, prediction_type=kind)
    sigmas = [float(each) for each in scheduler.levels]
    drawn = noises()
    wanted = reference(start(sigmas[0]), sigmas, lambda: next(drawn))
    found = run(scheduler, kind)
    assert float((found - wanted).abs().max() / wanted.abs().max()) < 2e-5


@pytest.mark.parametrize("name", ["SGM Uniform", "KL Optimal"])
@pytest.mark.parametrize("sampler", [each for each in SAMPLERS if SAMPLERS[each].takes_schedules])
def test_every_sampler_takes_the_schedules_levels(sampler: str, name: str) -> None:
    schedule = schedule_of(name, "sd1")
    assert schedule is not None
    scheduler = scheduler_for(f"{sampler} {name}", 7)
    found = {f"{float(each):.4g}" for each in scheduler.sigmas}
    assert {f"{each:.4g}" for each in schedule(ascending(), 7)} <= found
    assert float(scheduler.sigmas[-1]) == pytest.approx(0, abs=0.03)


def test_every_schedule_has_a_function() -> None:
    ours = [name for name in SCHEDULES if schedule_of(name, "sd1") is not None]
    assert ours == [name for name in SCHEDULES if name not in ("Karras", "Exponential")]


def ascending() -> Any:
    alphas = original().alphas_cumprod.double().numpy()
    return ((1 - alphas) / alphas) ** 0.5


def reference_levels(name: str, steps: int) -> list[float]:
    """modules/sd_schedulers.py of A1111, without the last level."""
    sigmas = ascending()
    low, high, last = sigmas[0], sigmas[-1], len(sigmas) - 1

    def t_to_sigma(t: float) -> float:
        share = t - math.floor(t)
        logs = numpy.log(sigmas)
        return math.exp((1 - share) * logs[math.floor(t)] + share * logs[math.ceil(t)])

    match name:
        case "SGM Uniform":
            return [t_to_sigma(last * (1 - i / steps)) for i in range(steps)]
        case "Simple":
            return [sigmas[-(1 + int(i * (len(sigmas) / steps)))] for i in range(steps)]
        case "DDIM":
            every = len(sigmas) // steps
            return [sigmas[1 + i * every] for i in range(steps)][::-1]
        case "Polyexponential":
            ramp = [1 - i / (steps - 1) for i in range(steps)]
            return [
                math.exp(each * (math.log(high) - math.log(low)) + math.log(low)) for each in ramp
            ]
        case "KL Optimal":
            shares = [i / steps for i in range(steps)]
            return [math.tan(s * math.atan(low) + (1 - s) * math.atan(high)) for s in shares]
        case "Beta":
            return [low + beta_quantile(1 - i / (steps - 1)) * (high - low) for i in range(steps)]
    raise AssertionError(name)


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize(
    "name", ["SGM Uniform", "Simple", "DDIM", "Polyexponential", "KL Optimal", "Beta"]
)
def test_schedule_follows_its_formula(name: str, steps: int) -> None:
    schedule = schedule_of(name, "sd1")
    assert schedule is not None
    assert schedule(ascending(), steps) == pytest.approx(reference_levels(name, steps), rel=1e-9)


def test_align_your_steps_has_the_published_levels() -> None:
    for family, third in (("sd1", 3.861), ("sdxl", 3.771)):
        schedule = schedule_of("Align Your Steps", family)
        assert schedule is not None
        eleven = schedule(ascending(), 11)
        assert (eleven[0], eleven[2], eleven[-1]) == pytest.approx((14.615, third, 0.029))
        twenty_one = schedule(ascending(), 21)
        assert twenty_one[::2] == pytest.approx(eleven)
        assert twenty_one[1] == pytest.approx(math.sqrt(eleven[0] * eleven[1]))


def test_quantiles_of_the_beta_distribution() -> None:
    # The density of x = sin^2(u) is even enough in u for Gauss and Legendre's rule.
    nodes, weights = numpy.polynomial.legendre.leggauss(400)
    whole = math.gamma(0.6) ** 2 / math.gamma(1.2)
    for share in (0.001, 0.05, 0.3, 0.5, 0.77, 0.999):
        end = math.asin(math.sqrt(beta_quantile(share)))
        # u = v^5 takes the root of the density at 0 away.
        top = end**0.2
        v = (nodes + 1) * top / 2
        u = v**5
        values = 2 * (numpy.sin(u) * numpy.cos(u)) ** 0.2 * 5 * v**4
        found = float((weights * values).sum()) * top / 2 / whole
        assert found == pytest.approx(share, abs=1e-6)
    assert (beta_quantile(0), beta_quantile(1)) == pytest.approx((0, 1), abs=1e-12)


_NOISY = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear"}
"""The training of the pocket model, up to a level of 157."""


@pytest.mark.parametrize("steps", [2, 3, 4, 8])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_dpm2_a_has_numbers_where_levels_are_far_apart(schedule: str, steps: int) -> None:
    scheduler = make_scheduler(diffusers.DDIMScheduler(**_NOISY), f"DPM2 a {schedule}")
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps
    for values in (timesteps, scheduler.sigmas_down, scheduler.sigmas_interpol):
        assert torch.isfinite(values).all()
    assert timesteps.tolist() == pytest.approx(sorted(timesteps.tolist(), reverse=True), abs=1)


def test_dpm2_a_is_that_of_diffusers_elsewhere() -> None:
    theirs: Any = diffusers.KDPM2AncestralDiscreteScheduler(**_CONFIG, use_karras_sigmas=True)
    theirs.set_timesteps(20)
    own = scheduler_for("DPM2 a Karras", 20)
    for name in ("timesteps", "sigmas", "sigmas_down", "sigmas_interpol", "sigmas_up"):
        wanted = getattr(theirs, name)
        assert torch.equal(getattr(own, name)[~wanted.isnan()], wanted[~wanted.isnan()])


def test_beta_takes_even_quantiles_of_timesteps_from_models_with_more_noise() -> None:
    scheduler = make_scheduler(diffusers.DDIMScheduler(**_NOISY), "Euler Beta")
    scheduler.set_timesteps(20)
    wanted = [999 * beta_quantile(1 - i / 19) for i in range(20)]
    assert scheduler.timesteps.tolist() == pytest.approx(wanted, abs=0.6)
    assert sum(float(each) < 3 for each in scheduler.sigmas) > 8  # where details come about
