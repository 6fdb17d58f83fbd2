"""Lists of caption ids, and pickles that would do harm if they were loaded."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import ID_NOT_FOUND, NOT_IN_IDS, NOT_SAMPLED, Caption, RejectedCaption
from t2ipal.sources.coco.captions import CocoCaptions
from t2ipal.sources.reading.id_list import read_ids

IDS = [829717, 5, 0, 255, 256, 65_535, 65_536, 2**31, 2**40, -3, 591_752]


class Harmful:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("ids", [IDS, [7], list(range(3000))])
def test_a_pickled_list_of_numbers(tmp_path: Path, protocol: int, ids: list[int]) -> None:
    path = tmp_path / "ids.pkl"
    path.write_bytes(pickle.dumps(ids, protocol))
    assert read_ids(path) == ids


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_harmful_pickle_is_an_error_and_does_nothing(tmp_path: Path, protocol: int) -> None:
    path, made = tmp_path / "ids.pkl", tmp_path / "made"
    for content in (Harmful(made), [1, 2, Harmful(made)], [Harmful(made)]):
        path.write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(UserError, match=r"ids.pkl: pickle with instruction \w+; expected a list of whole numbers"):
            read_ids(path)
        assert not made.exists()
    pickle.loads(path.read_bytes())  # it is harmful indeed
    assert made.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("content", [
    ["1"], [1.5], [True], [None], [1, [2]], {1: 2}, "text", b"1", 7, np.arange(3), [np.int64(3)],
], ids=str)  # fmt: skip
def test_a_pickle_of_anything_else(tmp_path: Path, content: object, protocol: int) -> None:
    path = tmp_path / "ids.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(UserError, match="expected a list of whole numbers") as error:
        read_ids(path)
    assert "\n" not in str(error.value)


def test_every_cut_of_a_pickle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ids.pkl"
    for protocol in (0, 2, 4):
        whole = pickle.dumps(IDS, protocol)
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(UserError):
                read_ids(path)


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbf5\r\n\r\n9\r\n")
    (tmp_path / "ids.json").write_text("[5, 9]")
    np.save(tmp_path / "ids.npy", np.array([5, 9], np.int32))
    for suffix in ("txt", "json", "npy"):
        assert read_ids(tmp_path / f"ids.{suffix}") == [5, 9]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.txt", b"5\nsix\n", "line 2: found 'six'"),
    ("a.txt", b"1_0\n", "line 1: found '1_0'"),
    ("a.txt", b"\xff\xfe5", "expected a list of whole numbers"),
    ("a.txt", b"", "no id; expected at least one"),
    ("a.txt", b"5\n6\n5\n", "1 ids occur more than once"),
    ("a.json", b"[5, true]", "found 'True'"),
    ("a.json", b"[5", "expected a list of whole numbers"),
    ("a.json", b'{"a": 5}', "found a dict"),
    ("a.npy", b"\x93NUMPY", "expected a list of whole numbers"),
    ("a.npy", pickle.dumps([1, 2]), "expected a list of whole numbers"),
    ("a.csv", b"5", "found '.csv'; expected .pkl"),
])  # fmt: skip
def test_malformed_lists(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_ids(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_an_array_of_objects_or_of_two_dimensions(tmp_path: Path) -> None:
    path, made = tmp_path / "ids.npy", tmp_path / "made"
    for array in (np.array([Harmful(made)]), np.ones((2, 2), int), np.array([1.0])):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(UserError, match="expected a list of whole numbers"):
            read_ids(path)
    assert not made.exists()


def test_ids_choose_captions_of_coco(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    rows = [{"id": number, "image_id": 7 + number % 2, "caption": f"A dog {number}"} for number in range(6)]
    content = {"images": [{"id": 7, "file_name": "a"}, {"id": 8, "file_name": "b"}], "annotations": rows}
    (tmp_path / "annotations/captions_train2014.json").write_text(json.dumps(content))
    listing = tmp_path / "ids.json"

    def read(wanted: list[int], captions: str, seed: int = 0) -> list[Caption | RejectedCaption]:
        listing.write_text(json.dumps(wanted))
        settings = {"root": str(tmp_path), "splits": ["train2014"], "ids": str(listing)}
        return list(CocoCaptions(source="coco", captions=captions, **settings).rows(seed))

    for wanted, kept in (([4, 1], {"1", "4"}), ([0, 2, 4], {"0", "2", "4"}), ([3, 99], {"3"})):
        found = read(wanted, "all")
        assert {row.caption_id[-1] for row in found if isinstance(row, Caption)} == kept
        reasons = {int(row.caption_id): row.reason for row in found if isinstance(row, RejectedCaption)}
        expected = {number: NOT_IN_IDS for number in range(6) if number not in wanted}
        assert reasons == expected | ({99: ID_NOT_FOUND} if 99 in wanted else {})
    # one of those listed for each image: never one that is not listed
    for seed in range(5):
        found = read([0, 2, 1], "one", seed)
        kept = [int(row.caption_id) for row in found if isinstance(row, Caption)]
        assert 1 in kept
        assert len(kept) == 2
        assert sum(row.reason == NOT_SAMPLED for row in found if isinstance(row, RejectedCaption)) == 1
