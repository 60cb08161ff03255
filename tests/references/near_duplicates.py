"""Plain loops: hashes of light and shade, pairs, and folding."""


def difference_hash(grey: list[list[int]]) -> int:
    """Bit 8 r + c is one if patch (r, c) is brighter than its right neighbour."""
    bits = 0
    for r in range(8):
        for c in range(8):
            if grey[r][c] > grey[r][c + 1]:
                bits += 2 ** (8 * r + c)
    return bits


def differing_bits(first: int, second: int) -> int:
    """Of two hashes, signed or not, of 64 bits."""
    return sum((first >> bit) % 2 != (second >> bit) % 2 for bit in range(64))


def ones(hash: int) -> int:
    """How many of 64 bits are set."""
    return sum((hash >> bit) % 2 for bit in range(64))


def near_pairs(hashes: list[int], most_bits: int, fewest: int) -> set[tuple[int, int]]:
    """Every pair, compared."""
    told = [i for i, hash in enumerate(hashes) if fewest <= ones(hash) <= 64 - fewest]
    return {
        (i, j)
        for i in told
        for j in told
        if i < j and differing_bits(hashes[i], hashes[j]) <= most_bits
    }
