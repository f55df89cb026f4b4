"""Small captioners of the real architectures with random weights, built without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartTokenizer,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPImageProcessorPil,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GenerationConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    Qwen2Tokenizer,
)

from tests.support.tiny_models import byte_symbols

_WORDS = ("a", "red", "dog", "on", "grass", "photo", "of")
_CHAT = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
_SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}


def make_blip(folder: Path) -> Path:
    """Save a BLIP model that knows seven words to `folder`."""
    torch.manual_seed(0)
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")
    vocabulary = {word: index for index, word in enumerate((*special, *_WORDS))}
    tokenizer = BertTokenizer(vocab=vocabulary, extra_special_tokens={"bos_token": "[DEC]"})
    ids = {"bos_token_id": vocabulary["[DEC]"], "sep_token_id": vocabulary["[SEP]"]}
    config: Any = BlipConfig
    model = BlipForConditionalGeneration(
        config(
            text_config={
                **_SMALL,
                **ids,
                "vocab_size": len(vocabulary),
                "eos_token_id": vocabulary["[SEP]"],
                "max_position_embeddings": 96,
                "initializer_range": 1.0,
            },
            vision_config={
                **_SMALL,
                "image_size": 32,
                "patch_size": 16,
                "initializer_range": 1.0,
            },
        )
    )
    with torch.no_grad():
        # Captions end after a few words.
        model.text_decoder.cls.predictions.bias[vocabulary["[SEP]"]] = 6.0
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    BlipProcessor(images, tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def make_florence_2(folder: Path) -> Path:
    """Save a Florence-2 model whose tokens are bytes to `folder`."""
    torch.manual_seed(0)
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *byte_symbols(), "<image>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = BartTokenizer(
        vocab=vocabulary, merges=[], extra_special_tokens={"image_token": "<image>"}
    )
    bart = BartConfig(
        vocab_size=len(vocabulary),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=300,
    )
    config: Any = Florence2Config
    vision = {
        "depths": (1, 1),
        "patch_size": (7, 3),
        "patch_stride": (4, 2),
        "patch_padding": (3, 1),
        "patch_prenorm": (False, True),
        "embed_dim": (8, 16),
        "num_heads": (2, 2),
        "num_groups": (2, 2),
        "window_size": 4,
        "projection_dim": 16,
    }
    model = Florence2ForConditionalGeneration(
        config(
            text_config=bart.to_dict(),
            vision_config=vision,
            image_token_id=vocabulary["<image>"],
        )
    )
    # Captions end after a few bytes.
    model.generation_config = GenerationConfig(
        exponential_decay_length_penalty=(4, 10.0),
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    images: Any = CLIPImageProcessorPil(
        size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}
    )
    images.image_seq_length = 17  # of 4 x 4 patches, and their mean
    Florence2Processor(images, tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def make_llava(folder: Path) -> Path:
    """Save a LLaVA model whose tokens are bytes, and its chat template, to `folder`."""
    torch.manual_seed(0)
    words = [*byte_symbols(), "<|endoftext|>", "<image>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    end, image = vocabulary["<|endoftext|>"], vocabulary["<image>"]
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=[], extra_special_tokens={"image_token": "<image>"}
    )
    config: Any = LlavaConfig
    layers = {**_SMALL, "num_hidden_layers": 2}
    vision = {**layers, "model_type": "clip_vision_model", "image_size": 32, "patch_size": 16}
    text = {**layers, "model_type": "llama", "vocab_size": len(words), "num_key_value_heads": 2}
    ends = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": None}
    model = LlavaForConditionalGeneration(
        config(
            vision_config=vision,
            text_config={**text, **ends},
            image_token_index=image,
            vision_feature_layer=-1,
        )
    )
    model.generation_config = GenerationConfig(
        exponential_decay_length_penalty=(4, 10.0), eos_token_id=end, pad_token_id=end
    )
    size = {"height": 32, "width": 32}
    LlavaProcessor(
        CLIPImageProcessorPil(size=size, crop_size=size),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_CHAT,
    ).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
