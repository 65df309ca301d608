"""The device by its name, and the precision it computes in."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UsageError
from workbench.learning.device import keep_freed_memory, precision, select_device, synchronize

CPU = torch.device("cpu")


def test_the_default_is_the_accelerator_or_the_cpu():
    expected = torch.accelerator.current_accelerator(check_available=True) or CPU
    assert select_device().type == expected.type
    assert select_device("cpu") == CPU


@pytest.mark.parametrize("name", ["tpu9", "xpu", "nonsense", "cuda:99", "meta"])
def test_a_device_that_this_machine_lacks(name):
    with pytest.raises(UsageError, match=f"no device '{name}'; use --device cpu"):
        select_device(name)


def test_precision_is_that_of_the_operations_inside():
    a, b = torch.ones(2, 2), torch.ones(2, 2)
    with precision("bfloat16", CPU):
        assert (a @ b).dtype == torch.bfloat16
    with precision("float32", CPU):
        assert (a @ b).dtype == torch.float32


def test_waiting_for_the_cpu_and_keeping_memory_change_no_result():
    before = torch.arange(5)
    keep_freed_memory()
    synchronize(CPU)
    assert torch.equal(before, torch.arange(5))
