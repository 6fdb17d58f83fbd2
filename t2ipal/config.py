"""The schema of config.yaml: what may stand there, and one line for what may not.

`load_config` turns the merged mapping that Snakemake read into a `Config` or raises a `UserError` of one line that
names the key, what was found and what was expected. No heavy import here: `snakemake -n` pays for it.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from t2ipal.errors import UserError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="letters, digits, '_', '-' and '.'")]
Count = Annotated[int, Field(ge=1)]
Pixels = Annotated[int, Field(ge=8, multiple_of=8)]

Model = TypeVar("Model", bound=BaseModel)

NAMED_TABLES = ("pools", "datasets", "text_to_image", "clip", "settings", "sweeps", "extra", "ablations", "search")


class _Part(BaseModel):
    """A block of the config: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Pool(_Part):
    """What all caption pools have."""

    shards: Count = Field(1, description="generation jobs per sample, a whole number >= 1")
    drop_words: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of words dropped, 0 to below 1")


class MicroPool(_Pool):
    """Captions written by the grammar of the micro world."""

    source: Literal["micro"] = Field(description="the grammar of the micro world")
    size: Count = Field(description="number of captions, a whole number >= 1")


class CocoPool(_Pool):
    """Captions of MS-COCO in the official layout."""

    source: Literal["coco"] = Field(description="MS-COCO in the official layout")
    root: str = Field(description="folder with annotations/captions_{split}.json, relative to data_dir")
    splits: list[str] = Field(["train2017"], min_length=1, description="splits, such as [train2017]")
    captions: Literal["one", "all"] = Field("one", description="'one' drawn caption per image, or 'all' of them")
    ids: str | None = Field(
        None, description="a list of caption ids to choose from (.pkl, .txt, .json, .npy), relative to data_dir"
    )


class TextPool(_Pool):
    """Captions of the user's own, one per line or row."""

    source: Literal["text"] = Field(description="a file of captions")
    path: str = Field(description="a .txt, .csv, .jsonl or .parquet file, relative to data_dir")
    text_column: str | None = Field(None, description="column of the captions; null: text or caption")
    id_column: str | None = Field(None, description="column of unique ids; null: ids are made from the order")


class OpenImagesPool(_Pool):
    """Localized narratives of OpenImages."""

    source: Literal["openimages"] = Field(description="localized narratives of OpenImages")
    path: str = Field(description="a .jsonl file of narratives, or the folder of it or of its shards, below data_dir")
    split: Literal["train", "validation", "test"] = Field("train", description="which files of the folder")
    captions: Literal["one", "all"] = Field("all", description="'one' drawn narrative per image, or 'all' of them")


class MicroImages(_Part):
    """Scenes of the micro world with true labels."""

    source: Literal["micro"] = Field(description="scenes of the micro world")
    size: Count = Field(description="number of scenes, a whole number >= 1")
    pixels: Pixels = Field(64, description="side of a scene, a multiple of 8")


class CocoImages(_Part):
    """Images of MS-COCO with the labels of their instances."""

    source: Literal["coco"] = Field(description="MS-COCO in the official layout")
    root: str = Field(description="folder with {split}/ and annotations/instances_{split}.json, relative to data_dir")
    split: str = Field(description="a split, such as val2014")


class VocImages(_Part):
    """Images of Pascal VOC with the labels of its class lists."""

    source: Literal["voc"] = Field(description="Pascal VOC in the official layout")
    root: str = Field(description="folder with JPEGImages/ and ImageSets/, or one above it, relative to data_dir")
    split: str = Field("test", description="a split, such as test")
    difficult: Literal["negative", "ignore"] = Field(
        "negative", description="a class with difficult objects only: 'negative' (as TaI-DPT), or 'ignore' it"
    )


class NusWideImages(_Part):
    """Images of NUS-WIDE with the labels of its 81 concepts."""

    source: Literal["nuswide"] = Field(description="NUS-WIDE, with the photographs in Flickr/ or flat in images/")
    root: str = Field(description="folder of its lists, labels and photographs, relative to data_dir")
    split: Literal["train", "test"] = Field("test", description="'train' (161,789 images) or 'test' (107,859)")
    images: Literal["all", "labelled"] = Field("all", description="'all', or those 'labelled' with any concept")
    missing: Annotated[int, Field(ge=0)] = Field(0, description="listed images that may be missing, >= 0")


