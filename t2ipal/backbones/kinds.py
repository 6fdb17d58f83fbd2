"""The kinds of backbones."""

KINDS = {
    "openai": "t2ipal.backbones.openai.encoder.OpenAIEncoder",
    "open_clip": "t2ipal.backbones.open_clip.encoder.OpenClipEncoder",
    "transformers": "t2ipal.backbones.transformers.encoder.TransformersEncoder",
}
"""The dotted path of each kind's class, a `t2ipal.backbones.base.ImageTextEncoder`, by its prefix in a config.

A class is imported when a model of its kind is named. No job depends on this file: a new line reruns nothing.
"""
