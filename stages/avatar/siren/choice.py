"""Which kernel computes a student on this machine."""

from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.native_kernel import NativeKernel, NativeMissing
from stages.avatar.siren.numpy_kernel import NumpyKernel


def best_kernel(workers: int, *, coarse: bool = False) -> Kernel:
    """Return the fastest kernel there is for `workers` threads.

    With `coarse`, the layers that bear it are computed in half precision where processor and kernel
    can; `Kernel.precision` tells.
    """
    for halves in (True, False) if coarse else (False,):
        try:
            return NativeKernel(workers, coarse=halves)
        except NativeMissing:
            continue
    return NumpyKernel(workers)
