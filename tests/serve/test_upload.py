"""Pixels of uploads: those of timm's own transform bit by bit, and what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from snnet_lightning.description import Preprocessing, describe
from snnet_lightning.errors import InputError
from snnet_lightning.serve.upload import RequestError, Resizing, pixels_in
from snnet_lightning.stitch import PairedRule
from tests.serve.conftest import encoded

MOST = 1_000_000


def description(channels=3, side=32, crop_pct=0.875, interpolation="bicubic", width=None):
    anchors = ({"name": "a", "alias": "a"}, {"name": "b", "alias": "b"})
    known = Preprocessing(mean=(0.4,) * channels, std=(0.3,) * channels, interpolation=interpolation, crop_pct=crop_pct)
    return describe(
        anchors=anchors, input_size=(channels, side, width or side), num_classes=10, stitch=PairedRule(),
        preprocessing=known,
    )  # fmt: skip


RESIZING = Resizing.of(description())


@pytest.mark.parametrize(
    ("channels", "side", "crop_pct", "interpolation"),
    [(3, 224, 0.875, "bicubic"), (3, 224, 0.9, "bicubic"), (3, 224, 1.0, "bilinear"), (1, 8, 1.0, "bilinear"),
     (1, 32, 0.875, "bicubic"), (3, 64, 0.95, "lanczos"), (4, 48, 0.9, "bicubic")],
)  # fmt: skip
def test_as_timm_prepares_images(channels, side, crop_pct, interpolation):
    told = description(channels, side, crop_pct, interpolation)
    transform = create_transform(**told.data_config)
    draw = np.random.default_rng(side)
    for _ in range(25):
        width, height = draw.integers(2, 400, 2)
        image = Image.fromarray(draw.integers(0, 256, (height, width, 4 if channels == 4 else 3), dtype=np.uint8))
        pixels = pixels_in(encoded(image, "PNG"), "image/png", Resizing.of(told), MOST)
        ours = (torch.tensor(pixels).permute(2, 0, 1).float() / 255 - 0.4) / 0.3
        theirs = transform(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]))
        assert torch.equal(ours, theirs), (width, height)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_any_mode_of_png(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    image = Image.fromarray(pixels.astype(np.uint16) * 256) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    assert pixels_in(encoded(image, "PNG"), "image/png", RESIZING, MOST).shape == (32, 32, 3)


def test_jpeg_with_a_parameter_behind_its_type():
    body = encoded(Image.new("RGB", (50, 40), "red"), "JPEG")
    assert pixels_in(body, "Image/JPEG; charset=x", RESIZING, MOST).shape == (32, 32, 3)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large as this."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(side=64) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), "JPEG")


def png(side=64) -> bytes:
    file = io.BytesIO(jpeg(side))
    return encoded(Image.open(file), "PNG")


def late_chunk() -> bytes:
    """A PNG with a gamma of no bytes after its pixels."""
    chunk = b"\0\0\0\0gAMA" + struct.pack(">I", zlib.crc32(b"gAMA"))
    body = png(24)
    return body[:-12] + chunk + body[-12:]


BAD = {
    "nothing": (b"", "image/png", 400, "empty"),
    "no image": (b"what is this", "image/png", 400, "no PNG image"),
    "another kind": (jpeg(), "image/png", 400, "no PNG image"),
    "a kind that is not taken": (encoded(Image.new("RGB", (9, 9)), "GIF"), "image/gif", 415, "Content-Type must be"),
    "a picture that is none by its type": (png(), "application/json", 415, "Content-Type must be"),
    "no type": (png(), "", 415, "Content-Type must be"),
    "one pixel": (encoded(Image.new("RGB", (1, 1)), "PNG"), "image/png", 422, "1x1 pixels"),
    "a line": (encoded(Image.new("RGB", (500, 1)), "PNG"), "image/png", 422, "at least 2 a side"),
    "narrow": (encoded(Image.new("RGB", (3000, 2)), "PNG"), "image/png", 422, "too narrow"),
    "large": (bomb(2000, 2000), "image/png", 413, "at most 1,000,000"),
    "a bomb": (bomb(20_000, 20_000), "image/png", 413, "pixels"),
    "a bomb in a line": (bomb(2**31 - 1, 2), "image/png", 413, "pixels"),
    "a truncated PNG": (png()[:-300], "image/png", 400, "damaged PNG"),
    "a truncated JPEG": (jpeg()[:-300], "image/jpeg", 400, "damaged JPEG"),
    "only a head": (jpeg()[:20], "image/jpeg", 400, "JPEG image"),
    "many scans": (jpeg() + 101 * b"\xff\xda", "image/jpeg", 400, "more than 100 scans"),
    "a chunk too short behind the pixels": (late_chunk(), "image/png", 400, "damaged PNG"),
    "pixels that are missing": (bomb(64, 64), "image/png", 400, "damaged PNG"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name):
    body, kind, status, why = BAD[name]
    with pytest.raises(RequestError, match=why) as error:
        pixels_in(body, kind, RESIZING, MOST)
    assert error.value.status == status
    assert "\n" not in error.value.why


def test_noise_is_an_image_or_refused():
    """Bytes of images changed at random: an array, or one of our refusals."""
    draw = np.random.default_rng(0)
    for original, kind in [(png(24), "image/png"), (jpeg(24), "image/jpeg")]:
        refused = 0
        for _ in range(300):
            body = bytearray(original)
            for place in draw.integers(0, len(body), draw.integers(1, 8)):
                body[place] = draw.integers(256)
            try:
                assert pixels_in(bytes(body), kind, RESIZING, MOST).shape == (32, 32, 3)
            except RequestError:
                refused += 1
        assert refused > 10


@pytest.mark.parametrize("told", [description(width=48), description(channels=2), description(interpolation="x")])
def test_networks_that_are_not_served(told):
    with pytest.raises(InputError, match="square images"):
        Resizing.of(told)
