"""From the bytes of a request to the pixels that a network takes, with limits; nothing is trusted."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from starlette.requests import Request

from snnet_lightning.description import IMAGE_MODES, Description
from snnet_lightning.errors import InputError
from snnet_lightning.serve.requests import RequestError

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
MIN_SIDE = 2
MOST_SCANS = 100  # of a progressive JPEG, each of which goes over all pixels again; encoders make about ten
FILTERS = {filter.name.lower(): filter for filter in Image.Resampling}  # as timm names them


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request, of which no more is kept than allowed.

    Up to as much again is read and dropped: most clients do not listen before they have sent all.

    Raises:
        RequestError: it is too large.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= most:
            parts.append(part)
        else:
            parts.clear()
        if size > 2 * most:
            break
    if size > most:
        raise RequestError(413, f"more than {most:,} bytes")
    return b"".join(parts)


class Resizing(NamedTuple):
    """How images of any size become those that a network takes, as timm does it in evaluation.

    Args:
        mode: of Pillow.
        size: (height, width) of the window in the middle that is kept.
        scaled: what the shorter side is resized to.
        filter: that resizes.
    """

    mode: str
    size: tuple[int, int]
    scaled: int
    filter: Image.Resampling

    @classmethod
    def of(cls, description: Description) -> "Resizing":
        """That of a network.

        Raises:
            InputError: it is of images that are not square, or not to be resized here.
        """
        channels, height, width = description.input_size
        known = description.preprocessing
        if known is None or height != width or channels not in IMAGE_MODES or known.interpolation not in FILTERS:
            raise InputError("only networks of square images of 1, 3 or 4 channels, prepared as it says, are served")
        scaled = math.floor(height / known.crop_pct)
        return cls(IMAGE_MODES[channels], (height, width), scaled, FILTERS[known.interpolation])


def pixels_in(body: bytes, content_type: str, resizing: Resizing, max_pixels: int) -> np.ndarray:
    """The image in ``body`` as bytes (H, W, C), resized and cropped.

    Raises:
        RequestError: it is no JPEG or PNG that can be read, or too small or too large.
    """
    kind = FORMATS.get(content_type.partition(";")[0].strip().lower())
    if kind is None:
        raise RequestError(415, f"Content-Type must be {' or '.join(FORMATS)}")
    if not body:
        raise RequestError(400, "the request is empty: send an image as its body")
    if kind == "JPEG" and body.count(b"\xff\xda") > MOST_SCANS:
        raise RequestError(400, f"a JPEG image of more than {MOST_SCANS} scans")
    try:
        image = Image.open(io.BytesIO(body), formats=[kind])  # reads no more than its head
        _require_size(image.size, resizing, max_pixels)
        return _resized(image.convert(resizing.mode), resizing)
    except Image.DecompressionBombError as error:
        raise RequestError(413, f"more than {max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise RequestError(400, f"no {kind} image") from error
    except RequestError:
        raise
    except Exception as error:  # what Pillow makes of damaged files is of many types
        raise RequestError(400, f"a damaged {kind} image") from error


def _require_size(size: tuple[int, int], resizing: Resizing, max_pixels: int) -> None:
    short, long = sorted(size)
    if short < MIN_SIDE:
        raise RequestError(422, f"an image of {size[0]}x{size[1]} pixels: must have at least {MIN_SIDE} a side")
    if short * long > max_pixels:
        raise RequestError(413, f"an image of {size[0]}x{size[1]} pixels: must have at most {max_pixels:,} in all")
    if resizing.scaled**2 * long / short > max_pixels:
        raise RequestError(422, f"an image of {size[0]}x{size[1]} pixels: is too narrow to be resized")


def _resized(image: Image.Image, resizing: Resizing) -> np.ndarray:
    short, long = sorted(image.size)
    if short != resizing.scaled:
        longer = int(resizing.scaled * long / short)
        wide = image.size[0] >= image.size[1]
        image = image.resize((longer, resizing.scaled) if wide else (resizing.scaled, longer), resizing.filter)
    height, width = resizing.size
    left, top = round((image.size[0] - width) / 2), round((image.size[1] - height) / 2)
    pixels = np.asarray(image.crop((left, top, left + width, top + height)))
    return pixels if pixels.ndim == 3 else pixels[..., None]
