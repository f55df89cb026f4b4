"""Small language models with random weights, as recent families use them to encode prompts."""

from __future__ import annotations

from typing import Any

from transformers import (
    Gemma2Config,
    Gemma2Model,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    Qwen3VLConfig,
    Qwen3VLModel,
)

from tests.support.tiny_models import byte_symbols

_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] if message['content'] is string"
    " else message['content'][0]['text'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "pad_token_id": 256,
    "eos_token_id": 258,
    "bos_token_id": None,
}
SEEING: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": 16,
}


def make_qwen_tokenizer() -> Qwen2Tokenizer:
    """A byte-level tokenizer in which every byte is a token, with a short chat template."""
    words = [*byte_symbols(), "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = _TEMPLATE
    return tokenizer


def make_qwen3(layers: int = 2, *, with_head: bool = False) -> Any:
    config = Qwen3Config(**SMALL, num_hidden_layers=layers, head_dim=8, max_position_embeddings=512)
    return (Qwen3ForCausalLM if with_head else Qwen3Model)(config)


def make_qwen_vision(**tokens: int) -> Any:
    """A Qwen 2.5 VL model; `tokens` are the ids of those that stand for pictures."""
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    config: Any = Qwen2_5_VLConfig
    return Qwen2_5_VLForConditionalGeneration(
        config(
            text_config={**SMALL, "num_hidden_layers": 2, "rope_scaling": rope},
            vision_config=SEEING,
            hidden_size=16,
            vocab_size=300,
            **{
                "vision_end_token_id": 290,
                "vision_start_token_id": 291,
                "vision_token_id": 292,
                "image_token_id": 293,
                "video_token_id": 294,
                **tokens,
            },
        )
    )


def make_qwen3_vision() -> Any:
    """A Qwen 3 VL model."""
    return Qwen3VLModel(
        Qwen3VLConfig(
            text_config={**SMALL, "num_hidden_layers": 2, "head_dim": 8},
            vision_config={**SEEING, "deepstack_visual_indexes": [0, 1]},
            image_token_id=290,
            video_token_id=291,
            vision_start_token_id=292,
            vision_end_token_id=293,
        )
    )


def make_gemma() -> Gemma2Model:
    small = {**SMALL, "bos_token_id": 257}
    return Gemma2Model(Gemma2Config(**small, num_hidden_layers=2, head_dim=8, sliding_window=16))
