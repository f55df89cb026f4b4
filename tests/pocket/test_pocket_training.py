"""What the training and the evaluation of the pocket model rely on; no pictures needed."""

import random

import pytest
import torch
from PIL import Image

from sdtui.pocket.evaluate import NearestObject, blind_captions, held_out, nearest_background
from sdtui.pocket.train.captions import draw_caption, plain_caption, vocabulary_texts
from sdtui.pocket.train.compositions import (
    BACKGROUNDS,
    Composition,
    Placing,
    draw_composition,
    render,
)
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.places import Places, place_codes
from sdtui.pocket.train.text import WIDTH
from sdtui.pocket.train.tokenizer import new_tokenizer
from sdtui.pocket.train.unet import new_unet
from sdtui.pocket.train.vae import LATENT_CHANNELS, new_vae


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    """A plain block of its own colour and shape for every object."""
    rng = random.Random(0)
    return {
        thing.name: Image.new(
            "RGBA",
            (rng.randrange(60, 200), rng.randrange(60, 200)),
            (rng.randrange(256), rng.randrange(256), rng.randrange(256), 255),
        )
        for thing in THINGS
    }


def test_names_are_unique() -> None:
    names = [name for thing in THINGS for name in thing.names]
    assert len(names) == len(set(names))
    assert len(THINGS) >= 120


def test_held_out_compositions_are_never_drawn() -> None:
    kept_back = set(held_out(list(Placing)))
    assert 0.05 < len(kept_back) / (len(THINGS) * len(BACKGROUNDS) * len(Placing)) < 0.12
    rng = random.Random(3)
    assert not kept_back & {draw_composition(rng) for _ in range(3000)}


def test_blind_sheet_has_sixteen_held_out_objects() -> None:
    captions = blind_captions(5)
    known = {plain_caption(composition) for composition in held_out([Placing.NORMAL])}
    assert len(captions) == len(set(captions)) == 16
    assert set(captions) <= known
    assert captions != blind_captions(6)


def test_captions_hold_only_words_of_the_vocabulary() -> None:
    tokenizer = new_tokenizer(vocabulary_texts())
    rng = random.Random(4)
    for _ in range(500):
        composition = draw_composition(rng)
        for caption in (plain_caption(composition), draw_caption(composition, rng)):
            assert all(
                token.endswith("</w>") for token in tokenizer.tokenize(caption) if token != "-"
            )


def test_plain_captions_are_grammatical() -> None:
    cat, owl = (next(t for t in THINGS if t.name == name) for name in ("cat", "owl"))
    wanted = {
        Composition((cat,), None, Placing.NORMAL): "a cat",
        Composition((owl,), "orange", Placing.NORMAL): "an owl on an orange background",
        Composition((owl,), None, Placing.LARGE): "a large owl",
        Composition((cat,), "blue", Placing.LEFT): "a cat on the left on a blue background",
        Composition((cat, owl), None, Placing.PAIR): "a cat and an owl",
    }
    assert {c: plain_caption(c) for c in wanted} == wanted


def test_untrained_autoencoder_keeps_colours() -> None:
    colours = torch.tensor([[0.8, -0.6, 0.1]]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    vae = new_vae()
    with torch.no_grad():
        made = vae.decode(vae.encode(colours).latents).sample
    inner = (slice(None), slice(None), slice(24, 40), slice(24, 40))
    assert (made[inner] - colours[inner]).abs().max() < 0.1


@pytest.mark.slow
def test_evaluation_recognises_rendered_objects(pictures: dict[str, Image.Image]) -> None:
    nearest = NearestObject(pictures)
    rng = random.Random(5)
    for composition in rng.sample(held_out([Placing.NORMAL]), 10):
        picture = render(composition, pictures, rng)
        assert composition.background is not None
        assert nearest_background(picture) == composition.background
        assert nearest.name(picture, composition.background) == composition.things[0].name


def test_every_cell_has_a_distinct_place_code() -> None:
    codes = place_codes(8)[0].flatten(1).T
    assert codes.shape == (64, 6)
    assert len({tuple(code) for code in codes.tolist()}) == 64


@pytest.mark.slow
def test_unet_learns_where_a_cell_is() -> None:
    torch.manual_seed(0)
    unet = new_unet()
    places = Places(unet)
    trained = [*unet.parameters(), *places.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    losses = []
    for _ in range(12):
        text = {"encoder_hidden_states": torch.randn(2, 5, WIDTH)}
        unet(torch.randn(2, LATENT_CHANNELS, 16, 16), torch.tensor([500, 900]), **text)
        losses.append(places.loss())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    assert any(weight.grad is not None and weight.grad.any() for weight in unet.parameters())
