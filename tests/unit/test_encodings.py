"""What is compressed is inflated again, in steps and up to a limit."""

from __future__ import annotations

import asyncio
import os
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import encodings, errors

LARGEST = 2**20
SIZES = [0, 1, encodings.SMALL, encodings.SMALL + 1, encodings.OUT_STEP, encodings.OUT_STEP + 1]


@pytest.mark.parametrize("size", [*SIZES, LARGEST])
@pytest.mark.parametrize("coding", encodings.FORMATS)
def test_a_content_of_any_size_comes_back(coding: encodings.Coding, size: int) -> None:
    for content in (b"a" * size, os.urandom(size)):
        sent = asyncio.run(encodings.deflate(content, coding))
        assert asyncio.run(encodings.inflate(coding.encode(), sent, LARGEST)) == content


@pytest.mark.parametrize("size", [100, encodings.OUT_STEP, LARGEST])
def test_the_limit_is_met_to_the_byte(size: int) -> None:
    """INP-13."""
    sent = zlib.compress(b"a" * size)
    assert len(asyncio.run(encodings.inflate(b"deflate", sent, size))) == size
    with pytest.raises(errors.RequestTooLarge):
        asyncio.run(encodings.inflate(b"deflate", sent, size - 1))


@given(raw=st.binary(min_size=1, max_size=300), header=st.sampled_from([b"gzip", b"deflate"]))
def test_bytes_of_any_kind_are_content_or_refused(raw: bytes, header: bytes) -> None:
    """INP-19."""
    with suppress(errors.HttpError):
        assert len(asyncio.run(encodings.inflate(header, raw, LARGEST))) <= LARGEST


@given(header=st.binary(max_size=250))
def test_a_wish_of_any_kind_is_a_known_encoding_or_none(header: bytes) -> None:
    assert encodings.choose(header) in ("gzip", "deflate", None)
