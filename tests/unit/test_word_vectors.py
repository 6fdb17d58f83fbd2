"""The reader of word vectors."""

import logging
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.models.word_vectors import read_word_vectors


def write(folder: Path, text: str) -> Path:
    path = folder / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_means_of_their_words(tmp_path: Path) -> None:
    path = write(tmp_path, "the 9 9\ntv 1 2\nhair 1e0 0\ndrier 3 -1\n. . . 5 5\ndog 0.5 -0.5\ndog 7 7\n")
    found = read_word_vectors(path, ["Dog", "hair drier", "TV", "hair-drier", "hair_drier"])
    assert found.dtype == "float32"
    assert found.tolist() == [[0.5, -0.5], [2, -0.5], [1, 2], [2, -0.5], [2, -0.5]]


def test_a_missing_word_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "potted 1 2\ndog 3 4\n")
    with caplog.at_level(logging.WARNING):
        assert read_word_vectors(path, ["potted pottedplant", "dog"]).tolist() == [[1, 2], [3, 4]]
    assert "no vector for pottedplant: class 'potted pottedplant'" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog 1 2\n", r"vectors.txt: no vector for class 'cat'; expected a line for cat$"),
        ("dog 1 2\ncat 1 2 3\n", r"vectors.txt: line 2, 'cat': 3 fields; expected 2 numbers as in the lines before$"),
        ("dog 1 2\ncat one two\n", r"line 2, 'cat': 2 fields; expected 2 numbers"),
        ("dog\n", r"no vector for class 'dog'"),
        ("dog \n", r"line 1, 'dog': 0 fields; expected a word and its numbers$"),
        ("dog nan 1\n", r"line 1, 'dog': 2 fields"),
        ("", r"no vector for class 'dog'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        read_word_vectors(write(tmp_path, text), ["dog", "cat"])
    assert "\n" not in str(error.value)


def test_a_name_without_any_of_its_words_names_them_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no vector for class 'hair drier'; expected a line for hair or drier$"):
        read_word_vectors(write(tmp_path, "dog 1 2\n"), ["hair drier"])


def test_no_file_a_folder_and_a_binary_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"glove.txt: no such file of word vectors"):
        read_word_vectors(tmp_path / "glove.txt", ["dog"])
    with pytest.raises(UserError, match="a folder; expected a text file of word vectors"):
        read_word_vectors(tmp_path, ["dog"])
    binary = tmp_path / "vectors.npy"
    binary.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UserError, match=r"vectors.npy: no vector for class 'dog'"):
        read_word_vectors(binary, ["dog"])
