"""CIFAR, `.npz` files and folders of images: written by the tests, read back, damaged, complained about."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import warnings
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ressearch.data import UNDERSTOOD, Part, load_search_data, load_test_data
from ressearch.data import cifar as cifar_module
from ressearch.data.cifar import CIFARS, OFFICIAL, PIXELS, Cifar, Official
from ressearch.errors import DataError
from tests.test_data import complaint, pairs
from tests.test_data import write as write_idx

PYTHON_10, PYTHON_100, BINARY_10, BINARY_100 = CIFARS
AGAIN = "\n  = help: fetch the file again"

Content = tuple[np.ndarray[Any, np.dtype[np.uint8]], list[int]]


def content(seed: int, count: int, classes: int) -> Content:
    """Random images in rows and their labels, all different."""
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, PIXELS), np.uint8), [int(n) for n in random.integers(0, classes, count)]


def python2(value: object) -> bytes:
    """A value as Python 2.7 pickles it by protocol 2, in which CIFAR's files are written."""
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(part) for pair in value.items() for part in pair) + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, str):
        return b"U" + bytes((len(value),)) + value.encode()
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    assert isinstance(value, np.ndarray)
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"".join(map(python2, value.shape)) + b"\x86"
    raw = b"T" + struct.pack("<i", value.size) + value.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        + shape + kind + b"\x89" + raw + b"tb"
    )  # fmt: skip


def official_form(record: dict[str, object]) -> bytes:
    return b"\x80\x02" + python2(record) + b"."


def by_protocol(protocol: int) -> Callable[[dict[str, object]], bytes]:
    return lambda record: pickle.dumps(record, protocol)


