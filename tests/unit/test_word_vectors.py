"""Reading class vectors from a file such as GloVe's."""

import logging
from pathlib import Path

import numpy as np
import pytest

from t2ipal.errors import UserError
from t2ipal.word_vectors import read_word_vectors

TEXT = """the 1 2 3
potted 1.0 0 -2
dog 0.5 0.25 1e-1
plant 3 2 0
hot 7 7 7
"""


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_name_of_several_words_has_their_mean(glove: Path) -> None:
    found = read_word_vectors(glove, ["Potted plant", "dog", "potted-plant", "hot_dog", "dog"])
    assert found.dtype == np.float32
    plant, dog = [2, 1, -1], [0.5, 0.25, 0.1]
    np.testing.assert_allclose(found, [plant, dog, plant, [3.75, 3.625, 3.55], dog], rtol=1e-6)


def test_a_word_of_several_may_be_missing(glove: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_word_vectors(glove, ["hot air balloon"]).tolist() == [[7, 7, 7]]
    assert "no vector for air, balloon: class 'hot air balloon'" in caplog.text


@pytest.mark.parametrize("name", ["zebra", "fire hydrant", ""])
def test_a_name_without_a_vector_is_an_error_of_one_line(glove: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"glove.txt: no vector for class {name!r}; expected a line for") as error:
        read_word_vectors(glove, ["dog", name])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("cat 1 2", "2 fields behind it, 2 of them numbers; expected 3 numbers as in the lines before"),
        ("cat 1 2 3 4", "4 fields behind it, 4 of them numbers; expected 3 numbers"),
        ("cat 1 x 3", "3 fields behind it, 2 of them numbers; expected 3 numbers"),
        ("cat 1 nan 3", "3 fields behind it, 2 of them numbers; expected 3 numbers"),
        ("cat", "0 fields behind it, 0 of them numbers; expected 3 numbers"),
    ],
)
def test_a_damaged_line_is_named(glove: Path, line: str, what: str) -> None:
    glove.write_text(TEXT + line + "\n")
    # a damaged line of a word that nobody asks for is not read
    assert read_word_vectors(glove, ["dog"]).shape == (1, 3)
    with pytest.raises(UserError, match=f"line 6, 'cat': {what}") as error:
        read_word_vectors(glove, ["dog", "cat"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["cat 1 nan 3", "cat 1 x 3", "cat"])
def test_a_damaged_first_line_says_what_a_line_is(tmp_path: Path, line: str) -> None:
    path = tmp_path / "own.txt"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=r"line 1, 'cat': .* of them numbers; expected a word and its numbers"):
        read_word_vectors(path, ["cat"])


def test_the_first_line_of_a_word_counts_and_a_header_is_skipped(glove: Path) -> None:
    glove.write_text("5 3\n" + TEXT + "dog 9 9 9\n")
    np.testing.assert_allclose(read_word_vectors(glove, ["dog", "the", "zebra dog"])[0], [0.5, 0.25, 0.1], rtol=1e-6)


def test_other_bytes_than_text_do_no_harm(glove: Path) -> None:
    glove.write_bytes(b"caf\xe9 1 2 3\n" + TEXT.encode())
    assert read_word_vectors(glove, ["hot"]).tolist() == [[7, 7, 7]]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.txt: no such file of word vectors"):
        read_word_vectors(tmp_path / "none.txt", ["dog"])
    with pytest.raises(UserError, match="a folder; expected a text file of word vectors"):
        read_word_vectors(tmp_path, ["dog"])
