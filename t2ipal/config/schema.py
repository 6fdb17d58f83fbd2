"""The models of config.yaml: its keys and their values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from t2ipal.features.fields import Store
from t2ipal.images.settings import GenerationSettings
from t2ipal.metrics.combinations import RuleName
from t2ipal.metrics.registry import DEFAULT
from t2ipal.names import LONGEST, shown, title
from t2ipal.sources.folder import FolderImages
from t2ipal.sources.registry import CAPTION_SOURCES, IMAGE_SOURCES, union_of
from t2ipal.user_paths import HomePath, ModelPath
from t2ipal.validation import Count, DataPath, Name, Part, Percent, Seed

SAMPLES = 1000
"""The most images per caption: each is a job per shard."""
NAMED_TABLES = ("pools", "datasets", "text_to_image", "clip", "settings", "sweeps", "extra", "ablations", "search")

Title = Annotated[str, Field(max_length=LONGEST), AfterValidator(title)]
"""A name that tables, figures and pages show."""
Shown = Annotated[str, AfterValidator(shown)]
"""Other text that they show; it may be empty."""

Captions = union_of(CAPTION_SOURCES)
Images = union_of(IMAGE_SOURCES)


class Photos(Part):
    """Photos without labels, to be predicted."""

    source: Literal["folder"] = Field("folder", description="a folder of photos, and those below it")
    path: DataPath = Field(description="the folder, relative to data_dir")
    top: Count = Field(5, description="labels shown per photo, a whole number >= 1")

    @property
    def images(self) -> FolderImages:
        """The folder as a source of images."""
        return FolderImages(source=self.source, path=self.path)


class Dataset(Part):
    """Classes to recognise, captions to learn from, images to be tested on."""

    title: Title = Field(description="the name that tables show")
    classes: ModelPath = Field(description="a class list of resources/classes/ by name, or a path to one")
    pool: str = Field(description="a key of pools")
    filter: Literal["default", "tai_dpt"] = Field("default", description="noun filter: 'default' or 'tai_dpt'")
    words: Count | None = Field(None, description="words of a caption that the noun filter reads; null: all")
    cap: Count | None = Field(None, description="captions per class, counted at their rarest class; null: no limit")
    train: Images | None = Field(None, description="labelled training images, for methods that use them")
    validation: Images | None = Field(None, description="labelled images for thresholds and searches, never for tests")
    test: Images | None = Field(None, description="labelled test images; null: no metrics, and `photos` instead")
    photos: Photos | None = Field(None, description="photos without labels, to be predicted")
    paper: Literal["VOC2007", "COCO2014", "NUSWIDE"] | None = Field(
        None, description="the paper's data set whose values are shown next to ours"
    )
    settings: dict[str, dict[str, Any]] = Field({}, description="settings of methods that differ on this data set")


class TextToImage(GenerationSettings):
    """A text-to-image model, its generation settings, and the number of images."""

    samples: Annotated[int, Field(ge=1, le=SAMPLES)] = Field(
        description=f"images per caption, a whole number from 1 to {SAMPLES} (the paper: 6)"
    )


class BackboneConfig(Part):
    """A backbone and how it sees images."""

    model: ModelPath = Field(
        description="a .safetensors or .pt file, or an OpenAI model name such as RN101; 'kind:' in front names another"
    )
    image_size: Annotated[int, Field(ge=8, le=2048)] = Field(
        description="pixels, a multiple of the model's patch, 8 to 2048"
    )
    crop: Literal["center", "squash"] = Field("center", description="'center' crop or 'squash'")
    batch: Count = Field(256, description="images encoded together, a whole number >= 1")
    store: Store = Field("float16", description="bits of the stored features: float16, or int8 for half the disk")


class Use(Part):
    """Which of the named models the runs use."""

    text_to_image: str = Field(description="a key of text_to_image")
    clip: str = Field(description="a key of clip")


DATASETS = Field(None, min_length=1, description="keys of datasets that it is made for; null: all")


class Sweep(Part):
    """One setting of one method, varied around the base run."""

    datasets: list[str] | None = DATASETS
    method: str = Field(description="one of methods")
    key: str = Field(description="a setting of the method, or samples: images per caption")
    values: list[float | int | str | bool] = Field(min_length=2, description="at least two values")
    above: list[Annotated[list[float | int | str], Field(min_length=2, max_length=2)]] = Field(
        [], description="the paper's claims: pairs of a value and what it is above, a value or one of methods"
    )


class Fuse(Part):
    """Late fusion of a label-trained method's scores with those of methods trained without labels."""

    base: str = Field(description="one of the methods above")
    partners: list[str] = Field(min_length=1, description="methods of Table 1")
    weight: Annotated[float, Field(ge=0, le=1)] = Field(description="share of the base's score, 0 to 1")
    norm: Literal["global_minmax", "per_class_minmax", "zscore"] = Field(
        "global_minmax", description="how both scores are brought to one scale"
    )


class UseInstead(Part):
    """Other models or captions than those of `use`, for one row."""

    text_to_image: str | None = Field(None, description="a key of text_to_image")
    clip: str | None = Field(None, description="a key of clip")
    samples: Count | None = Field(None, description="images per caption, at most those of the text-to-image model")
    pool: str | None = Field(None, description="a key of pools, labelled by the data set's classes")