def pickled(kind: Cifar, rows: np.ndarray[Any, Any], labels: list[int]) -> dict[str, object]:
    """What a file of the python version holds."""
    names = [f"image_{n}.png" for n in range(len(labels))]
    record: dict[str, object] = {"batch_label": "batch 1 of 5", str(kind.labels): labels, "data": rows}
    coarse = {"coarse_labels": [label // 5 for label in labels]} if kind.classes == 100 else {}
    return record | coarse | {"filenames": names}


def binary(kind: Cifar, rows: np.ndarray[Any, Any], labels: list[int]) -> bytes:
    """A file of the binary version."""
    before = [bytes((label,)) if kind.labels == 1 else bytes((label // 5, label)) for label in labels]
    return b"".join(label + row.tobytes() for label, row in zip(before, rows, strict=True))


def write(
    directory: Path, kind: Cifar, count: int = 6, form: Callable[[dict[str, object]], bytes] = official_form
) -> Path:
    """All files of a layout, `count` images each; the files of both layouts of a kind hold the same images."""
    directory.mkdir(exist_ok=True, parents=True)
    for seed, name in enumerate((*kind.train, kind.test)):
        rows, labels = content(seed, count, kind.classes)
        raw = form(pickled(kind, rows, labels)) if isinstance(kind.labels, str) else binary(kind, rows, labels)
        (directory / name).write_bytes(raw)
    return directory


def kinds(*chosen: Cifar) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", chosen, ids=lambda kind: kind.folder)


# CIFAR


@kinds(*CIFARS)
def test_cifar_is_read_as_it_was_written(tmp_path: Path, kind: Cifar) -> None:
    source = str(write(tmp_path / "mine", kind, count=20))
    data, test = load_search_data(source), load_test_data(source)
    files = len(kind.train)
    assert (data.name, data.image_shape, data.classes) == ("mine", (3, 32, 32), kind.classes)
    assert (len(data.train), len(data.validation), len(test)) == (16 * files, 4 * files, 20)
    written = [content(seed, 20, kind.classes) for seed in range(files + 1)]
    listed = [[(row.tobytes(), label) for row, label in zip(*part, strict=True)] for part in written]
    assert sorted(pairs(data.train) + pairs(data.validation)) == sorted(pair for part in listed[:-1] for pair in part)
    assert pairs(test) == listed[-1]
    assert torch.equal(test.images[3, 1, 2], torch.from_numpy(written[-1][0][3, 1024 + 64 : 1024 + 96]))  # green, row 2


@pytest.mark.parametrize(("python", "binary_kind"), [(PYTHON_10, BINARY_10), (PYTHON_100, BINARY_100)])
def test_both_layouts_of_the_same_images_are_the_same_data(tmp_path: Path, python: Cifar, binary_kind: Cifar) -> None:
    one, other = str(write(tmp_path / "python", python)), str(write(tmp_path / "binary", binary_kind))
    assert load_search_data(one).checksum == load_search_data(other).checksum
    assert pairs(load_test_data(one)) == pairs(load_test_data(other))
    assert torch.equal(load_search_data(one).train.images, load_search_data(other).train.images)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_files_that_python_3_wrote_are_read_too(tmp_path: Path, protocol: int) -> None:
    theirs = write(tmp_path / "theirs", PYTHON_100)
    ours = write(tmp_path / "ours", PYTHON_100, form=by_protocol(protocol))
    assert load_search_data(str(ours)).checksum == load_search_data(str(theirs)).checksum


def test_the_restricted_reader_agrees_with_numpy(tmp_path: Path) -> None:
    file = write(tmp_path, PYTHON_10) / "test_batch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer numpy dislikes how older numpy wrote a dtype
        record = pickle.loads(file.read_bytes(), encoding="bytes")
    part = load_test_data(str(tmp_path))
    assert np.array_equal(part.images.numpy().reshape(-1, PIXELS), record[b"data"])
    assert part.labels.tolist() == record[b"labels"]


def test_rows_that_lie_by_column_are_put_right(tmp_path: Path) -> None:
    write(tmp_path, PYTHON_100)
    rows, labels = content(1, 6, 100)
    stored = pickle.dumps(pickled(PYTHON_100, np.asfortranarray(rows), labels), 2)
    (tmp_path / "test").write_bytes(stored)
    assert torch.equal(load_test_data(str(tmp_path)).images, torch.from_numpy(rows).reshape(-1, 3, 32, 32))


@kinds(*CIFARS)
def test_the_directory_around_it_may_be_given(tmp_path: Path, kind: Cifar) -> None:
    inner = write(tmp_path / kind.folder, kind)
    (tmp_path / "notes.txt").write_text("mine")
    assert load_search_data(str(tmp_path)).checksum == load_search_data(str(inner)).checksum


def test_two_data_sets_in_one_directory(tmp_path: Path) -> None:
    write(tmp_path / BINARY_10.folder, BINARY_10)
    write(tmp_path / PYTHON_100.folder, PYTHON_100)
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} holds more than one data set: cifar-100-python, cifar-10-batches-bin\n"
        "  = help: give a directory that holds one"
    )


@kinds(*CIFARS)
def test_a_missing_cifar_file(tmp_path: Path, kind: Cifar) -> None:
    (write(tmp_path, kind) / kind.test).unlink()
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} does not hold it: {kind.test} is missing\n"
        f"  = help: {kind.folder} holds {', '.join((*kind.train, kind.test))}"
    )


@kinds(*CIFARS)
def test_a_label_out_of_range(tmp_path: Path, kind: Cifar) -> None:
    write(tmp_path, kind)
    rows, labels = content(0, 6, kind.classes)
    labels[4] = kind.classes
    python = isinstance(kind.labels, str)
    raw = official_form(pickled(kind, rows, labels)) if python else binary(kind, rows, labels)
    (tmp_path / kind.train[0]).write_bytes(raw)
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path / kind.train[0]}: image 4 has label {kind.classes}; "
        f"labels are from 0 to {kind.classes - 1}"
    )


# CIFAR, binary version


@pytest.mark.parametrize(("kind", "length"), [(BINARY_10, 3_073), (BINARY_100, 3_074)])
@pytest.mark.parametrize("change", [-1, -3_000, 5])
def test_a_truncated_binary_file(tmp_path: Path, kind: Cifar, length: int, change: int) -> None:
    file = write(tmp_path, kind) / kind.test
    raw = file.read_bytes()
    file.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    records = 6 if change < 0 else 7
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: truncated or damaged: {records} records of {length:,} bytes are {records * length:,} "
        f"bytes, it holds {6 * length + change:,}{AGAIN}"
    )


def test_an_empty_binary_file(tmp_path: Path) -> None:
    (write(tmp_path, BINARY_10) / "test_batch.bin").write_bytes(b"")
    assert complaint(tmp_path) == f"error[E400]: {tmp_path / 'test_batch.bin'}: holds no data"


# CIFAR, python version


def test_a_truncated_pickle(tmp_path: Path) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_3"
    raw = file.read_bytes()
    file.write_bytes(raw[:10_000])
    found = 10_000 - raw.index(b"T" + struct.pack("<i", 6 * PIXELS)) - 5
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: truncated or damaged: its 10,000 bytes are not a whole pickle: "
        f"expected 18432 bytes in a string4, but only {found} remain{AGAIN}"
    )


def test_an_array_that_holds_less_than_it_says(tmp_path: Path) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_1"
    file.write_bytes(file.read_bytes().replace(python2(6) + python2(PIXELS), python2(9) + python2(PIXELS)))
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: truncated or damaged: 9 images are 27,648 bytes, it holds 18,432{AGAIN}"
    )


ROWS, LABELS = content(0, 3, 10)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2], "not a CIFAR file: holds no dictionary"),
        ({"labels": LABELS}, "not a CIFAR file: it has no 'data'"),
        ({"data": ROWS}, "not a CIFAR file: it has no 'labels'"),
        ({"data": ROWS, "labels": LABELS[:2]}, "holds 2 labels for 3 images"),
        ({"data": ROWS, "labels": ["cat"] * 3}, "not a CIFAR file: 'labels' is no list of small integers"),
        ({"data": ROWS, "labels": [True] * 3}, "not a CIFAR file: 'labels' is no list of small integers"),
        ({"data": ROWS, "labels": [2**70] * 3}, "not a CIFAR file: 'labels' is no list of small integers"),
        ({"data": ROWS, "labels": [0, -1, 0]}, "image 1 has label -1; labels are from 0 to 9"),
        ({"data": ROWS[:, :-1], "labels": LABELS}, "'data' is 3 x 3,071, it should have rows of 3,072"),
        ({"data": ROWS[:0], "labels": []}, "'data' is 0 x 3,072, it should have rows of 3,072"),
        (
            {"data": ROWS.astype(np.int16), "labels": LABELS},
            "not a CIFAR file: 'data' is no array of bytes with two dimensions",
        ),
        ({"data": ROWS[0], "labels": LABELS}, "not a CIFAR file: 'data' is no array of bytes with two dimensions"),
        ({"data": "pixels", "labels": LABELS}, "not a CIFAR file: 'data' is no array of bytes with two dimensions"),
    ],
)
def test_a_pickle_of_something_else(tmp_path: Path, value: object, reason: str) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_1"
    file.write_bytes(pickle.dumps(value, 3))
    assert complaint(tmp_path) == f"error[E400]: {file}: {reason}"