class FolderImages(_Part):
    """A folder of images, with or without labels."""

    source: Literal["folder"] = Field(description="a folder of images")
    path: str = Field(description="the folder, relative to data_dir")
    labels: str | None = Field(None, description="a .csv with columns image and one per class, relative to data_dir")


class Photos(_Part):
    """Photos without labels, to be predicted."""

    source: Literal["folder"] = Field("folder", description="a folder of photos, and those below it")
    path: str = Field(description="the folder, relative to data_dir")
    top: Count = Field(5, description="labels shown per photo, a whole number >= 1")


Pool = Annotated[MicroPool | CocoPool | OpenImagesPool | TextPool, Field(discriminator="source")]
Images = Annotated[MicroImages | CocoImages | VocImages | NusWideImages | FolderImages, Field(discriminator="source")]


class Dataset(_Part):
    """Classes to recognise, captions to learn from, images to be tested on."""

    title: str = Field(description="the name that tables show")
    classes: str = Field(description="a class list of resources/classes/ by name, or a path to one")
    pool: str = Field(description="a key of pools")
    filter: Literal["default", "tai_dpt"] = Field("default", description="noun filter: 'default' or 'tai_dpt'")
    words: Count | None = Field(None, description="words of a caption that the noun filter reads; null: all")
    cap: Count | None = Field(None, description="captions per class, counted at their rarest class; null: no limit")
    train: Images | None = Field(None, description="labelled training images, for methods that use them")
    validation: Images | None = Field(None, description="labelled images for thresholds and searches, never for tests")
    test: Images | None = Field(None, description="labelled test images; null: no metrics, and `photos` instead")
    photos: Photos | None = Field(None, description="photos without labels, to be predicted")
    paper: Literal["VOC2007", "COCO2014", "NUSWIDE"] | None = Field(
        None, description="the paper's data set whose values stand beside ours"
    )
    settings: dict[str, dict[str, Any]] = Field({}, description="settings of methods that differ on this data set")


