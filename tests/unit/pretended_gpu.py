"""A GPU that this machine does not have: tensors that say they are on "cuda" and compute on the CPU.

It refuses what a GPU would refuse: tensors of two devices in one operation, random numbers of another device's
generator, and NumPy arrays of its memory. It shows nothing of kernels, speed, memory, or rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

aten = torch.ops.aten
GPU = torch.device("cuda", 0)
MIXES = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Tensor}
"""Operations of tensors of two devices."""
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
"""Operations whose indices may be on the CPU whatever is indexed."""


class OnGpu(Tensor):
    """A tensor of the pretended GPU; `values` are on the CPU. To C++ it is on "meta", which needs no driver."""

    values: Tensor
    device = property(lambda _: GPU)
    is_cuda = property(lambda _: True)
    tolist = lambda self: self.values.tolist()  # noqa: E731
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values: Tensor) -> OnGpu:
        return Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device="meta",
        )

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Makes tensors there that are asked for there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    there = any(isinstance(value, OnGpu) for value in tensors)
    kwargs = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type in ("cuda", "meta")
        kwargs["device"] = torch.device("cpu")
        if there and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    elif func in MIXES:
        there = isinstance(args[0], OnGpu)
    if func in INDEXED:
        _check(func, [args[0], *args[2:3]])
        if not isinstance(args[0], OnGpu) and there:
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    elif func not in MIXES:
        _check(func, tensors)
    inner_args, inner_kwargs = tree_map(_values, (args, kwargs))
    result = func(*inner_args, **inner_kwargs)
    if there:
        result = tree_map(lambda value: OnGpu(value) if isinstance(value, Tensor) else value, result)
    return return_and_correct_aliasing(func, args, kwargs, result) if there else result


def _check(func: Any, tensors: list[Tensor]) -> None:
    """One number on the CPU may meet tensors of a GPU."""
    places = {
        value.device for value in tensors if isinstance(value, Tensor) and (value.dim() or isinstance(value, OnGpu))
    }
    if len(places) > 1:
        raise RuntimeError(f"{func}: Expected all tensors to be on the same device, but found at least two devices")


def _values(value: Any) -> Any:
    return value.values if isinstance(value, OnGpu) else value


def _made_there(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def made(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        if isinstance(data, OnGpu):
            return data.to(device=device or GPU, **options)
        return make(data, **options) if device is None else make(data, **options).to(device)

    return made


@contextmanager
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it, `device="cuda"` works."""
    torch._C._ensureCUDADeviceGuardSet()  # no driver is asked; as torch does for its fake tensors
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 5))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (10**9, 10**9))
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # which a class of tensors cannot enter
    for name in ("tensor", "as_tensor"):  # they go past whoever listens
        monkeypatch.setattr(torch, name, _made_there(getattr(torch, name)))
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # else a module keeps memory without our class
    try:
        with _Factories():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
