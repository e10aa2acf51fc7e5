"""`feedfall runs`: how it shows what a run has claimed."""

from collections.abc import Sequence

import pytest

from cli.status import partition_ranges


@pytest.mark.parametrize(
    ("partitions", "shown"), [([], ""), ([0], "0"), ([0, 1, 2, 5], "0-2,5"), ([1, 3], "1,3"), ([7, 8], "7-8")]
)
def test_partitions__that_follow_one_another_are_one_range(partitions: Sequence[int], shown: str) -> None:
    assert partition_ranges(partitions) == shown