class _Protocol(Part):
    """What the tables of methods that learn from labels have."""

    datasets: list[str] | None = DATASETS
    use: UseInstead = Field(UseInstead(), description="models that differ from those of `use`, for its methods")


class Partial(_Protocol):
    """Table 2: a share of the labels is known."""

    masks: Literal["sarb", "tai_dpt"] = Field(
        "sarb", description="whose masks of known labels: SARB's, or TaI-DPT's; VOC2007's are the same"
    )
    levels: list[Percent] = Field(min_length=1, description="percent of known labels, whole numbers from 1 to 100")
    methods: list[str] = Field(min_length=1, description="methods that learn from labels")
    methods_of: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {}, description="data sets that have some of the methods alone"
    )
    fuse: Fuse | None = Field(None, description="fused rows")


class FewShot(_Protocol):
    """Table 4: a few labelled images per class, all classes being novel."""

    levels: list[Count] = Field(min_length=1, description="images per class, whole numbers >= 1")
    methods: list[str] = Field(min_length=1, description="methods that learn from few-shot samples")
    fuse: Fuse | None = Field(None, description="fused rows")


class Novel(_Protocol):
    """Table 3: a few labelled images per novel class, all labels of the other classes."""

    levels: list[Count] = Field(min_length=1, description="images per novel class, whole numbers >= 1")
    methods: list[str] = Field(min_length=1, description="methods that learn novel classes")
    zero_shot: list[str] = Field([], description="methods of Table 1, measured on the novel classes")
    classes: Count | Annotated[list[str], Field(min_length=1)] = Field(
        description="the novel classes by name, or how many to sample by LaSO's rule"
    )


class Variation(Part):
    """A row: one method, changed."""

    title: Title | None = Field(None, description="what the table shows; null: the method's title")
    method: str = Field(description="a method")
    set: dict[str, Any] = Field({}, description="settings that differ from the base run's")
    use: UseInstead = Field(UseInstead(), description="models or captions that differ from those of `use`")
    scores: Literal["own", RuleName] = Field(
        "own", description="'own', or a score rule: 'mean', 'softmax', 'cells' or 'sparc' (docs/score_rules.md)"
    )
    score_scale: Annotated[float, Field(gt=0)] | None = Field(
        None, description="factor before the softmax of scores: softmax and cells; null: by rule"
    )
    labels: Percent | None = Field(None, description="percent of known labels, for a method of `partial`")
    group: Shown = Field("", description="heading above the rows of one group")
    against: list[str] = Field([], description="rows of the same table whose difference to this one is shown")
    paper: Annotated[list[str], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[method, setting] of the paper's value in resources/paper_results.csv"
    )
    in_paper: bool = Field(True, description="false: marked as not in the paper")


class Ablation(Part):
    """A table of rows that differ from a base run in a setting, a model or the captions."""

    title: Title = Field(description="heading of the table")
    datasets: list[str] | None = DATASETS
    rows: dict[Name, Variation] = Field(min_length=1, description="rows by name")
    metrics: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="the metrics that it shows; null: those of all tables"
    )
    notes: list[Shown] = Field([], description="sentences below the table")


class Machine(Part):
    """The machine of the estimates of `snakemake plan`."""

    gpu: str | None = Field(None, description="a GPU kind of resources/unit_costs.yaml; null: CPU alone")
    gpus: Count = Field(1, description="number of these GPUs, a whole number >= 1")
    cores: Count = Field(2, description="CPU cores, a whole number >= 1")


class Search(Part):
    """The grid of settings of a label-trained method that `snakemake search` tries on validation images."""

    level: Count = Field(description="label share (percent) or shots at which it searches")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(min_length=1, description="values by setting")


class Config(Part):
    """The whole of config.yaml."""

    name: Name = Field(description="outputs go to {results_dir}/{name}/")
    results_dir: Annotated[str, Field(min_length=1, pattern=r"^[^{}<>\x00-\x1f\x7f]+$")] = Field(
        "results", description="folder of all outputs, a path without braces, angle brackets or line ends"
    )
    seed: Seed = Field(0, description="seed of all random choices but training, 0 to 2**63 - 1")
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(
        [1, 2, 3], description="training seeds, at least one, 0 to 2**63 - 1"
    )
    variation_seeds: Count | None = Field(
        None,
        description="seeds of sweeps and ablations, the first so many, a whole number >= 1; null: all",
    )
    data_dir: HomePath = Field("data", description="folder that relative data paths start from")
    pools: dict[Name, Captions] = Field(min_length=1, description="caption pools by name")
    datasets: dict[Name, Dataset] = Field(min_length=1, description="data sets by name")
    text_to_image: dict[Name, TextToImage] = Field(description="text-to-image models by name")
    clip: dict[Name, BackboneConfig] = Field(min_length=1, description="CLIP models by name")
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
    search_seeds: Annotated[list[Seed], Field(min_length=1)] = Field(
        [101], description="seeds of searches: none of those of the runs, 0 to 2**63 - 1"
    )
    metric: str = Field(DEFAULT, description="the metric of tables, figures and claims")
    table_metrics: list[str] = Field([], description="further metrics that tables show")
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        500, description="resamples of the test images, 100 to 1,000,000"
    )
    machine: Machine = Field(
        Machine(), description="the machine of the estimates of `snakemake plan`; nothing else reads it"
    )
