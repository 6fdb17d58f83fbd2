"""What all sources have in common, and what a new one takes: one file, and one line for each thing that it brings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from code_copies import copy_code
from configs import default

from t2ipal.errors import UserError
from t2ipal.sources.base import Source, published, source_of
from t2ipal.sources.registry import CAPTION_SOURCES, IMAGE_SOURCES, caption_source, image_source, union_of
from t2ipal.validation import data_paths, located

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [
    caption_source({"source": "micro", "size": 3, "drop_words": 0.2}),
    caption_source({"source": "coco", "root": "coco", "splits": ["val2014"], "ids": "ids.txt"}),
    caption_source({"source": "openimages", "path": "openimages"}),
    caption_source({"source": "text", "path": "mine.csv", "text_column": "said"}),
    caption_source({"source": "huggingface", "path": "hub"}),
    caption_source({"source": "webdataset", "path": "shards"}),
    caption_source({"source": "names", "classes": "voc2007", "size": 3, "pairs": "pairs.csv"}),
    caption_source({"source": "llm", "classes": "voc2007", "model": "m", "prompt": "p.txt", "cache": "c", "size": 3}),
    image_source({"source": "micro", "size": 3}),
    image_source({"source": "coco", "root": "coco", "split": "val2014"}),
    image_source({"source": "voc", "root": "voc", "difficult": "ignore"}),
    image_source({"source": "nuswide", "root": "nuswide", "missing": 7}),
    image_source({"source": "folder", "path": "photos", "labels": "labels.csv"}),
    image_source({"source": "huggingface", "path": "hub", "split": "test"}),
    image_source({"source": "webdataset", "path": "shards"}),
]

TINY = """
from pathlib import Path
from typing import Literal

from pydantic import Field

from t2ipal.sources.base import CaptionSource, Counted, ImageSource
from t2ipal.sources.caption_rows import checked
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.validation import Count, DataPath


class TinyCaptions(CaptionSource):
    source: Literal["tiny"] = Field(description="a file of words")
    words: DataPath = Field(description="the file, relative to data_dir")

    def rows(self, seed):
        for number, word in enumerate(Path(self.words).read_text().split()):
            yield checked(f"{number:03d}", None, f"A {word}.", "tiny")

    def count(self):
        return Counted(2, "two words, as published")


class TinyImages(ImageSource):
    source: Literal["tiny"] = Field(description="photos that are named by what they show")
    folder: DataPath = Field(description="the folder, relative to data_dir")
    most: Count = Field(9, description="images, a whole number >= 1")

    def listed(self):
        yield from ((path.stem, path) for path in sorted(Path(self.folder).glob("*.png"))[: self.most])

    def read(self, classes, role="test", seed=0):
        known = match(classes, classes.names, self.folder)
        rows = ((key, path, tuple(int(known[name] == known.get(key)) for name in known)) for key, path in self.listed())
        return checked_images(rows)

    def count(self):
        return Counted(self.most, "as many as are asked for")
"""

USE = """
import sys
from pathlib import Path

import yaml
from PIL import Image

from t2ipal.classes import load_classes
from t2ipal.config import load_config
from t2ipal.config.schema import Config
from t2ipal.costs.counts import captions_of, images_of
from t2ipal.errors import UserError
from t2ipal.sources.base import source_of
from t2ipal.sources.caption_rows import write_captions
from t2ipal.sources.image_rows import write_image_set
from t2ipal.validation import located

text = Path("config.yaml").read_text()
config = load_config(yaml.safe_load(text))
pool, images = (located(part, config.data_dir) for part in (config.pools["micro"], config.datasets["micro"].test))
assert [(file.key, file.path) for file in pool.files()] == [("words", Path("data/words.txt"))]
assert [found.missing for source in (pool, images) for found in source.check("k")] == [True, True]
assert captions_of(config, "micro", Path("none")).how == "micro: two words, as published"
assert images_of(config, "micro", "test", Path("none")).items == 2

Path("data/shown").mkdir(parents=True)
Path("data/words.txt").write_text("dog cat")
for name in ("dog", "cat", "zebra"):
    Image.new("RGB", (8, 8)).save(f"data/shown/{name}.png")
