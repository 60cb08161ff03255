"""Models of the real classes with random weights, a few kB to a few MB, saved as their own
libraries save them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)
from transformers.utils import logging

CLIP_WIDTH, SIGLIP_WIDTH, JOINT_WIDTH = 24, 20, 12
SIDE, PATCH = 32, 8

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
_VIT = {"image_size": SIDE, "patch_size": PATCH, "width": CLIP_WIDTH, "head_width": 12, "layers": 2}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "tiny-vit": {"embed_dim": JOINT_WIDTH, "vision_cfg": _VIT, "text_cfg": _TEXT},
    "tiny-vit-quickgelu": {
        "embed_dim": JOINT_WIDTH,
        "quick_gelu": True,
        "vision_cfg": _VIT,
        "text_cfg": _TEXT,
    },
    "tiny-resnet": {
        "embed_dim": JOINT_WIDTH,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
        "text_cfg": _TEXT,
    },
    "tiny-coca-pool": {
        "embed_dim": JOINT_WIDTH,
        "vision_cfg": {**_VIT, "attentional_pool": True, "attn_pooler_heads": 2},
        "text_cfg": _TEXT,
    },
    "tiny-timm": {
        "embed_dim": JOINT_WIDTH,
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "avg", "image_size": 160},
        "text_cfg": _TEXT,
    },
    "tiny-timm-unprojected": {
        "embed_dim": 64,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "test_vit",
            "timm_pool": "avg",
            "timm_proj": "none",
            "image_size": 160,
        },
        "text_cfg": _TEXT,
    },
}
"""open_clip architectures by name: one for each way in which an image tower ends."""


@dataclass(frozen=True, kw_only=True)
class TinyModels:
    """Where the models lie."""

    clip: Path
    """A CLIP of transformers."""
    siglip: Path
    """A SigLIP of transformers."""
    open_clip: dict[str, Path]
    """Weights by architecture, in safetensors."""
    open_clip_pickle: Path
    """The weights of `tiny-vit` as torch.save writes them."""
    open_clip_folder: Path
    """`tiny-vit` with its open_clip_config.json."""


def save_tiny_models(folder: Path) -> TinyModels:
    """Saves all of them below `folder`, and makes the architectures known to open_clip."""
    logging.disable_progress_bar()
    torch.manual_seed(20240607)
    configs = folder / "architectures"
    configs.mkdir()
    for name, architecture in ARCHITECTURES.items():
        (configs / f"{name}.json").write_text(json.dumps(architecture))
    open_clip.add_model_config(configs)
    weights = {}
    for name in ARCHITECTURES:
        weights[name] = folder / f"{name}.safetensors"
        save_file(_shaken(open_clip.create_model(name)).state_dict(), weights[name])
    pickle = folder / "tiny-vit.pt"
    state = load_file(weights["tiny-vit"])
    torch.save({"epoch": 3, "state_dict": state}, pickle)
    own_folder = folder / "open_clip_folder"
    own_folder.mkdir()
    settings = {"mean": [0.5] * 3, "std": [0.25] * 3, "resize_mode": "squash"}
    said = {"model_cfg": ARCHITECTURES["tiny-vit"], "preprocess_cfg": settings}
    (own_folder / "open_clip_config.json").write_text(json.dumps(said))
    save_file(state, own_folder / "open_clip_model.safetensors")
    return TinyModels(
        clip=_save_clip(folder / "clip"),
        siglip=_save_siglip(folder / "siglip"),
        open_clip=weights,
        open_clip_pickle=pickle,
        open_clip_folder=own_folder,
    )


def _shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Moves every weight: fresh norms are the identity and fresh biases are 0, which hides bugs."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


def _save_clip(folder: Path) -> Path:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    start, end = len(words) - 2, len(words) - 1
    vocabulary = {word: index for index, word in enumerate(words)}
    config = CLIPConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 16,
            "bos_token_id": start,
            "eos_token_id": end,
            "pad_token_id": end,
        },
        vision_config={
            "hidden_size": CLIP_WIDTH,
            "intermediate_size": 48,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
        },
        projection_dim=JOINT_WIDTH,
    )
    _shaken(CLIPModel(config)).save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16).save_pretrained(folder)
    side = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=side).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA CLIP with random weights.\n")
    return folder


def _save_siglip(folder: Path) -> Path:
    words = ["<pad>", "</s>", "<unk>", "a", "cat", "dog", "on", "the", "beach", "red"]
    config = SiglipConfig(
        text_config={
            "hidden_size": SIGLIP_WIDTH,
            "projection_size": SIGLIP_WIDTH,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 10,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 1,
        },
        vision_config={
            "hidden_size": SIGLIP_WIDTH,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
        },
    )
    _shaken(SiglipModel(config)).save_pretrained(folder)
    model = WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder
