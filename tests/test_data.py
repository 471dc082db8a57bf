"""Digits against what scikit-learn documents, IDX directories against the test's own writer, and every complaint."""

from __future__ import annotations

import gzip
import os
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from hashlib import sha256
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ressearch.data import UNDERSTOOD, Part, SearchData, load_search_data, load_test_data
from ressearch.errors import DataError

FILES = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES.split(", ")

HEIGHT, WIDTH, CLASSES = 2, 3, 4


def idx(values: bytes, *shape: int) -> bytes:
    """An IDX file of unsigned bytes: two zeros, type 8, rank, the big-endian sizes, the values."""
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values


def pixels(image: int) -> bytes:
    return bytes((image * HEIGHT * WIDTH + k) % 256 for k in range(HEIGHT * WIDTH))


def write(directory: Path, train: int = 20, test: int = 10, packed: bool = False) -> Path:
    """Images `0 .. train-1` and `train .. train+test-1`; the label of image n is n modulo the number of classes."""
    directory.mkdir(exist_ok=True)
    for names, span in (
        ((TRAIN_IMAGES, TRAIN_LABELS), range(train)),
        ((TEST_IMAGES, TEST_LABELS), range(train, train + test)),
    ):
        images = idx(b"".join(map(pixels, span)), len(span), HEIGHT, WIDTH)
        labels = idx(bytes(n % CLASSES for n in span), len(span))
        for name, content in zip(names, (images, labels), strict=True):
            if packed:
                (directory / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (directory / name).write_bytes(content)
    return directory


def pairs(part: Part) -> list[tuple[bytes, int]]:
    """What a part holds, each image's bytes beside its label."""
    return [
        (bytes(image.flatten().tolist()), int(label)) for image, label in zip(part.images, part.labels, strict=True)
    ]


def complaint(source: Path | str, load: Callable[[str], object] = load_search_data) -> str:
    with pytest.raises(DataError) as caught:
        load(str(source))
    assert caught.value.exit_status == 4
    return str(caught.value)


# Digits


@pytest.fixture(scope="module")
def digits() -> SearchData:
    return load_search_data("digits")


@pytest.fixture(scope="module")
def digits_parts(digits: SearchData) -> list[Part]:
    return [digits.train, digits.validation, load_test_data("digits")]


def bundled(name: str) -> bytes:
    return gzip.decompress(resources.files("ressearch").joinpath("digits", name).read_bytes())


def test_the_bundled_digits_are_those_of_scikit_learn(digits_parts: list[Part]) -> None:
    images, labels = bundled("digits-images-idx3-ubyte.gz")[16:], bundled("digits-labels-idx1-ubyte.gz")[8:]
    assert sha256(images).hexdigest() == "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    held = [pair for part in digits_parts for pair in pairs(part)]
    written = [(images[64 * n : 64 * n + 64], labels[n]) for n in range(1_797)]
    assert Counter(held) == Counter(written)


def test_the_digits_have_their_documented_number_and_balance(digits_parts: list[Part]) -> None:
    everything = torch.cat([part.labels for part in digits_parts])
    assert everything.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert [len(part) for part in digits_parts] == [1_097, 400, 300]
    for part in digits_parts:
        assert part.images.shape[1:] == (1, 8, 8)
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        assert (int(part.images.min()), int(part.images.max())) == (0, 16)
        assert part.labels.bincount(minlength=10).min() >= len(part) / 20  # every class in every part


def test_no_digit_is_in_two_parts(digits_parts: list[Part]) -> None:
    train, validation, test = ({image for image, _ in pairs(part)} for part in digits_parts)
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_the_splits_of_the_digits_are_pinned(digits: SearchData, digits_parts: list[Part]) -> None:
    """A change here would put images of yesterday's test part into today's training part."""
    test = digits_parts[2]
    assert digits.checksum == "96a506dfa7be07d9"
    held = sha256(test.images.numpy().tobytes() + test.labels.numpy().tobytes()).hexdigest()
    assert held.startswith("5601d4231f6227fb")


def test_digits_are_known_by_name_shape_and_classes(digits: SearchData) -> None:
    assert (digits.name, digits.image_shape, digits.classes) == ("digits", (1, 8, 8), 10)


def test_a_search_cannot_see_the_test_images() -> None:
    assert [f.name for f in fields(SearchData)] == ["name", "train", "validation", "classes"]


# The checksum


def with_pixel(part: Part) -> Part:
    images = part.images.clone()
    images[-1, 0, -1, -1] ^= 1
    return replace(part, images=images)


def with_label(part: Part) -> Part:
    labels = part.labels.clone()
    labels[0] = (labels[0] + 1) % 10
    return replace(part, labels=labels)


def in_other_order(part: Part) -> Part:
    return Part(part.images.flip(0), part.labels.flip(0))


def without_the_last(part: Part) -> Part:
    return Part(part.images[:-1], part.labels[:-1])


@pytest.mark.parametrize("change", [with_pixel, with_label, in_other_order, without_the_last])
@pytest.mark.parametrize("which", ["train", "validation"])
def test_the_checksum_sees_every_change(digits: SearchData, which: str, change: Callable[[Part], Part]) -> None:
    changed = change(getattr(digits, which))
    other = SearchData(
        **{"name": "digits", "train": digits.train, "validation": digits.validation, "classes": 10, which: changed}
    )
    assert other.checksum != digits.checksum


def test_the_checksum_is_of_the_data_not_of_its_name(digits: SearchData) -> None:
    assert replace(digits, name="another").checksum == digits.checksum


# IDX directories


@pytest.mark.parametrize("packed", [False, True])
def test_a_directory_is_read_as_it_was_written(tmp_path: Path, packed: bool) -> None:
    source = str(write(tmp_path / "mine", packed=packed))
    data, test = load_search_data(source), load_test_data(source)
    assert (data.name, data.image_shape, data.classes) == ("mine", (1, HEIGHT, WIDTH), CLASSES)
    assert (len(data.train), len(data.validation), len(test)) == (16, 4, 10)
    written = [(pixels(n), n % CLASSES) for n in range(30)]
    assert sorted(pairs(data.train) + pairs(data.validation)) == sorted(written[:20])
    assert pairs(test) == written[20:]


def test_plain_and_gzipped_files_are_the_same_data(tmp_path: Path) -> None:
    plain, packed = write(tmp_path / "plain"), write(tmp_path / "packed", packed=True)
    assert load_search_data(str(plain)).checksum == load_search_data(str(packed)).checksum


def test_the_split_is_fixed_and_mixed(tmp_path: Path) -> None:
    source = str(write(tmp_path, train=40))
    once, again = load_search_data(source), load_search_data(source)
    assert pairs(once.train) == pairs(again.train)
    assert pairs(once.validation) == pairs(again.validation)
    numbers = [image[0] // (HEIGHT * WIDTH) for image, _ in pairs(once.train)]
    assert any(one > other for one, other in pairwise(numbers))


@pytest.mark.parametrize(("images", "held"), [(5, 1), (9, 1), (24_999, 4_999), (25_000, 5_000), (30_000, 5_000)])
def test_a_fifth_and_at_most_5000_are_held_back(tmp_path: Path, images: int, held: int) -> None:
    data = load_search_data(str(write(tmp_path, train=images)))
    assert (len(data.train), len(data.validation)) == (images - held, held)


def test_a_directory_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "idx")
    monkeypatch.chdir(tmp_path)
    assert len(load_search_data("idx").validation) == 4


# Parts


def test_the_first_part_of_a_part() -> None:
    part = Part(torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1), torch.arange(10))
    assert part.first(0.5, at_least=2).labels.tolist() == [0, 1, 2, 3, 4]
    assert part.first(0.5, at_least=2).images.flatten().tolist() == [0, 1, 2, 3, 4]
    assert len(part.first(0.01, at_least=3)) == 3
    assert len(part.first(0.01, at_least=64)) == 10
    assert len(part.first(1.0, at_least=1)) == 10


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((3, 1, 2, 2), (2,), "error[E400]: (3, 1, 2, 2) images do not fit (2,) labels"),
        ((3, 2, 2), (3,), "error[E400]: (3, 2, 2) images do not fit (3,) labels"),
        ((0, 1, 2, 2), (0,), "error[E400]: (0, 1, 2, 2) images do not fit (0,) labels"),
    ],
)
def test_a_part_refuses(images: tuple[int, ...], labels: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Part(torch.zeros(images, dtype=torch.uint8), torch.zeros(labels, dtype=torch.int64))
    assert str(caught.value) == message


# Complaints


@pytest.mark.parametrize("load", [load_search_data, load_test_data])
def test_an_unknown_name(load: Callable[[str], object]) -> None:
    assert complaint("cifra10", load) == (
        f"error[E400]: there is no data set, directory or file 'cifra10'\n  = help: {UNDERSTOOD}"
    )


def test_a_name_that_no_file_can_have() -> None:
    name = "x" * 5_000
    assert complaint(name) == f"error[E400]: {name}: cannot be read: File name too long"


def test_a_file_instead_of_a_directory(tmp_path: Path) -> None:
    file = tmp_path / "data.zip"
    file.write_bytes(b"PK")
    assert complaint(file) == f"error[E400]: {file} is a file, but not an .npz file\n  = help: {UNDERSTOOD}"


def test_an_empty_directory(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"error[E400]: {tmp_path} is an empty directory\n  = help: {UNDERSTOOD}"


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} does not hold it: {name}[.gz] is missing\n  = help: a data directory holds {FILES}"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00\x08",
        b"<html>404 Not Found</html>",
        idx(bytes(20), 20),  # labels in the place of images
        idx(bytes(120), 20, 1, 2, 3),
        b"\x00\x00\x0d" + idx(bytes(120), 20, 2, 3)[3:],  # floats
        idx(bytes(120), 20, 2, 3)[:15],
        gzip.compress(idx(bytes(120), 20, 2, 3)),  # gzipped without saying so
    ],
    ids=["empty", "short", "html", "labels", "rank 4", "float", "half a header", "gzipped"],
)
def test_a_wrong_magic_number(tmp_path: Path, content: bytes) -> None:
    file = write(tmp_path) / TRAIN_IMAGES
    file.write_bytes(content)
    assert complaint(tmp_path) == f"error[E400]: {file}: not an IDX file of unsigned bytes with 3 dimension(s)"


@pytest.mark.parametrize(("change", "held"), [(-1, 119), (-120, 0), (+2, 122)])
def test_a_truncated_file_and_one_that_is_too_long(tmp_path: Path, change: int, held: int) -> None:
    file = write(tmp_path) / TRAIN_IMAGES
    content = file.read_bytes()
    file.write_bytes(content[:change] if change < 0 else content + bytes(change))
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: truncated or damaged: its header promises 120 bytes, it holds {held:,}\n"
        "  = help: fetch the file again"
    )


def test_a_header_that_promises_more_than_any_memory_holds(tmp_path: Path) -> None:
    file = write(tmp_path) / TRAIN_IMAGES
    file.write_bytes(idx(bytes(6), 2**32 - 1, 2**32 - 1, 2**32 - 1))
    assert complaint(tmp_path) == (
        f"error[E400]: {file}: truncated or damaged: its header promises {(2**32 - 1) ** 3:,} bytes, it holds 6\n"
        "  = help: fetch the file again"
    )


def cut(packed: bytes) -> bytes:
    return packed[: len(packed) // 2]


def flipped(packed: bytes) -> bytes:
    return packed[:-6] + bytes((packed[-6] ^ 1,)) + packed[-5:]  # in the checksum


def renamed(packed: bytes) -> bytes:
    return gzip.decompress(packed)


def ruined(packed: bytes) -> bytes:
    return packed[:10] + b"\xff" * 20


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "Compressed file ended before the end-of-stream marker was reached"),
        (flipped, "CRC check failed"),
        (renamed, "Not a gzipped file (b'\\x00\\x00')"),
        (ruined, "Error -3 while decompressing data: invalid block type"),
    ],
)
def test_a_damaged_gzip_file(tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    file = write(tmp_path, packed=True) / f"{TRAIN_LABELS}.gz"
    file.write_bytes(damage(file.read_bytes()))
    assert complaint(tmp_path) == (f"error[E400]: {file}: cannot be read: {reason}\n  = help: fetch the file again")


@pytest.mark.parametrize("which", [TRAIN_LABELS, TEST_LABELS])
def test_labels_that_do_not_match_the_images(tmp_path: Path, which: str) -> None:
    file = write(tmp_path, train=1_020, test=1_020) / which
    file.write_bytes(idx(bytes(1_019), 1_019))
    assert complaint(tmp_path) == f"error[E400]: {file}: holds 1,019 labels for 1,020 images"


@pytest.mark.parametrize(("shape", "shown"), [((0, 2, 3), "0 x 2 x 3"), ((20, 0, 3), "20 x 0 x 3")])
def test_no_images(tmp_path: Path, shape: tuple[int, ...], shown: str) -> None:
    file = write(tmp_path) / TRAIN_IMAGES
    file.write_bytes(idx(b"", *shape))
    assert complaint(tmp_path) == f"error[E400]: {file}: holds no data, its header says {shown}"


def test_too_few_images_to_hold_some_back(tmp_path: Path) -> None:
    write(tmp_path, train=4)
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path}: 4 training images are too few to hold a fifth back for validation"
    )


def test_a_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    (write(tmp_path) / TRAIN_LABELS).unlink()
    (tmp_path / TRAIN_LABELS).mkdir()
    assert complaint(tmp_path) == (
        f"error[E400]: {tmp_path} does not hold it: {TRAIN_LABELS}[.gz] is missing\n"
        f"  = help: a data directory holds {FILES}"
    )


small = st.integers(0, 4)
claims = st.builds(
    lambda values, rank, shape: bytes((0, 0, 8, rank)) + struct.pack(f">{len(shape)}I", *shape) + values,
    st.binary(max_size=40),
    st.sampled_from([1, 3]),
    st.lists(small | st.integers(0, 2**32 - 1), max_size=4),
)
honest = st.builds(lambda n, h, w: idx(bytes(n * h * w), n, h, w), st.integers(0, 12), small, small)
contents = st.binary(max_size=60) | claims | honest


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fuzzed"), train=8)


@given(
    which=st.sampled_from([TRAIN_IMAGES, TRAIN_LABELS]),
    content=contents,
    packing=st.sampled_from("pzd"),
    at=st.integers(0),
)
def test_no_content_raises_anything_but_a_data_error(
    fuzzed: Path, which: str, content: bytes, packing: str, at: int
) -> None:
    """`p` plain, `z` gzipped, `d` gzipped and then damaged in one byte."""
    plain, packed = fuzzed / which, fuzzed / f"{which}.gz"
    before = plain.read_bytes()
    if packing == "p":
        plain.write_bytes(content)
    else:
        plain.unlink()
        stream = bytearray(gzip.compress(content, mtime=0))
        if packing == "d":
            stream[at % len(stream)] ^= 1 + at % 255
        packed.write_bytes(stream)
    try:
        data = load_search_data(str(fuzzed))
    except DataError:
        pass
    else:
        assert len(data.train) + len(data.validation) == 8
        assert data.image_shape[0] == 1
    finally:
        plain.write_bytes(before)
        packed.unlink(missing_ok=True)


# Real data

FASHION = os.environ.get("RESSEARCH_FASHION_MNIST", "")


@pytest.mark.slow
@pytest.mark.skipif(not FASHION, reason="RESSEARCH_FASHION_MNIST names no directory with the four IDX files")
def test_fashion_mnist() -> None:
    """60,000 training and 10,000 test images, each of ten classes equally often (Xiao, Rasul and Vollgraf 2017)."""
    data, test = load_search_data(FASHION), load_test_data(FASHION)
    assert (len(data.train), len(data.validation), len(test)) == (55_000, 5_000, 10_000)
    assert (data.image_shape, data.classes) == ((1, 28, 28), 10)
    labels = torch.cat([data.train.labels, data.validation.labels])
    assert labels.bincount().tolist() == [6_000] * 10
    assert test.labels.bincount().tolist() == [1_000] * 10
    pixels_seen = torch.cat([data.train.images, data.validation.images]).double() / 255
    assert float(pixels_seen.mean()) == pytest.approx(0.2860, abs=5e-5)
    assert float(pixels_seen.std()) == pytest.approx(0.3530, abs=5e-5)