class TextToImage(_Part):
    """A text-to-image model and how it draws: `t2ipal.images.settings.DrawSettings`, and how many images."""

    model: str = Field(description="a diffusers pipeline: a folder, or a name on the Hugging Face hub")
    revision: str | None = Field(None, description="commit or branch of a hub model; null: its default branch")
    variant: str | None = Field(None, description="file variant of a hub model, such as fp16; null: the plain files")
    samples: Count = Field(description="images per caption, a whole number >= 1 (the paper: 6)")
    steps: Count = Field(50, description="solver steps, a whole number >= 1 (the paper: silent)")
    guidance: float = Field(7.5, ge=0, description="guidance scale, a number >= 0; up to 1: none (the paper: silent)")
    solver: str = Field("default", description="'default' (the pipeline's own), ddim, dpm++, unipc, euler, ...")
    negative: str = Field("", description="negative prompt, used with guidance")
    width: Pixels | None = Field(None, description="pixels, a multiple of 8; null: the model's own size")
    height: Pixels | None = Field(None, description="pixels, a multiple of 8; null: the model's own size")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto: bfloat16 if fast here")
    batch: Count = Field(64, description="images drawn together, a whole number >= 1")
    safety: Literal["off", "on"] = Field("off", description="'on': the model's safety checker flags images")
    redraws: Annotated[int, Field(ge=0)] = Field(2, description="further seeds for a black, NaN or flagged image")
    encoding: Literal["png", "webp", "jpeg"] = Field("png", description="file format of the stored images")
    quality: Annotated[int, Field(ge=1, le=100)] = Field(92, description="quality of webp and jpeg, 1 to 100")
    store_size: Pixels | None = Field(
        None, description="pixels of the shorter side that images are stored at, a multiple of 8; null: as drawn"
    )
    compile: Literal["auto", "on", "off"] = Field("auto", description="auto: compiled on GPUs")

    @field_validator("compile", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        """YAML 1.1 reads a bare on or off as true or false."""
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


class Clip(_Part):
    """A CLIP model and how it sees images."""

    model: str = Field(description="a .safetensors or .pt file, or a name of OpenAI's, such as RN101")
    image_size: Annotated[int, Field(ge=32, multiple_of=32)] = Field(description="pixels, a multiple of 32")
    crop: Literal["center", "squash"] = Field("center", description="'center' crop or 'squash'")
    batch: Count = Field(256, description="images encoded together, a whole number >= 1")


class Use(_Part):
    """Which of the named models the runs use."""

    text_to_image: str = Field(description="a key of text_to_image")
    clip: str = Field(description="a key of clip")


DATASETS = Field(None, min_length=1, description="keys of datasets that it is made for; null: all")


class Sweep(_Part):
    """One setting of one method, varied around the base run."""

    datasets: list[str] | None = DATASETS
    method: str = Field(description="one of methods")
    key: str = Field(description="a setting of the method, or samples: images per caption")
    values: list[float | int | str | bool] = Field(min_length=2, description="at least two values")
    above: list[Annotated[list[float | int | str], Field(min_length=2, max_length=2)]] = Field(
        [], description="what the paper says: pairs of a value and what it is above, a value or one of methods"
    )


Percent = Annotated[int, Field(ge=1, le=100)]


class Fuse(_Part):
    """Late fusion of a label-trained method's scores with those of methods trained without labels."""

    base: str = Field(description="one of the methods above")
    partners: list[str] = Field(min_length=1, description="methods of Table 1")
    weight: Annotated[float, Field(ge=0, le=1)] = Field(description="share of the base's score, 0 to 1")
    norm: Literal["global_minmax", "per_class_minmax", "zscore"] = Field(
        "global_minmax", description="how both scores are brought to one scale"
    )


class UseInstead(_Part):
    """Other models or captions than those of `use`, for one row."""

    text_to_image: str | None = Field(None, description="a key of text_to_image")
    clip: str | None = Field(None, description="a key of clip")
    samples: Count | None = Field(None, description="images per caption, at most those of the text-to-image model")
    pool: str | None = Field(None, description="a key of pools, labelled by the data set's classes")


class _Protocol(_Part):
    """What the tables of methods that learn from labels have."""

    datasets: list[str] | None = DATASETS
    use: UseInstead = Field(UseInstead(), description="models that differ from those of `use`, for its methods")


class Partial(_Protocol):
    """Table 2: a share of the labels is known."""

    levels: list[Percent] = Field(min_length=1, description="percent of known labels, whole numbers from 1 to 100")
    methods: list[str] = Field(min_length=1, description="methods that learn from labels")
    methods_of: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {}, description="data sets that have some of the methods alone"
    )
    fuse: Fuse | None = Field(None, description="fused rows")


class FewShot(_Protocol):
    """Table 4: a few labelled images per class, all classes being novel."""

    levels: list[Count] = Field(min_length=1, description="images per class, whole numbers >= 1")
    methods: list[str] = Field(min_length=1, description="methods that learn from few-shot draws")
    fuse: Fuse | None = Field(None, description="fused rows")


class Novel(_Protocol):
    """Table 3: a few labelled images per novel class, all labels of the other classes."""

    levels: list[Count] = Field(min_length=1, description="images per novel class, whole numbers >= 1")
    methods: list[str] = Field(min_length=1, description="methods that learn novel classes")
    zero_shot: list[str] = Field([], description="methods of Table 1, measured on the novel classes")
    classes: Count | list[str] = Field(description="the novel classes by name, or how many to draw by LaSO's rule")


class Variation(_Part):
    """A row: one method, changed."""

    title: str | None = Field(None, description="what the table shows; null: the method's title")
    method: str = Field(description="a method")
    set: dict[str, Any] = Field({}, description="settings that differ from the base run's")
    use: UseInstead = Field(UseInstead(), description="models or captions that differ from those of `use`")
    scores: Literal["own", "sparc"] = Field("own", description="'sparc': standardised as SPARC does")
    labels: Percent | None = Field(None, description="percent of known labels, for a method of `partial`")
    group: str = Field("", description="heading that rows of one group stand under")
    against: list[str] = Field([], description="rows of the same table whose difference to this one is shown")
    paper: Annotated[list[str], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[method, setting] of the paper's value in resources/paper_results.csv"
    )
    in_paper: bool = Field(True, description="false: marked as not in the paper")


