"""Compress the bytes of a tensor into independent blocks, and back.

Weights look random, but their exponents repeat: put together, byte by byte of equal significance
("shuffled"), they shrink. Each tensor is tried on a sample, and is shuffled and compressed,
compressed as it is, or left alone. Each block is a zstd frame of its own, so blocks are worked on
by several threads, and a block never grows past its declared size on the way back.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import TYPE_CHECKING

from ._index import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from ._bytes import Buffer

LEVEL = 1
BLOCK_BYTES = 3 << 18  # divisible by every element size up to 16, and by 6 and 12
SAMPLE_BYTES = 48 << 10
WORTH_IT = 0.95


def compress(
    data: memoryview, item_size: int, seen: Callable[[bytes], object]
) -> tuple[Blocks, list[bytes]] | None:
    """Compress the bytes of a tensor, or return None where that saves less than 5 %.

    Args:
        data: The bytes. Each is read once, should they change meanwhile.
        item_size: Bytes per element.
        seen: Called with what is compressed, one block after another.
    """
    middle = len(data) // 2 // item_size * item_size
    sample = bytes(data[middle : middle + SAMPLE_BYTES])
    shuffle = min({item_size, 1}, key=lambda planes: _pack_size(sample, planes))
    if not sample or _pack_size(sample, shuffle) > WORTH_IT * len(sample):
        return None
    packed: list[bytes] = []
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        under_way: deque[Future[bytes]] = deque()
        for begin in range(0, len(data), BLOCK_BYTES):
            block = bytes(data[begin : begin + BLOCK_BYTES])
            seen(block)
            under_way.append(pool.submit(_pack, block, shuffle))
            if len(under_way) > 2 * threads:
                packed.append(under_way.popleft().result())
        packed += [future.result() for future in under_way]
    sizes = tuple(map(len, packed))
    if sum(sizes) > WORTH_IT * len(data):
        return None
    return Blocks(shuffle=shuffle, raw=BLOCK_BYTES, sizes=sizes), packed


def decompress(data: Buffer, blocks: Blocks, nbytes: int) -> bytearray:
    """Return the bytes of a tensor.

    Args:
        data: The blocks, one after another.
        blocks: What the index says of them.
        nbytes: How many bytes the tensor has; no more are ever made.

    Raises:
        ValueError: The blocks do not give these bytes.
    """
    places = _places(data, blocks, nbytes)
    out = bytearray(nbytes)

    def unpack(place: tuple[int, int, memoryview]) -> None:
        start, size, block = place
        out[start : start + size] = _unpack(block, blocks.shuffle, size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(unpack, places):
            pass
    return out


def decompressed(data: Buffer, blocks: Blocks, nbytes: int) -> Iterator[Buffer]:
    """Yield the bytes of a tensor block by block; see :func:`decompress`."""
    for _, size, block in _places(data, blocks, nbytes):
        yield _unpack(block, blocks.shuffle, size)


def _places(data: Buffer, blocks: Blocks, nbytes: int) -> list[tuple[int, int, memoryview]]:
    """Return where each block belongs, how many bytes it becomes, and the block."""
    count = -(-nbytes // blocks.raw)
    if count != len(blocks.sizes) or sum(blocks.sizes) != len(data):
        raise ValueError(f"{len(blocks.sizes)} blocks where {count} belong")
    starts = range(0, nbytes, blocks.raw)
    ends = accumulate(blocks.sizes)
    return [
        (start, min(blocks.raw, nbytes - start), memoryview(data)[end - size : end])
        for start, size, end in zip(starts, blocks.sizes, ends, strict=True)
    ]


def _pack(data: bytes, shuffle: int) -> bytes:
    if shuffle > 1:
        data = b"".join(data[plane::shuffle] for plane in range(shuffle))
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.compress(data, LEVEL)


def _pack_size(data: bytes, shuffle: int) -> int:
    return len(_pack(data, shuffle))


def _unpack(data: Buffer, shuffle: int, size: int) -> bytes | bytearray:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    decoder = zstd.ZstdDecompressor()
    try:
        raw = decoder.decompress(data, max_length=size + 1)
    except zstd.ZstdError as error:
        raise ValueError(f"a block is damaged: {error}") from error
    if len(raw) != size or not decoder.eof or decoder.unused_data:
        raise ValueError(f"a block does not give its {size} bytes")
    if shuffle == 1:
        return raw
    if size % shuffle:
        raise ValueError(f"a block of {size} bytes has no {shuffle} planes")
    out, length = bytearray(size), size // shuffle
    for plane in range(shuffle):
        out[plane::shuffle] = raw[plane * length : (plane + 1) * length]
    return out
