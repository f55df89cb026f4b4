"""What the training and the evaluation of the pocket model rely on; no pictures needed."""

import random
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from PIL import Image
from torch import Tensor

from sdtui.pocket import MODEL_FOLDER
from sdtui.pocket.evaluate import SECTIONS, blind_captions, compositions_of, held_out
from sdtui.pocket.recognise import Recogniser
from sdtui.pocket.sheet import load
from sdtui.pocket.train.captions import draw_caption, plain_caption, vocabulary_texts
from sdtui.pocket.train.colours import COLOURS, recolour
from sdtui.pocket.train.compositions import (
    BACKGROUNDS,
    Composition,
    Placing,
    draw_composition,
)
from sdtui.pocket.train.difficulty import Difficulty
from sdtui.pocket.train.drawn import Drawn, draw_latents, redraw_latents
from sdtui.pocket.train.examples import Examples, token_ids
from sdtui.pocket.train.layout import UNCOLOURED, Layout, cell_labels, cell_owners, cell_weights
from sdtui.pocket.train.objects import THINGS
from sdtui.pocket.train.optimizers import Muon, new_optimizers
from sdtui.pocket.train.pixels import pixels
from sdtui.pocket.train.places import Places
from sdtui.pocket.train.rendering import render
from sdtui.pocket.train.scenes import SCENES, draw_scene
from sdtui.pocket.train.sizes import NATIVE
from sdtui.pocket.train.styles import Style
from sdtui.pocket.train.text import (
    WIDTH,
    TextModels,
    extended_text_encoder,
    new_text_encoder,
    restore_known,
)
from sdtui.pocket.train.tokenizer import new_tokenizer
from sdtui.pocket.train.unet import new_unet
from sdtui.pocket.train.vae import LATENT_CHANNELS, new_vae, reconstruction_loss


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
    assert len(THINGS) >= 250


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
    for _ in range(100):
        composition = draw_composition(rng)
        for caption in (plain_caption(composition), draw_caption(composition, rng)):
            assert all(
                token.endswith("</w>") for token in tokenizer.tokenize(caption) if token != "-"
            )


def test_more_words_leave_known_captions_as_they_were() -> None:
    texts = ["a red cat", "an owl and a dog"]
    known = new_tokenizer(texts)
    more = new_tokenizer([*texts, "a crocodile on a beach"], known)
    known_ids, more_ids = (each("a red owl and a dog").input_ids for each in (known, more))
    assert more_ids[1:7] == known_ids[1:7]
    assert more_ids[-1] == len(more) - 1 > known_ids[-1]
    encoder = new_text_encoder(known).eval()
    extended = extended_text_encoder(encoder, known, more).eval()
    states, more_states = (
        model(token_ids(tokenizer, ["a red owl"]))[0]
        for model, tokenizer in ((encoder, known), (extended, more))
    )
    assert torch.allclose(states, more_states)


def test_new_words_alone_are_trained() -> None:
    former = torch.zeros(6, 2)
    rows = torch.ones(6, 2)
    restore_known(rows, former, added=3)
    assert rows[:, 0].tolist() == [0, 1, 1, 1, 0, 0]


def test_recolouring_changes_the_main_part_only() -> None:
    picture = Image.new("RGBA", (40, 40), (214, 30, 40, 255))
    picture.paste((20, 150, 60, 255), (0, 0, 40, 10))
    changed = recolour(picture, "blue")
    assert changed.getpixel((5, 5)) == pytest.approx((20, 150, 60, 255), abs=2)
    assert changed.getpixel((5, 30)) == pytest.approx((*COLOURS["blue"], 255), abs=12)


def test_scenes_and_styles_differ() -> None:
    assert len({draw_scene(name, 32).tobytes() for name in SCENES}) == len(SCENES) >= 10
    ball = Image.radial_gradient("L").convert("RGBA")
    thing = THINGS[0]
    drawn = {
        render(
            Composition((thing,), "beach", Placing.NORMAL, (), style), {thing.name: ball}
        ).picture.tobytes()
        for style in Style
    }
    assert len(drawn) == len(Style)