class Harmful:
    """Runs a function when an ordinary reader loads it."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_harmful_pickle_is_refused_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    raw = pickle.dumps({"data": Harmful(os.system, f"touch {trace}"), "labels": [0]}, protocol)
    file = write(tmp_path / "data", PYTHON_10) / "test_batch"
    file.write_bytes(raw)
    for load in (load_search_data, load_test_data):
        assert complaint(file.parent, load) == (
            f"error[E400]: {file}: refused, nothing in it was run: it names '{os.name}.system', which no CIFAR file "
            "does\n  = help: fetch the file again, from a source that you trust"
        )
    assert not trace.exists()
    pickle.loads(raw)  # the same pickle, read without care
    assert trace.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Harmful(eval, "1"), "builtins.eval"),
        (Harmful(getattr, "", "join"), "builtins.getattr"),
        (np.int64(3), "numpy._core.multiarray.scalar"),
        (Path("x"), "pathlib.PosixPath"),
        (np.load, "numpy.load"),
    ],
)
def test_no_other_name_is_permitted(tmp_path: Path, value: object, name: str) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_1"
    file.write_bytes(pickle.dumps(value, 4))
    assert f"refused, nothing in it was run: it names {name!r}, which" in complaint(tmp_path)


@pytest.mark.parametrize(
    "raw",
    [
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00zip\x86R.",  # another codec
        b"cnumpy\nndarray\n}U\x01xK\x01sb.",  # attributes for the stand-ins
        b"c_codecs\nencode\nN}U\x01xK\x01s\x86b.",
        b"cnumpy\ndtype\n)R.",
        b"}r\xff\xff\xff\xff.",  # a table of four thousand million values
        b"p99999999999999\n.",
        b"\x80\x02P1\n.",  # a persistent id
        b"",
        b".",
        b"<html>404 Not Found</html>",
    ],
)
def test_a_crooked_pickle_is_damaged(tmp_path: Path, raw: bytes) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_1"
    file.write_bytes(raw)
    told = complaint(tmp_path)
    assert told.startswith(f"error[E400]: {file}: ")
    assert "truncated or damaged: its" in told or "not a CIFAR file: holds no dictionary" in told
    load_test_data(str(write(tmp_path / "after", PYTHON_10)))  # the reader is as it was


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fuzzed"), PYTHON_100, count=2)


@given(at=st.floats(0, 1, exclude_max=True), change=st.binary(max_size=6), cut=st.booleans())
def test_no_pickle_raises_anything_but_a_data_error(fuzzed: Path, at: float, change: bytes, cut: bool) -> None:
    file = fuzzed / "test"
    before = file.read_bytes()
    frame = before.replace(ROWS.tobytes(), b"")
    place = int(at * len(frame)) if at < 0.5 else int((at - 0.5) * 400)  # half of them before the pixels
    file.write_bytes(before[:place] + change + (b"" if cut else before[place + len(change) :]))
    try:
        part = load_test_data(str(fuzzed))
    except DataError:
        pass
    else:
        assert part.images.shape[1:] == (3, 32, 32)
    finally:
        file.write_bytes(before)


# CIFAR, published sums


def test_the_published_sizes_fit_the_layouts() -> None:
    """A python file is its pixels and, for each image, a few bytes of label and file name."""
    assert set(OFFICIAL) == {*PYTHON_10.train, PYTHON_10.test, *PYTHON_100.train, PYTHON_100.test}
    for name, official in OFFICIAL.items():
        images = 50_000 if name == "train" else 10_000
        assert 20 * images < official.size - images * PIXELS < 50 * images
        assert len(bytes.fromhex(official.md5)) == 16


def test_a_file_of_the_official_size_must_have_the_official_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, PYTHON_10) / "data_batch_2"
    raw = file.read_bytes()
    right = md5(raw).hexdigest()
    monkeypatch.setitem(cifar_module.OFFICIAL, "data_batch_2", Official(len(raw), right))
    assert len(load_search_data(str(tmp_path)).train) == 24
    damaged = bytearray(raw)
    damaged[-9_000] ^= 1
    file.write_bytes(damaged)
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: damaged: it has the size of the official file, but its md5 sum is "
        f"{md5(damaged).hexdigest()}, not {right}{AGAIN}"
    )
    file.write_bytes(official_form(pickled(PYTHON_10, *content(9, 5, 10))))  # a subset has no official sum
    data = load_search_data(str(tmp_path))
    assert len(data.train) + len(data.validation) == 29


def test_the_sum_is_asked_for_before_anything_is_unpickled(tmp_path: Path) -> None:
    file = write(tmp_path, PYTHON_100) / "test"
    with file.open("r+b") as stream:
        stream.truncate(OFFICIAL["test"].size)
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: damaged: it has the size of the official file, but its md5 sum is "
        f"{md5(file.read_bytes()).hexdigest()}, not f0ef6b0ae62326f3e7ffdfab6717acfc{AGAIN}"
    )


# Archives of arrays


def arrays(count: int = 20, shape: tuple[int, ...] = (6, 5, 3), classes: int = 4) -> dict[str, np.ndarray[Any, Any]]:
    """Keras's names, training and test part; every class is among the first images."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count + 8, *shape), np.uint8)
    labels = np.arange(count + 8) % classes
    return {"x_train": images[:count], "y_train": labels[:count], "x_test": images[count:], "y_test": labels[count:]}


MEDMNIST = {"x_train": "train_images", "y_train": "train_labels", "x_val": "val_images", "y_val": "val_labels"}
MEDMNIST |= {"x_test": "test_images", "y_test": "test_labels"}


def save(path: Path, held: dict[str, np.ndarray[Any, Any]]) -> Path:
    np.savez(path, **held)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("first", [False, True])
def test_an_archive_is_read_as_it_was_written(tmp_path: Path, first: bool) -> None:
    held = arrays()
    written = {name: array.transpose(0, 3, 1, 2) if first and "x" in name else array for name, array in held.items()}
    file = str(save(tmp_path / "mine.npz", written))
    data, test = load_search_data(file), load_test_data(file)
    assert (data.name, data.image_shape, data.classes) == ("mine.npz", (3, 6, 5), 4)
    assert (len(data.train), len(data.validation), len(test)) == (16, 4, 8)
    assert torch.equal(test.images, torch.from_numpy(held["x_test"]).permute(0, 3, 1, 2))
    assert test.labels.tolist() == held["y_test"].tolist()
    listed = list(zip((image.transpose(2, 0, 1).tobytes() for image in held["x_train"]), held["y_train"], strict=True))
    assert sorted(pairs(data.train) + pairs(data.validation)) == sorted(listed)


def test_an_archive_and_idx_files_of_the_same_images_are_the_same_data(tmp_path: Path) -> None:
    idx = str(write_idx(tmp_path / "idx", train=20))
    images = (np.arange(30 * 6) % 256).astype(np.uint8).reshape(30, 2, 3)
    labels = np.arange(30, dtype=np.uint8)[:, None] % 4  # N x 1, as in MedMNIST
    held = {"x_train": images[:20], "y_train": labels[:20], "x_test": images[20:], "y_test": labels[20:]}
    file = save(tmp_path / "mine.NPZ.npz", {MEDMNIST[name]: array for name, array in held.items()})
    assert load_search_data(str(file)).checksum == load_search_data(idx).checksum
    assert pairs(load_test_data(str(file))) == pairs(load_test_data(idx))


@pytest.mark.parametrize("medmnist", [False, True])
def test_a_validation_part_is_taken_as_it_is_and_training_is_mixed(tmp_path: Path, medmnist: bool) -> None:
    held = arrays(shape=(6, 5)) | {"x_val": np.full((3, 6, 5), 7, np.uint8), "y_val": np.array([0, 1, 3])}
    names = MEDMNIST if medmnist else dict.fromkeys(held, "")
    file = save(tmp_path / "mine.npz", {names[name] or name: array for name, array in held.items()})
    data = load_search_data(str(file))
    assert (len(data.train), len(data.validation), data.image_shape) == (20, 3, (1, 6, 5))
    assert sorted(data.validation.labels.tolist()) == [0, 1, 3]
    order = [bytes(image.flatten().tolist()) for image in data.train.images]
    written = [image.tobytes() for image in held["x_train"]]
    assert order != written  # since a search at a fraction takes the first images
    assert sorted(order) == sorted(written)
    assert load_search_data(str(file)).checksum == data.checksum