assert [found.text for found in images.check("k")] == ["data/shown: there", "2 of 2 listed images are there"]
rows = source_of(pool.spec()).read(seed=0)
assert not write_captions(rows, "captions.parquet", "rejects.parquet")
classes = load_classes("voc2007")
counts = write_image_set(source_of(images.spec()).read(classes), classes.names, "images.parquet", "rejects.parquet")
assert counts.rows == 2
assert {"TinyCaptions", "TinyImages"} <= Config.model_json_schema()["$defs"].keys()
for right, wrong, message in (
    ("words: words.txt", "", "config: pools.micro.words: missing (expected the file, relative to data_dir)"),
    ("most: 2", "most: many",
     "config: datasets.micro.test.most: 'many' is not a whole number (expected images, a whole number >= 1)"),
    ("words.txt", "words.txt\\n    wordz: x",
     "config: pools.micro: unknown key 'wordz' (did you mean 'words'?)"),
    ("source: tiny\\n    words", "source: small\\n    words", "config: pools.micro.source: unknown source 'small' "
     "(expected one of: 'micro', 'coco', 'openimages', 'text', 'tiny'"),
):
    assert right in text
    try:
        load_config(yaml.safe_load(text.replace(right, wrong, 1)))
    except UserError as error:
        assert str(error).startswith(message), error
    else:
        sys.exit(f"no error: {message}")
"""


@pytest.mark.slow
def test_a_new_source_is_one_file_and_a_line_for_its_captions_and_its_images(tmp_path: Path) -> None:
    copy_code(ROOT / "t2ipal", tmp_path / "t2ipal")
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    (tmp_path / "t2ipal/sources/tiny.py").write_text(TINY)
    registry = tmp_path / "t2ipal/sources/registry.py"
    lines = registry.read_text()
    for last, kind in (("text.TextCaptions", "Captions"), ("folder.FolderImages", "Images")):
        line = f'    "t2ipal.sources.{last}",\n'
        assert line in lines
        lines = lines.replace(line, f'{line}    "t2ipal.sources.tiny.Tiny{kind}",\n')
    registry.write_text(lines)
    config = default()
    config |= {"pools": {"micro": {"source": "tiny", "words": "words.txt"}}, "ablations": {}, "extra": {}, "sweeps": {}}
    config["datasets"]["micro"]["test"] = {"source": "tiny", "folder": "shown", "most": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, default_flow_style=False))
    used = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert used.returncode == 0, used.stderr


def test_the_examples_are_all_sources() -> None:
    names = [f"{type(source).__module__}.{type(source).__name__}" for source in EXAMPLES]
    assert names == [*CAPTION_SOURCES, *IMAGE_SOURCES]


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: type(source).__name__)
def test_a_source_is_itself_again_from_plain_data(source: Source) -> None:
    spec = source.spec()
    assert yaml.safe_load(yaml.safe_dump(spec)) == spec
    assert source_of(spec) == source


def test_shards_do_not_decide_what_is_read() -> None:
    cut = caption_source({"source": "micro", "size": 3, "shards": 8})
    assert cut.spec() == caption_source({"source": "micro", "size": 3}).spec()


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: type(source).__name__)
def test_relative_paths_start_from_the_folder_of_data(source: Source) -> None:
    there = located(source, "my data")
    assert list(data_paths(there).values()) == [f"my data/{path}" for path in data_paths(source).values()]
    files = [file for file in there.files() if file.key not in ("classes", "model")]  # they are no data
    assert all(file.path.is_relative_to("my data") for file in files)
    assert {file.key for file in files} <= data_paths(source).keys()


def test_an_absolute_path_stays() -> None:
    source = caption_source({"source": "text", "path": "/captions.txt"})
    assert located(source, "data") == source


def test_an_unknown_source_is_one_line() -> None:
    with pytest.raises(UserError, match=r"unknown source 'cocoa' \(did you mean 'coco'\?\)"):
        image_source({"source": "cocoa"})
    expected = r"unknown source .imagenet. \(expected one of: coco, .*, micro, .*text.*\)$"
    with pytest.raises(UserError, match=expected):
        caption_source({"source": "imagenet"})
    with pytest.raises(UserError, match=r"source\.size: missing"):
        source_of({"class": CAPTION_SOURCES[0], "source": "micro"})


def test_the_union_is_told_apart_by_the_name() -> None:
    options, marks = get_args(union_of(CAPTION_SOURCES))
    assert len(get_args(options)) == len(CAPTION_SOURCES)
    assert marks.discriminator == "source"


def test_a_split_of_the_users_own_has_no_published_size() -> None:
    assert published({"test": 5}, "test").items == 5
    assert published({"test": 5}, "mine").how == "the published size of mine is not known here"


@pytest.mark.slow
def test_importing_all_sources_is_cheap() -> None:
    code = (
        "import sys; from t2ipal.sources.registry import CAPTION_SOURCES, IMAGE_SOURCES, union_of; "
        "union_of(CAPTION_SOURCES + IMAGE_SOURCES); "
        "assert not {'torch', 'numpy', 'pandas', 'pyarrow', 'PIL', 'spacy'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
