"""Records how tensors are made and converted: `python tests/record/creation.py` writes the fixtures of that family."""

import pathlib
import warnings

import torch

from fixture import Recorder

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).parents[2] / "model/src/operators/fixtures"
USUAL = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.int8, torch.int16, torch.bool,
         torch.float16, torch.bfloat16, torch.complex64]
NAN, INF = float("nan"), float("inf")


def t(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


def script(data, name):
    """`torch.tensor` of a list as TorchScript calls it."""
    kind, item = "{}", data
    while isinstance(item, list):
        kind, item = kind.format("List[{}]"), item[0]
    kind = kind.format(type(item).__name__)
    function = f"def f(data: {kind}, dtype: Optional[int]) -> Tensor:\n  return torch.{name}(data, dtype=dtype)\n"
    compiled = torch.jit.CompilationUnit(function)
    return lambda data, dtype, *rest: compiled.f(data, dtype)


def creation():
    r = Recorder()
    for name in ["zeros", "ones"]:
        for dtype in [None] + USUAL:
            r(name, [2, 3], dtype=dtype)
        r(name, [])
        r(name, [0, 4], device=torch.device("cpu"))
        r(name, [2, -3])
        r(name + ".out", [2], out=torch.zeros(0))
        r(name + ".out", [2], out=t([5, 6], torch.int64))
    for value in [1, 2.5, True, 300, -1, INF, 1e300]:
        for dtype in [None] + USUAL:
            r("full", [2], value, dtype=dtype)
        r("full.out", [2], value, out=t([5, 6], torch.int32))
        r("full_like", t([1, 2]), value)
        r("new_full", t([1, 2], torch.int64), [1], value)
        r("scalar_tensor", value)
        r("scalar_tensor", value, dtype=torch.float64)
    r("full", [2], 1 + 2j)
    r("full", [-1], 1)
    views = [torch.arange(6.0).view(2, 3), torch.arange(6.0).view(2, 3).t(), torch.arange(12.0).view(3, 4)[:, ::2].t(),
             torch.ones(1).expand(3, 2), torch.zeros(2, 3, 4, 5).to(memory_format=torch.channels_last), torch.ones(0, 2),
             torch.ones(2, 1, 3).transpose(0, 2)]
    for x in views:
        for name in ["zeros_like", "ones_like"]:
            r(name, x)
            r(name, x, dtype=torch.int64)
            r(name, x, memory_format=torch.contiguous_format)
            r(name, x, memory_format=torch.channels_last)
        r("new_zeros", x, [2, 2])
        r("new_ones", x, [2, 2], dtype=torch.bool)
        r("clone", x)
        r("clone", x, memory_format=torch.contiguous_format)
        r("clone", x, memory_format=torch.channels_last)
        r("contiguous", x)
        r("contiguous", x, memory_format=torch.channels_last)
        r("_to_copy", x, dtype=torch.float64)
        r("to.dtype", x, torch.float32)
        r("to.dtype", x, torch.int64)
        r("to.dtype", x, torch.float32, False, True)
        r("to.dtype", x, torch.float32, memory_format=torch.channels_last)
        r("fill.Scalar", x, 2)
        r("detach", x)
        r("alias", x)
    r("zeros_like.out", t([1, 2]), out=torch.zeros(0))
    r("clone.out", t([1, 2]), out=torch.zeros(0))
    for n in [0, 1, 3, -1]:
        r("eye", n)
        r("eye.m", n, 2, dtype=torch.int64)
    r("eye.m", 3, -1)
    r("eye.out", 2, out=torch.zeros(0))
    for args in [(5,), (0,), (2.5,), (-1,), (NAN,), (INF,)]:
        for dtype in [None, torch.float64, torch.int32]:
            r("arange", *args, dtype=dtype)
    for args in [(1, 5), (5, 1), (1.5, 4), (2, 2), (-3, 3)]:
        r("arange.start", *args)
        r("arange.start", *args, dtype=torch.float16)
        r("range", *args)
    for args in [(1, 10, 3), (10, 1, -3), (0, 1, 0.1), (1, 2, 0), (1, 5, -1), (0, 7, 2), (5, -5, -4), (0.0, 1.0, 0.3)]:
        for dtype in [None, torch.float64, torch.int64]:
            r("arange.start_step", *args, dtype=dtype, close=True)
        r("range.step", *args, close=True)
    r("arange.start_out", 1, 7, 2, out=torch.zeros(0))
    r("arange.out", 3, out=torch.zeros(0, dtype=torch.int64))
    for args in [(0, 1, 5), (0, 10, 4), (3, -3, 7), (0, 1, 0), (2, 3, 1), (0, 1, -1), (-1.5, 2.5, 6), (0, 10, 3)]:
        for dtype in [None, torch.float64, torch.int64, torch.float16]:
            r("linspace", *args, dtype=dtype, close=True)
            if dtype != torch.int64:
                r("logspace", *args, dtype=dtype, close=True)
    r("logspace", 0, 3, 4, 2.0, close=True)
    r("linspace.Tensor_Tensor", t(1.0), t(2.0), 3, close=True)
    r("linspace.Tensor_Scalar", t([1.0]), 2.0, 3, close=True)
    for name in ["hann_window", "hamming_window", "blackman_window", "bartlett_window"]:
        for length in [0, 1, 2, 5, 8, -1]:
            r(name, length, close=True)
            r(name + ".periodic", length, False, close=True)
    for dtype in [None] + USUAL:
        for kind, value in [("float", 1.5), ("int", 3), ("bool", True), ("int", -1)]:
            r(f"tensor.{kind}", value, dtype=dtype)
    r("as_tensor.float", 2.5)
    for data in [[1, 2], [1.5, 2.0], [True, False], [[1, 2], [3, 4]], [[[1.5], [2.5]]], [[1, 2], [3]], [[1], [2, 3]]]:
        r("tensor", data, via=script(data, "tensor"))
        r("tensor", data, dtype=torch.float64, via=script(data, "tensor"))
        r("as_tensor.list", data, via=script(data, "as_tensor"))
    r("tensor", [300], dtype=torch.uint8, via=script([300], "tensor"))
    r("empty_strided", [2, 3], [1], )
    r.write(FIXTURES / "creation.txt")


def conversion():
    r = Recorder()
    values = [1.9, -1.9, 300.7, 0.0, -0.4]
    for a in USUAL:
        for b in USUAL:
            x = t(values).to(a)
            if a.is_complex and not b.is_complex:
                continue
            if b == torch.uint8 and a.is_floating_point:
                x = x.abs()
            r("to.dtype", x, b)
            r("copy_", torch.zeros(5, dtype=b), x)
        x = t([1, 0, 2]).to(a)
        r("_cast_Float", x)
        r("_cast_Long", x) if not a.is_complex else None
        r("type_as", x, t([1.0]))
        r("to.other", x, t([1.0], torch.float64))
        r("item", x[0])
        r("item", x)
        r("item", x[:1])
        r("Bool.Tensor", x[1])
        r("Bool.Tensor", x)
        r("Int.Tensor", x[2])
        r("Float.Tensor", x[2])
        r("IntImplicit", x[2])
        r("FloatImplicit", x[2])
        r("ScalarImplicit", x[2])
        r("IntImplicit", x)
        r("fill_.Scalar", x, 7)
        r("fill_.Scalar", x, 2.5)
        r("fill_.Scalar", x, -3)
        r("fill_.Scalar", x, 1e6)
        r("fill_.Tensor", x, t(3.5))
        r("zero_", x)
    r("to.dtype", t([1e10, -1e10, NAN]), torch.int64)
    r("to.dtype", t([1.5, NAN, 0.0]), torch.bool)
    r("to.device", t([1.0]), torch.device("cpu"), torch.float32)
    r("to.device", t([1.0]), torch.device("cpu"), torch.int32)
    r("to.dtype_layout", t([1.0]), dtype=torch.int32)
    r("to.dtype_layout", t([1.0]))
    r("to.prim_dtype", t([1.0]), 4)
    r("to.prim_dtype", t([1.0]), 6)
    r("to.prim_dtype", t([1.0]))
    r("to.prim_other", t([1.0]))
    r("to.prim_Device", t([1.0]), torch.device("cpu"))
    r("to.prim_Device", t([1.0]), torch.device("cpu"), 7)
    r("as_tensor", t([1.0]))
    r("as_tensor", t([1.0]), dtype=torch.float64)
    r("cpu", t([1.0]))
    r("to_dense", t([1.0]))
    r("contiguous", t([1.0]))
    r("copy_", torch.zeros(2, 3), t([1, 2, 3]))
    r("copy_", torch.zeros(2, 3), t(5, torch.int64))
    r("copy_", torch.zeros(3), torch.ones(2, 3))
    r("copy_", torch.zeros(3), torch.ones(2))
    r("copy_", torch.zeros(3), torch.ones(1, 3))
    r("copy_", torch.zeros(2, 3).t(), torch.arange(6.0).view(3, 2))
    r("copy_", torch.zeros(6)[::2], torch.arange(3))
    r("copy_", torch.zeros(0), torch.ones(1))
    r("copy_", torch.zeros(1).expand(3), torch.ones(3))
    x = torch.arange(6.0)
    r("copy_", x[1:], x[:-1])
    x = torch.arange(6.0)
    r("copy_", x, x)
    x = torch.arange(9.0).view(3, 3)
    r("copy_", x, x.t())
    r("copy_.Tensor", torch.zeros(2), torch.ones(2))
    r("copy_.int", torch.zeros(2), 3)
    r("copy_.float", torch.zeros(2), 3.5)
    r("copy", torch.zeros(2), t(3, torch.int64))
    r("fill_.Scalar", torch.zeros(2, 3)[:, 1], 3)
    r("fill_.Scalar", torch.zeros(1).expand(3), 3)
    r("fill_.Scalar", torch.zeros(0), 3)
    r("fill_.Tensor", torch.zeros(2), t([3.0]))
    r("fill_.Tensor", torch.zeros(2), t(300), )
    r("fill_.Tensor", torch.zeros(2, dtype=torch.uint8), t(300))
    r("zero_", torch.ones(2, 3).t())
    r("zero", torch.ones(2, 3).t())
    r("Int.Tensor", t(2.9))
    r("Int.Tensor", t(INF))
    r("Int.Tensor", t([1.0, 2]))
    r("Bool.Tensor", t([]))
    r("Bool.Tensor", t(NAN))
    r("Float.Tensor", t(3, torch.int64))
    r("Complex.Tensor_Tensor", t(1.5), t(2.0))
    r("Complex.Tensor_float", t(1.5), 2.0)
    r("result_type.Tensor", t([1], torch.int32), t(1.5))
    r("result_type.Scalar", t([1], torch.int32), 1.5)
    r("promote_types", torch.uint8, torch.int8)
    r("can_cast", torch.float32, torch.int64)
    r("resolve_conj", t([1.0]))
    r("detach_", t([1.0]))
    r.write(FIXTURES / "conversion.txt")


if __name__ == "__main__":
    creation()
    conversion()