def changed(**changes: object) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays with some replaced; None takes one away."""
    held = arrays() | {name: np.asarray(value) for name, value in changes.items() if value is not None}
    return {name: array for name, array in held.items() if changes.get(name, array) is not None}


HELP_ARRAYS = "\n  = help: an archive holds x_train, y_train, x_test, y_test or train_images, train_labels, ..."
TRAIN = arrays()["x_train"]


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(2)}, f": x_train is missing; it holds a, b{HELP_ARRAYS}"),
        ({}, f": x_train is missing; it holds nothing{HELP_ARRAYS}"),
        (changed(y_test=None), f": y_test is missing; it holds x_test, x_train, y_train{HELP_ARRAYS}"),
        (
            changed(x_val=TRAIN[:2]),
            f": y_val is missing; it holds x_test, x_train, x_val, y_test, y_train{HELP_ARRAYS}",
        ),
        (
            changed(x_train=TRAIN / 255),
            ": x_train holds float64, not uint8\n  = help: save the pixels as whole numbers 0 to 255",
        ),
        (
            changed(y_train=np.zeros(20)),
            ": y_train holds float64, not integers\n  = help: save one class number for each image",
        ),
        (changed(y_train=np.arange(19) % 4), ": y_train holds 19 labels for 20 images"),
        (changed(y_train=np.arange(20) - 1), ": y_train runs from -1 to 18; labels are from 0 to 65,535 at most"),
        (
            changed(y_train=np.full(20, 2**64 - 1, np.uint64)),
            f": y_train runs from {2**64 - 1} to {2**64 - 1}; labels are from 0 to 65,535 at most",
        ),
        (
            changed(y_train=np.zeros((20, 14), int)),
            ": y_train is 20 x 14; labels are N or N x 1, one class for each image",
        ),
        (changed(y_test=np.full(8, 4)), ": the test part has label 4, the training labels end at 3"),
        (
            changed(x_val=TRAIN[:2], y_val=[0, 9]),
            ": the validation part has label 9, the training labels end at 3",
        ),
        (
            changed(x_test=arrays(shape=(7, 5, 3))["x_test"]),
            ": test images are 3 x 7 x 5, training images 3 x 6 x 5",
        ),
        (changed(x_train=TRAIN[:0]), ": x_train holds no data, its shape is 0 x 6 x 5 x 3"),
        (
            changed(x_train=TRAIN[:, :, 0, 0]),
            ": x_train is 20 x 6; images are N x H x W, N x H x W x C or N x C x H x W",
        ),
        (
            changed(x_train=TRAIN[:, :3]),
            ": x_train is 20 x 3 x 5 x 3: of the second and the last axis, either may be channels",
        ),
        (
            changed(x_train=np.zeros((20, 6, 5, 5), np.uint8)),
            ": x_train is 20 x 6 x 5 x 5: of the second and the last axis, neither is 1 to 4 channels",
        ),
        (
            changed(x_train=np.array([Harmful(print)] * 2)),
            ": x_train cannot be read: Object arrays cannot be loaded when allow_pickle=False",
        ),
    ],
)  # fmt: skip
def test_an_archive_with_a_mistake(tmp_path: Path, held: dict[str, np.ndarray[Any, Any]], message: str) -> None:
    file = save(tmp_path / "mine.npz", held)
    assert complaint(file) == f"error[E400]: {file}{message}"


def test_what_is_no_archive(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    with file.open("wb") as stream:
        np.save(stream, TRAIN)
    assert complaint(file) == (
        f"error[E400]: {file}: a single array, not an archive of arrays\n  = help: write it with numpy.savez"
    )
    for raw in (b"", b"PK\x03\x04", b"<html>", pickle.dumps([1])):
        file.write_bytes(raw)
        assert complaint(file).startswith(f"error[E400]: {file}: not an archive of arrays, or damaged: ")


@given(at=st.integers(0, 10_000), change=st.binary(min_size=1, max_size=6), cut=st.booleans())
def test_no_archive_raises_anything_but_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, change: bytes, cut: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    raw = save(file, arrays(shape=(6, 5))).read_bytes()
    place = at % len(raw)
    file.write_bytes(raw[:place] + change + (b"" if cut else raw[place + len(change) :]))
    try:
        data = load_search_data(str(file))
    except DataError:
        pass
    else:
        assert len(data.train) + len(data.validation) == 20


# Folders of images


def write_images(
    directory: Path, mode: str = "RGB", size: tuple[int, int] = (4, 3), parts: tuple[str, ...] = ("train", "test")
) -> dict[str, list[tuple[bytes, int]]]:
    """Six images for each of three classes in each part; what was written, by part."""
    image = pytest.importorskip("PIL.Image")
    random, written = np.random.default_rng(0), {}
    for part in parts:
        written[part] = []
        for label, name in enumerate(("ant", "bee", "cat")):
            folder = directory / part / name
            folder.mkdir(parents=True)
            for n in range(6):
                shape = (*size[::-1], 3) if mode == "RGB" else size[::-1]
                pixels = random.integers(0, 256, shape, np.uint8)
                image.fromarray(pixels).save(folder / f"{n}.png")
                written[part].append((np.atleast_3d(pixels).transpose(2, 0, 1).tobytes(), label))
    return written


def resaved(path: Path, change: Callable[[Any], Any], name: str = "") -> Path:
    """Saves an image again after a change, under another name if one is given."""
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as old:
        new = change(old.copy())
    path.unlink()
    new.save(path.with_name(name or path.name))
    return path


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_folder_is_read_as_it_was_written(tmp_path: Path, mode: str, channels: int) -> None:
    written = write_images(tmp_path / "mine", mode)
    (tmp_path / "mine" / "train" / ".cache").mkdir()
    (tmp_path / "mine" / "train" / "ant" / "notes.txt").write_text("not an image")
    source = str(tmp_path / "mine")
    data, test = load_search_data(source), load_test_data(source)
    assert (data.name, data.image_shape, data.classes) == ("mine", (channels, 3, 4), 3)
    assert (len(data.train), len(data.validation)) == (15, 3)
    assert sorted(pairs(data.train) + pairs(data.validation)) == sorted(written["train"])
    assert pairs(test) == written["test"]


def test_val_is_for_validation_beside_test_and_for_testing_alone(tmp_path: Path) -> None:
    written = write_images(tmp_path / "both", parts=("train", "val", "test"))
    data = load_search_data(str(tmp_path / "both"))
    assert sorted(pairs(data.train)) == sorted(written["train"])
    assert sorted(pairs(data.validation)) == sorted(written["val"])
    assert data.train.labels.tolist() != sorted(data.train.labels.tolist())
    assert pairs(load_test_data(str(tmp_path / "both"))) == written["test"]
    alone = write_images(tmp_path / "alone", parts=("train", "val"))
    assert pairs(load_test_data(str(tmp_path / "alone"))) == alone["val"]
    assert len(load_search_data(str(tmp_path / "alone")).validation) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.convert("RGBA"),
        lambda image: image.convert("RGB").quantize(4),
        lambda image: image.convert("LA"),
    ],
    ids=["alpha", "palette", "grey and alpha"],
)
def test_other_kinds_of_pixels_are_converted(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    write_images(tmp_path)
    path = tmp_path / "test" / "ant" / "0.png"
    kept: list[Part] = []
    resaved(path, lambda image: kept.append(change(image).convert("RGB")) or change(image))  # type: ignore[func-returns-value]
    expected = np.asarray(kept[0]).transpose(2, 0, 1)
    assert np.array_equal(load_test_data(str(tmp_path)).images[0].numpy(), expected)


def test_one_image_in_colour_makes_all_of_them_so(tmp_path: Path) -> None:
    written = write_images(tmp_path, "L")
    resaved(tmp_path / "test" / "cat" / "5.png", lambda image: image.convert("RGB"))
    test = load_test_data(str(tmp_path))
    assert load_search_data(str(tmp_path)).image_shape == (3, 3, 4)
    assert [bytes(image[1].flatten().tolist()) for image in test.images] == [pixels for pixels, _ in written["test"]]


def test_a_jpeg_is_close_to_what_was_saved(tmp_path: Path) -> None:
    write_images(tmp_path, "L", size=(8, 8))
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "train" / "ant" / "0.png"
    resaved(path, lambda _: image.new("L", (8, 8), 120), "0.JPG")
    data = load_search_data(str(tmp_path))
    nearest = torch.cat([data.train.images, data.validation.images]).float().sub(120).abs().amax((1, 2, 3)).min()
    assert nearest <= 2


def test_an_image_of_another_size(tmp_path: Path) -> None:
    write_images(tmp_path)
    path = resaved(tmp_path / "test" / "bee" / "2.png", lambda image: image.resize((5, 3)))
    assert complaint(tmp_path) == (
        f"error[E400]: {path}: 5 x 3 pixels, but {tmp_path / 'train' / 'ant' / '0.png'} has 4 x 3\n"
        "  = help: resize all images to one size first"
    )


def test_an_image_of_16_bits(tmp_path: Path) -> None:
    write_images(tmp_path)
    image = pytest.importorskip("PIL.Image")
    path = resaved(tmp_path / "train" / "bee" / "2.png", lambda _: image.fromarray(np.full((3, 4), 40_000, np.uint16)))
    assert complaint(tmp_path) == (
        f"error[E400]: {path}: pixels of kind I;16, not bytes\n  = help: save it with 8 bits a channel"
    )


def test_classes_that_differ_between_parts(tmp_path: Path) -> None:
    write_images(tmp_path)
    (tmp_path / "test" / "cat").rename(tmp_path / "test" / "dog")
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path / 'test'} has other classes than train/: cat/ is missing, dog/ is not in train/"
    )


def test_a_damaged_image(tmp_path: Path) -> None:
    write_images(tmp_path, size=(40, 40))
    path = tmp_path / "train" / "cat" / "1.png"
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    assert complaint(tmp_path).startswith(f"error[E400]: {path}: damaged: ")
    path.write_bytes(b"<html>404 Not Found</html>")
    assert complaint(tmp_path).startswith(f"error[E400]: {path}: not an image that can be read: ")


def test_folders_that_lack_something(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    train = tmp_path / "train"
    train.mkdir()
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} holds train/, but neither test/ nor val/\n"
        "  = help: put images to test with into test/CLASS/"
    )
    (tmp_path / "test" / "ant").mkdir(parents=True)
    assert complaint(tmp_path) == f"error[E400]: {train} holds no directories, one for each class"
    (train / "ant").mkdir()
    assert complaint(tmp_path) == (
        f"error[E400]: {train / 'ant'} holds no images: none of its files ends in .png, .jpg, .jpeg"
    )


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train").mkdir()
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert complaint(tmp_path) == (
        "error[E400]: a folder of images needs Pillow\n  = help: pip install 'ressearch[images]'"
    )


# What is not understood


def test_the_layouts_that_are_understood_are_listed() -> None:
    assert UNDERSTOOD.splitlines() == [
        "a data source is one of",
        "      digits (bundled)",
        "      a directory of IDX files, plain or .gz: train-images-idx3-ubyte, train-labels-idx1-ubyte, "
        "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte",
        "      a CIFAR directory, or the one that holds it: cifar-10-batches-py, cifar-100-python, "
        "cifar-10-batches-bin, cifar-100-binary",
        "      an .npz file: x_train, y_train, x_test, y_test, or train_images, train_labels, test_images, test_labels",
        "      a directory of images: train/CLASS/*.png (or jpg), test/CLASS/*.png",
    ]


@pytest.mark.parametrize(("count", "shown"), [(2, ""), (8, ""), (11, " and 3 more")])
def test_an_unknown_directory_says_what_was_found(tmp_path: Path, count: int, shown: str) -> None:
    (tmp_path / "a").mkdir()
    for n in range(1, count):
        (tmp_path / f"f{n:02}.txt").touch()
    held = ", ".join(["a/", *(f"f{n:02}.txt" for n in range(1, min(count, 8)))])
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} holds no data set that is understood; it holds {held}{shown}\n  = help: {UNDERSTOOD}"
    )


def test_two_layouts_in_one_directory(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train").mkdir()
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} holds more than one data set: IDX files, a directory of images\n"
        "  = help: give a directory that holds one"
    )
