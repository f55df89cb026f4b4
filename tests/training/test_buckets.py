"""The sizes that pictures are scaled and cropped to."""

from __future__ import annotations

import pytest

from sdtui.training.buckets import bucket_sizes, crop_to_bucket


def test_buckets_of_512_are_those_of_kohyas_scripts() -> None:
    # make_bucket_resolutions((512, 512), 256, 1024, 64)
    wide = [
        (576, 448),
        (640, 384),
        (704, 320),
        (768, 320),
        *((w, 256) for w in (832, 896, 960, 1024)),
    ]
    high = [(height, width) for width, height in wide]
    assert set(bucket_sizes(512, 64)) == {*wide, *high, (512, 512)}


@pytest.mark.parametrize("resolution", [64, 128, 512, 768, 1024])
def test_buckets_have_at_most_the_area_of_the_resolution(resolution: int) -> None:
    for width, height in bucket_sizes(resolution, 32):
        assert width * height <= resolution**2
        assert width % 32 == height % 32 == 0


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((512, 512), (512, 512)),
        ((4000, 4000), (512, 512)),
        ((1920, 1080), (640, 384)),
        ((90, 160), (384, 640)),
        ((8000, 500), (1024, 256)),
    ],
)
def test_a_picture_covers_the_bucket_of_its_shape(
    size: tuple[int, int], bucket: tuple[int, int]
) -> None:
    crop = crop_to_bucket(size, bucket_sizes(512, 64))
    assert crop.bucket == bucket
    left, top, right, bottom = crop.box
    assert (right - left, bottom - top) == bucket
    assert left >= 0
    assert top >= 0
    assert right <= crop.scaled[0]
    assert bottom <= crop.scaled[1]
    assert crop.scaled[0] == bucket[0] or crop.scaled[1] == bucket[1]