class Ablation(_Part):
    """A table of rows that differ from a base run in a setting, a model or the captions."""

    title: str = Field(description="heading of the table")
    datasets: list[str] | None = DATASETS
    rows: dict[Name, Variation] = Field(min_length=1, description="rows by name")
    notes: list[str] = Field([], description="sentences below the table")


class Machine(_Part):
    """What `snakemake plan` reckons with."""

    gpu: str | None = Field(None, description="a kind of GPU that resources/unit_costs.yaml knows; null: CPU alone")
    gpus: Count = Field(1, description="number of these GPUs, a whole number >= 1")
    cores: Count = Field(2, description="CPU cores, a whole number >= 1")


class Search(_Part):
    """The grid of settings of a label-trained method that `snakemake search` tries on validation images."""

    level: Count = Field(description="label share (percent) or shots at which it searches")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(min_length=1, description="values by setting")


class Config(_Part):
    """The whole of config.yaml."""

    name: Name = Field(description="outputs go to {results_dir}/{name}/")
    results_dir: Annotated[str, Field(min_length=1, pattern=r"^[^{}<>]+$")] = Field(
        "results", description="folder of all outputs, a path without braces or angle brackets"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of every draw but training, >= 0")
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        [1, 2, 3], description="training seeds, at least one"
    )
    data_dir: str = Field("data", description="folder that relative data paths start from")
    pools: dict[Name, Pool] = Field(min_length=1, description="caption pools by name")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="data sets by name")
    text_to_image: dict[Name, TextToImage] = Field(description="text-to-image models by name")
    clip: dict[Name, Clip] = Field(min_length=1, description="CLIP models by name")
    use: Use = Field(description="the models that runs use")
    methods: list[str] = Field(min_length=1, description="methods of t2ipal/methods/, or dotted paths of your own")
    extra: dict[Name, Variation] = Field({}, description="further rows of Table 1 by name")
    partial: Partial | None = Field(None, description="Table 2")
    novel: Novel | None = Field(None, description="Table 3")
    few_shot: FewShot | None = Field(None, description="Table 4")
    training: dict[str, Any] = Field({}, description="settings shared by all methods that train")
    settings: dict[str, dict[str, Any]] = Field({}, description="settings of one method each")
    ablations: dict[Name, Ablation] = Field({}, description="tables of variations by name")
    sweeps: dict[Name, Sweep] = Field({}, description="figures of one setting each, by name")
    search: dict[str, Search] = Field({}, description="grids of settings by label-trained method")
    search_seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(
        [101], description="seeds of searches: none of those of the runs"
    )
    bootstrap: Annotated[int, Field(ge=100)] = Field(500, description="resamples of the test images, >= 100")
    machine: Machine = Field(Machine(), description="what `snakemake plan` reckons with; nothing else reads it")


def load_config(data: Mapping[str, Any]) -> Config:
    """Validate a config mapping.

    An entry of a named table that an overlay set to null is dropped; numbers such as 1e-4, which YAML 1.1 reads as
    text, are numbers.

    Raises:
        UserError: one line that names the key, what was found and what was expected.
    """
    data = {key: _without_dropped(value) if key in NAMED_TABLES else value for key, value in _numbers(data).items()}
    for ablation in (data.get("ablations") or {}).values():
        if isinstance(ablation, dict) and "rows" in ablation:
            ablation["rows"] = _without_dropped(ablation["rows"])
    if isinstance(data.get("machine"), Mapping):
        data["machine"] = {key: _from_command_line(value) for key, value in data["machine"].items()}
    config = validated(Config, data, "")
    _check_references(config)
    return config