def test_plain_captions_are_grammatical() -> None:
    cat, owl = (next(t for t in THINGS if t.name == name) for name in ("cat", "owl"))
    wanted = {
        Composition((cat,), None, Placing.NORMAL): "a cat",
        Composition((owl,), "orange", Placing.NORMAL): "an owl on an orange background",
        Composition((owl,), None, Placing.LARGE): "a large owl",
        Composition((cat,), "blue", Placing.LEFT): "a cat on the left on a blue background",
        Composition((cat, owl), None, Placing.PAIR): "a cat and an owl",
        Composition((owl, cat), "beach", Placing.ON_TOP): "an owl on top of a cat on a beach",
        Composition((cat,), None, Placing.SMALL, ("orange",)): "a small orange cat",
        Composition((cat, owl), "blue", Placing.IN_FRONT, (None, "red")): (
            "a cat in front of a red owl on a blue background"
        ),
        Composition(
            (cat,), "snow", Placing.NORMAL, (), Style.PIXEL
        ): "a cat in the snow, pixel art",
        Composition((), "night sky", Placing.EMPTY): "a night sky",
        Composition((), "orange", Placing.EMPTY): "an orange background",
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
def test_evaluation_recognises_rendered_pictures(pictures: dict[str, Image.Image]) -> None:
    things = THINGS[:20]
    rng = random.Random(5)
    recogniser = Recogniser(pictures, new_vae(), things)
    for section in SECTIONS[:-1]:  # blocks of one colour look the same in most styles
        (composition,) = compositions_of(section, 1, things)
        picture = render(composition, pictures, rng).picture
        for judge in section.judges.values():
            expected, recognised = judge(recogniser, picture, composition)
            assert recognised == expected


def test_drawn_latents_have_the_pictures_of_their_captions(
    pictures: dict[str, Image.Image],
) -> None:
    """A model that draws each picture as one number, which tells its caption."""
    vae, captions, steps = new_vae(), list[str](), list[int]()

    def draw(given: list[str], num_inference_steps: int, **_: object) -> SimpleNamespace:
        captions.extend(given)
        steps.append(num_inference_steps)
        numbers = torch.arange(len(captions) - len(given), len(captions))
        latents = numbers.view(-1, 1, 1, 1).expand(-1, LATENT_CHANNELS, 16, 16)
        return SimpleNamespace(images=latents * vae.config.scaling_factor)

    pipeline = mock.Mock(side_effect=draw, vae=vae)
    drawn = draw_latents(pipeline, pictures, 100, seed=3)
    assert drawn.latents[:, 0, 0, 0].tolist() == pytest.approx(range(100))
    assert steps == [4, 4, 4, 20]
    rng = random.Random(3)
    compositions = [draw_composition(rng) for _ in range(32)]
    assert captions[:32] == [draw_caption(each, rng) for each in compositions]
    right = pixels([render(each, pictures).picture for each in compositions])
    assert torch.equal(drawn.pictures[:32], right)
    latents, right = Drawn(torch.arange(9.0), -torch.arange(9.0)).choose(5)
    assert torch.equal(latents, -right)


@pytest.mark.slow
def test_redrawn_latents_are_quarters_of_the_picture_at_twice_the_size(
    pictures: dict[str, Image.Image],
) -> None:
    drawn = redraw_latents(load(MODEL_FOLDER), pictures, 1, seed=3)
    composition = draw_composition(random.Random(3))
    whole = pixels([render(composition, pictures, None, 256).picture])
    assert drawn.latents.shape == (4, LATENT_CHANNELS, 16, 16)
    assert torch.equal(drawn.pictures[1], whole[0, :, :128, 128:])
    assert torch.equal(drawn.pictures[2], whole[0, :, 128:, :128])


def test_error_of_a_faint_picture_counts_more_than_that_of_one_with_contrast() -> None:
    strong = torch.tensor([-1.0, 1.0]).repeat(2, 3, 8, 4)
    error = 0.05 * torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def counted(right: Tensor) -> float:
        """What the error costs beside its squares."""
        whole, squares = (reconstruction_loss(right + error, right, when) for when in (1, 0))
        return (whole - squares).item()

    assert counted(0.05 * strong) == pytest.approx(5 * counted(strong))
    assert counted(0.6 * strong) < counted(0.3 * strong)


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Two pictures with one caption each."""
    content = {
        "latents": torch.randn(2, LATENT_CHANNELS, 16, 16).half(),
        "captions": [["a cat"], ["a dog"]],
        "labels": torch.tensor([[5, 0, 0, 0, 2, 0, 0], [6, 0, 3, 0, 2, 0, 0]]),
        "owners": torch.zeros(2, 16, 16, dtype=torch.uint8),
    }
    torch.save(content, tmp_path / "128-0000.pt")
    examples = Examples(tmp_path, new_tokenizer(["a cat and a dog"]))
    examples.refresh()
    return examples


def test_batches_have_pictures_with_their_captions_and_some_without(examples: Examples) -> None:
    torch.manual_seed(0)
    empty, cat, dog = (token_ids(examples.tokenizer, [text])[0] for text in ("", "a cat", "a dog"))
    batch = next(examples.batches({(64, 64): 0.5, NATIVE: 0.5}, 60 * 16 * 16))
    assert batch.latents.shape == (60, LATENT_CHANNELS, 16, 16)
    for picture, tokens, labels in zip(batch.latents, batch.ids, batch.labels, strict=True):
        is_cat = torch.equal(picture, examples.parts[NATIVE]["latents"][0].float())
        assert torch.equal(tokens, cat if is_cat else dog) or torch.equal(tokens, empty)
        assert labels[0] == (5 if is_cat else 6)
    assert 0 < sum(torch.equal(tokens, empty) for tokens in batch.ids) < 20
    examples.refresh()
    assert len(examples.parts[NATIVE]["latents"]) == 2


def test_pictures_of_difficult_objects_are_chosen_more_often(examples: Examples) -> None:
    """The cat has three times the dog's error for its contrast."""
    torch.manual_seed(0)
    latents = torch.randn(2, LATENT_CHANNELS, 16, 16) * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    owners = torch.zeros(2, 16, 16, dtype=torch.long)
    owners[:, 4:12, 4:12] = 1
    errors = torch.ones(2, 16, 16) * torch.tensor([3.0, 4.0]).view(2, 1, 1)
    labels = examples.parts[NATIVE]["labels"]
    for _ in range(120):
        examples.difficulty.update(latents, owners, labels, errors)
    cat, dog = examples.difficulty.weights(labels)
    assert 2.5 < cat / dog < 3.5
    chosen = examples.choose(NATIVE, 1000).labels[:, 0]
    assert 700 < (chosen == 5).sum() < 800


def test_of_two_objects_the_harder_one_counts() -> None:
    difficulty = Difficulty()
    owners = torch.tensor([1, 2]).repeat(16, 8)[None]
    errors = torch.where(owners == 1, 1.0, 2.0)
    latents = (torch.arange(16.0) // 2).repeat(1, LATENT_CHANNELS, 16, 1)
    labels = torch.tensor([[5, 6, 0, 0, 2, 0, 0]])
    for _ in range(120):
        difficulty.update(latents, owners, labels, errors)
    both, first, second, unknown = difficulty.weights(
        torch.tensor([[5, 6, 0, 0, 2, 0, 0], [5, 0, 0, 0, 2, 0, 0], [0, 6] + [0] * 5, [0] * 7])
    )
    assert both == second > first > unknown


def test_all_objects_are_alike_until_their_errors_are_known(examples: Examples) -> None:
    labels = examples.parts[NATIVE]["labels"]
    assert examples.difficulty.weights(labels).tolist() == [1, 1]


def test_objects_to_be_practised_are_chosen_more_often() -> None:
    first, second = THINGS[4], THINGS[9]
    difficulty = Difficulty(practised=[first.name, second.names[-1]])
    labels = torch.tensor([[5, 0], [10, 6], [6, 5], [6, 0]])
    assert difficulty.weights(torch.nn.functional.pad(labels, (0, 5))).tolist() == [3, 3, 3, 1]


def test_object_to_be_practised_must_be_known() -> None:
    with pytest.raises(ValueError, match="no object 'airship'"):
        Difficulty(practised=["airship"])


def test_owners_of_cells_are_the_objects_that_cover_them(
    pictures: dict[str, Image.Image],
) -> None:
    composition = Composition(THINGS[:2], "blue", Placing.PAIR)
    owners = cell_owners(render(composition, pictures).owners)
    assert owners.shape == (16, 16)
    assert owners[8, 4] == 1
    assert owners[8, 11] == 2
    assert not owners[0].any()


def test_small_object_weighs_half_of_its_picture() -> None:
    owners = torch.zeros(1, 16, 16, dtype=torch.uint8)
    owners[:, 4:12, 4:12] = 1
    weights = cell_weights(owners)
    assert weights.sum() == pytest.approx(256)
    assert weights[owners == 1].sum() == pytest.approx(128)


def test_cells_are_named_by_object_colour_and_background() -> None:
    owners = torch.tensor([[[0, 1], [2, 1]]])
    labels = torch.tensor([[7, 9, 3, 0, 4, 0, 0]])
    contents, colours = cell_labels(owners, labels)
    behind = len(THINGS) + 1 + 4
    assert contents.tolist() == [[[behind, 7], [9, 7]]]
    assert colours.tolist() == [[[UNCOLOURED, 3], [0, 3]]]


def test_update_of_a_matrix_is_as_large_in_rare_directions_as_in_frequent_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(48, 16, 3, 3))
    left, right = (
        torch.linalg.qr(torch.randn(size, 48, generator=generator))[0] for size in (48, 144)
    )
    weight.grad = (left * torch.logspace(0, -1.5, 48) @ right.T).view_as(weight)
    Muon([{"params": [weight]}], lr=0.1).step()
    change = left.T @ -weight.detach().view(48, 144) @ right
    sizes = change.diagonal()
    assert sizes.max() < 2 * sizes.min()
    assert change.sub(sizes.diag()).abs().max() < 0.1 * sizes.min()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_every_weight_is_trained_by_one_optimizer() -> None:
    tokenizer = new_tokenizer(vocabulary_texts())
    models = TextModels(tokenizer, new_text_encoder(tokenizer), new_unet())
    heads = [torch.nn.Parameter(torch.zeros(2, 2))]
    optimizers = new_optimizers(models, heads, 1e-3)
    trained = [
        id(weight)
        for each in optimizers
        for group in each.param_groups
        for weight in group["params"]
    ]
    weights = [*models.unet.parameters(), *models.text_encoder.parameters(), *heads]
    assert sorted(trained) == sorted(id(weight) for weight in weights)


@pytest.mark.slow
def test_unet_learns_where_cells_are_and_what_they_show(examples: Examples) -> None:
    torch.manual_seed(0)
    unet = new_unet()
    places, layout = Places(unet), Layout(unet)
    trained = [*unet.parameters(), *places.parameters(), *layout.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    batch = next(examples.batches({NATIVE: 1.0}, 2 * 16 * 16))
    weights = cell_weights(batch.owners)
    losses = []
    for _ in range(12):
        text = {"encoder_hidden_states": torch.randn(2, 5, WIDTH)}
        unet(torch.randn(2, LATENT_CHANNELS, 16, 16), torch.tensor([500, 900]), **text)
        losses.append(torch.stack([places.loss(), layout.loss(batch, weights)]))
        optimizer.zero_grad()
        losses[-1].sum().backward()
        optimizer.step()
    assert (losses[-1] < 0.9 * losses[0]).all()
    assert any(weight.grad is not None and weight.grad.any() for weight in unet.parameters())