def validated(model: type[Model], data: Mapping[str, Any], prefix: str) -> Model:
    """Validate `data` by `model`; `prefix` is the key path that stands before its keys in messages.

    Raises:
        UserError: one line for the first error.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(_explain(error, model, prefix)) from None


def unknown(key: str, found: str, known: Iterable[str], what: str) -> UserError:
    """The error for a name that is not among the `known` ones, with the nearest of them."""
    known = sorted(known)
    near = difflib.get_close_matches(found, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(known)}"
    return UserError(f"config: {key}: unknown {what} {found!r} ({hint})")


def json_schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors: `resources/config.schema.json`."""
    from t2ipal import methods
    from t2ipal.methods.prompt_learning import PromptSettings

    schema = Config.model_json_schema()
    keys = schema["properties"]
    keys["training"] = PromptSettings.model_json_schema() | {"description": keys["training"]["description"]}
    own = {name: methods.get(name).Settings.model_json_schema() for name in methods.names()}
    keys["settings"] = {"description": keys["settings"]["description"], "type": "object", "properties": own}
    for name in NAMED_TABLES[:4]:
        entries = keys[name]["patternProperties"]
        keys[name]["patternProperties"] = {at: {"anyOf": [entry, {"type": "null"}]} for at, entry in entries.items()}
        keys[name]["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _check_references(config: Config) -> None:
    from t2ipal.classes import load_classes

    for name, dataset in config.datasets.items():
        if dataset.pool not in config.pools:
            raise unknown(f"datasets.{name}.pool", dataset.pool, config.pools, "caption pool")
        try:
            classes = load_classes(dataset.classes)
        except UserError as error:
            raise UserError(f"config: datasets.{name}.classes: {error}") from error
        _check_names(f"datasets.{name}.classes", classes.names)
        if dataset.test is None and dataset.photos is None:
            raise UserError(f"config: datasets.{name}.test: missing (expected labelled test images, or photos)")
    if config.name == "zoo":
        raise UserError("config: name: 'zoo' is where the zoo is trained (expected another name)")
    for name in config.pools.keys() & {"test", "train", "validation"}:
        raise UserError(f"config: pools.{name}: {name!r} is a folder of labelled images (expected another name)")
    if config.use.text_to_image not in config.text_to_image:
        raise unknown("use.text_to_image", config.use.text_to_image, config.text_to_image, "text-to-image model")
    if config.use.clip not in config.clip:
        raise unknown("use.clip", config.use.clip, config.clip, "CLIP model")
    if len(set(config.seeds)) < len(config.seeds):
        raise UserError(f"config: seeds: {config.seeds} holds one twice (expected different seeds)")
    if both := set(config.seeds) & set(config.search_seeds):
        raise UserError(f"config: search_seeds: {min(both)} is one of seeds (expected other seeds than the runs')")
    lists = {"methods": config.methods}
    places = {f"sweeps.{name}": sweep.datasets for name, sweep in config.sweeps.items()}
    places |= {f"ablations.{name}": ablation.datasets for name, ablation in config.ablations.items()}
    for protocol in ("partial", "novel", "few_shot"):
        part = getattr(config, protocol)
        if part is not None:
            lists |= {f"{protocol}.methods": part.methods, f"{protocol}.levels": part.levels}
            places[protocol] = part.datasets
    for place, names in places.items():
        for name in names or ():
            if name not in config.datasets:
                raise unknown(f"{place}.datasets", name, config.datasets, "data set")
    _check_methods_of(config)
    for key, values in lists.items():
        if len(set(values)) < len(values):
            raise UserError(f"config: {key}: {values} holds one twice")


def _check_methods_of(config: Config) -> None:
    for dataset, methods in (config.partial.methods_of if config.partial else {}).items():
        if dataset not in config.datasets:
            raise unknown("partial.methods_of", dataset, config.datasets, "data set")
        for method in methods:
            if method not in config.partial.methods:
                raise unknown(f"partial.methods_of.{dataset}", method, config.partial.methods, "method of this table")


def _check_names(key: str, names: Sequence[str]) -> None:
    """CLIP and the noun filter know no capitals: names that differ in them alone are one class twice."""
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(name.lower().split())
        if plain in seen:
            raise UserError(f"config: {key}: {seen[plain]!r} and {name!r} are one name (expected different names)")
        seen[plain] = name


def _without_dropped(value: Any) -> Any:
    """A named table without the entries that an overlay set to null."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


_SCIENTIFIC = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        return float(value)
    return value


def _from_command_line(value: Any) -> Any:
    """What `--config 'machine={gpus: 4}'` means: Snakemake leaves numbers and null in a mapping as text."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() else None if value == "null" else value
    return value


_BOUNDS = {"less_than": ("<", "lt"), "less_than_equal": ("<=", "le"), "greater_than": (">", "gt")}
_BOUNDS["greater_than_equal"] = (">=", "ge")
_TYPES = {"int": "a whole number", "float": "a number", "string": "text", "bool": "true or false", "list": "a list"}
_TYPES |= {"dict": "a mapping", "model": "a mapping", "model_attributes": "a mapping"}


def _explain(error: ValidationError, model: type[BaseModel], prefix: str) -> str:
    first = min(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    kind, found, context = first["type"], first["input"], first.get("ctx", {})
    path, owner, field = _locate(model, first["loc"])
    key = ".".join([prefix, *path] if prefix else path)
    stem = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    expected = f" (expected {field.description})" if field is not None and field.description else ""
    if kind == "extra_forbidden":
        return str(unknown(key.rpartition(".")[0] or "top level", path[-1], owner.model_fields, "key"))
    if kind == "missing":
        return f"config: {key}: missing{expected}"
    if kind == "union_tag_not_found":
        return f"config: {key}.source: missing (expected one of: {_tags(field)})"
    if kind == "union_tag_invalid":
        return f"config: {key}.source: unknown source {context['tag']!r} (expected one of: {context['expected_tags']})"
    if kind in _BOUNDS:
        sign, name = _BOUNDS[kind]
        return f"config: {key}: {found!r} is not {sign} {context[name]:g}{expected}"
    if kind == "literal_error":
        return f"config: {key}: {found!r} is not {context['expected']}"
    if kind == "value_error":
        return f"config: {key}: {found!r}: {context['error']}{expected}"
    if stem in _TYPES:
        return f"config: {key}: {found!r} is not {_TYPES[stem]}{expected}"
    return f"config: {key}: {found!r}: {first['msg'][0].lower()}{first['msg'][1:]}{expected}"


def _locate(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str], type[BaseModel], FieldInfo | None]:
    """Follow a pydantic location through the models: (key path without union tags, last model, its field)."""
    path: list[str] = []
    owner, field, place = model, None, model
    for part in loc:
        options = _options(place)
        tagged = [option for option in options if _is_model(option) and _tag(option) == part]
        if len(options) > 1 and tagged:
            place = tagged[0]
            continue
        place = options[0] if options else Any
        if _is_model(place):
            owner, field = place, place.model_fields.get(str(part))
            place = field.annotation if field else Any
        elif get_origin(place) in (dict, list):
            place = get_args(place)[-1]
        elif place is Any and path and not _is_key(part):
            continue
        path.append(str(part))
    return path, owner, field


def _options(place: Any) -> list[Any]:
    """The alternatives of an annotation, without None."""
    if get_origin(place) is Annotated:
        return _options(get_args(place)[0])
    if get_origin(place) in (Union, types.UnionType):
        return [option for arg in get_args(place) if arg is not type(None) for option in _options(arg)]
    return [place]


def _is_model(place: Any) -> bool:
    return isinstance(place, type) and issubclass(place, BaseModel)


def _is_key(part: str | int) -> bool:
    return isinstance(part, int) or part.isidentifier()


def _tag(model: type[BaseModel]) -> str | None:
    source = model.model_fields.get("source")
    return get_args(source.annotation)[0] if source else None


def _tags(field: FieldInfo | None) -> str:
    options = _options(field.annotation) if field else []
    if len(options) == 1 and get_origin(options[0]) is dict:
        options = _options(get_args(options[0])[1])
    return ", ".join(repr(_tag(option)) for option in options if _is_model(option))


if __name__ == "__main__":
    import json

    print(json.dumps(json_schema(), indent=2))
