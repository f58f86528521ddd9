"""Records the element-wise operators: `python tests/record/pointwise.py` writes the fixtures of that family."""

import pathlib
import warnings

import torch

from fixture import Recorder

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
FIXTURES = pathlib.Path(__file__).parents[2] / "model/src/operators/fixtures"

USUAL = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.int8, torch.int16, torch.bool,
         torch.float16, torch.bfloat16]
NAN, INF = float("nan"), float("inf")


def t(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


def mixed(dtype):
    """Some elements of any dtype."""
    if dtype == torch.bool:
        return t([True, False, True, True], dtype)
    if dtype.is_floating_point:
        return t([0.5, -1.75, 3.0, -0.0], dtype)
    return t([7, 3, 250, 1], torch.int64).to(dtype)


def arithmetic():
    r = Recorder()
    for op in ["add", "sub", "mul", "div", "floor_divide", "remainder", "fmod"]:
        plain = op + (".Tensor" if op != "floor_divide" else "")
        for dtype in USUAL:
            r(plain, mixed(dtype), mixed(dtype).flip(0) + 2 if dtype != torch.bool else mixed(dtype).flip(0))
            r(f"{op}.Scalar", mixed(dtype), 3)
            r(f"{op}.Scalar", mixed(dtype), -1.7)
            r(f"{op}_.Scalar", mixed(dtype), 2)
            r(f"{op}_.Scalar", mixed(dtype), 0.3)
        for a, b in [(torch.uint8, torch.int8), (torch.bool, torch.int32), (torch.int64, torch.float32),
                     (torch.float16, torch.bfloat16), (torch.float32, torch.float64)]:
            r(plain, t([1, 1, 1], a), t([2, 1, 1], b))
            r(plain, t([1, 1, 1], a), t(1, b))
            r(plain, t(1, a), t([1], b))
        r(plain, t([[1], [2]]), t([3, 4, 5]))
        r(plain, t([1, 2, 3]), t([1, 2]))
        r(plain, torch.ones(2, 0), torch.ones(0))
        r(plain, torch.ones(2, 0), torch.ones(2, 1))
        r(plain, torch.arange(6.0).view(2, 3).t(), torch.arange(1.0, 3.0))
        r(plain, t([1, 2], torch.int64), t([1, 0], torch.int64))
        r(plain, t([1.0, -2, 0]), t([0.0, 0, 0]))
        r(plain, t([5.5, -5.5, INF, 1, NAN]), t([-2.0, 2, 2, INF, 1]))
        r(plain, t([1, -7, 7, -2**63], torch.int64), t([-2**63, 2, -2, 3], torch.int64))
        inplace = f"{op}_.Tensor"
        out = f"{op}.Tensor_out" if op in ["remainder", "fmod"] else f"{op}.out"
        r(inplace, torch.zeros(3), torch.ones(2, 3))
        r(inplace, torch.ones(2, 3), t([1, 2, 3]))
        r(inplace, torch.ones(3, dtype=torch.int64), t([1, 2, 3]))
        r(inplace, torch.ones(1).expand(3), t([1, 2, 3]))
        x = torch.arange(1.0, 7)
        r(inplace, x[1:], x[:-1])
        x = torch.arange(1.0, 7)
        r(inplace, x, x)
        x = torch.arange(1.0, 7).view(2, 3)
        r(inplace, x.select(1, 1), t([3.0, 4.0]))
        r(out, t([1.0, 2]), t([3.0, 4]), out=torch.zeros(2, dtype=torch.float64))
        r(out, t([1.0, 2]), t([3.0, 4]), out=torch.zeros(0))
        r(out, t([1.0, 2]), t([3.0, 4]), out=torch.zeros(2, dtype=torch.int64))
    for op in ["add", "sub", "rsub"]:
        for dtype in USUAL:
            r(f"{op}.Tensor", mixed(dtype), mixed(dtype).flip(0), alpha=2)
            r(f"{op}.Scalar", mixed(dtype), 3, 2)
        r(f"{op}.Tensor", t([0.1, 0.7]), t([0.3, 1e9]), alpha=0.1)
        r(f"{op}.Tensor", t([1, 2], torch.int64), t([1, 2], torch.int64), alpha=1.5)
        r(f"{op}.Tensor", t([True, False], torch.bool), t([1, 2], torch.int64), alpha=3)
        r(f"{op}.Tensor", t([1, 2], torch.int64), t([1, 2], torch.int64), alpha=True)
        r(f"{op}.Tensor", t([1 + 2j], torch.complex64), t([3 - 1j], torch.complex64), alpha=2)
    for op in ["mul", "div"]:
        r(f"{op}.Tensor", t([1 + 2j], torch.complex128), t([3 - 1j], torch.complex128))
        r(f"{op}.Scalar", t([1 + 2j], torch.complex64), 2)
    for mode in [None, "trunc", "floor", "round"]:
        for dtype in USUAL[:7]:
            r("div.Tensor_mode", mixed(dtype), t([2, 2, 3, 1], dtype), rounding_mode=mode)
            r("div_.Scalar_mode", mixed(dtype), 2, rounding_mode=mode)
        r("div.Scalar_mode", t([7.5, -7.5, 0.0, -0.0]), -2.0, rounding_mode=mode)
        r("div.Scalar_mode", t([7, -7]), 0.0, rounding_mode=mode)
    for dtype in USUAL:
        for op in ["maximum", "minimum", "fmax", "fmin"]:
            r(op, mixed(dtype), mixed(dtype).flip(0))
            r(op, mixed(dtype), t(1, torch.int64))
        for exponent in [0, 1, 2, 3, 5, -1, 0.5, 2.5, -2, -0.5]:
            r("pow.Tensor_Scalar", mixed(dtype), exponent, close=True)
        r("pow_.Scalar", mixed(dtype), 2, close=True)
        r("pow.Tensor_Tensor", mixed(dtype), t([3, 2, 1, 0], dtype), close=True)
        r("pow.Scalar", 2, t([3, 2, 1, 0], dtype), close=True)
        r("heaviside", mixed(dtype), mixed(dtype))
        for op in ["atan2", "hypot", "copysign.Tensor", "xlogy.Tensor", "logaddexp", "logaddexp2"]:
            r(op, mixed(dtype), mixed(dtype).flip(0), close=True)
        r("copysign.Scalar", mixed(dtype), -1.0)
        r("xlogy.Scalar_Self", 2, mixed(dtype), close=True)
    r("pow.Tensor_Tensor", t([2, -1, -1, 1, 0], torch.int64), t([-1, -1, -2, -5, 0], torch.int64))
    r("maximum", t([NAN, 1, -0.0]), t([1, NAN, 0.0]))
    r("minimum", t([NAN, 1, -0.0]), t([1, NAN, 0.0]))
    r("fmax", t([NAN, 1, NAN]), t([1, NAN, NAN]))
    r("fmin", t([NAN, 1, NAN]), t([1, NAN, NAN]))
    r("heaviside", t([NAN, 0.0, -0.0, 1, -1]), t([5.0, 5, 6, 7, 8]))
    r("heaviside", t([1]), t([1], torch.int64))
    r("logaddexp", t([INF, -INF, NAN, 1]), t([INF, -INF, 1, INF]), close=True)
    r("xlogy.Tensor", t([0.0, 0, 1, NAN]), t([NAN, 0.0, -1, 1]), close=True)
    r("max.other", t([1, 5]), t([3, 2]))
    r("remainder.Scalar_Tensor", 7, t([2, -3, 5], torch.int64))
    r.write(FIXTURES / "arithmetic.txt")


FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
STRANGE = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5]


def functions():
    r = Recorder()
    names = """sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh
        acosh atanh erf erfc erfinv lgamma digamma sigmoid logit sinc deg2rad rad2deg i0""".split()
    values = [0.25, -0.75, 0.9, 1.5, 2.75, -3.3, 12.0, 60.5]
    for name in names:
        for dtype in FLOATS:
            r(name, t(values if dtype != torch.float16 else values[:6], dtype), close=True)
        r(name, t(STRANGE), close=True)
        r(name, t([1, 0, 3, -1], torch.int64), close=True)
        r(name, t([True, False], torch.bool), close=True)
        r(name, torch.ones(0, 3), close=True)
        r(name, t([[0.5, 0.25], [0.125, 0.75]]).t(), close=True)
        r(name + "_", t([[0.5, 0.25], [0.125, 0.75]])[:, 1], close=True)
        r(name + "_", t([1, 2], torch.int64), close=True)
        r(name + "_", torch.ones(1).expand(2), close=True)
        r(name + ".out", t([1, 2], torch.int32), out=torch.zeros(0), close=True)
        r(name + ".out", t([0.5, 0.25], torch.float64), out=torch.zeros(2), close=True)
        r(name + ".out", t([0.5, 0.25]), out=torch.zeros(2, dtype=torch.int64), close=True)
    for eps in [None, 0.1]:
        r("logit", t([0.0, 0.05, 0.5, 0.95, 1.0, 2.0]), eps, close=True)
    for name in ["special_expit", "special_gammaln", "special_ndtr", "special_entr"]:
        r(name, t([0.5, 0.0, -1.0, 2.0]), close=True)
    for name in ["abs", "neg", "sign", "sgn", "square", "floor", "ceil", "round", "trunc", "frac", "nan_to_num"]:
        for dtype in USUAL:
            r(name, mixed(dtype))
            r(name + "_", mixed(dtype))
        r(name, t(STRANGE + [2.5, -2.5, 3.5, 0.3]))
        r(name, t([[0.5, 0.25], [0.125, 0.75]]).t())
        r(name + ".out", t([1.5, -2]), out=torch.zeros(0))
    r("neg", t([1 + 2j], torch.complex64))
    for decimals in [2, 0, -1]:
        r("round.decimals", t([123.456, -0.125, 15.0, 25.0]), decimals=decimals)
        r("round_.decimals", t([123, 15], torch.int64), decimals=decimals)
    r("nan_to_num", t(STRANGE), 1.5, 100.0, -100.0)
    r("nan_to_num", t(STRANGE, torch.float16), 1.5, 1e9)
    r("positive", t([1.0]))
    r("positive", t([True], torch.bool))
    r.write(FIXTURES / "functions.txt")


def activation():
    r = Recorder()
    values = [0.25, -0.75, 3.5, -3.5, 0.0, 7.0, -7.0, 25.0]
    calls = [("relu",), ("relu6",), ("leaky_relu",), ("leaky_relu", 0.3), ("elu",), ("elu", 0.5, 2.0, 1.5), ("selu",),
             ("celu",), ("celu", 2.0), ("celu", 0.0), ("gelu",), ("silu",), ("mish",), ("hardtanh",),
             ("hardtanh", -2, 2.5), ("hardsigmoid",), ("hardswish",), ("threshold", 0.5, 9.0)]
    for name, *args in calls:
        for dtype in USUAL:
            r(name, t(values).to(dtype), *args, close=True)
        # The vectorized GELU of PyTorch makes NaN of infinity.
        r(name, t(STRANGE if name != "gelu" else STRANGE[3:]), *args, close=True)
        r(name, torch.arange(-3.0, 3.0).view(2, 3).t(), *args, close=True)
        r(name, torch.ones(0), *args, close=True)
        r(name + "_", torch.arange(-3.0, 3.0).view(2, 3)[:, 1], *args, close=True)
        r(name + "_", t([1, -2], torch.int64), *args, close=True)
        if name not in ["relu6", "selu"]:
            r(name + ".out", t([0.5, -2]), *args, out=torch.zeros(0), close=True)
    for name, *args in [("hardshrink",), ("hardshrink", 1), ("softshrink",), ("softshrink", 0.75), ("softshrink", -1.0),
                        ("softplus",), ("softplus", 2, 5), ("log_sigmoid",)]:
        for dtype in FLOATS + [torch.int64]:
            r(name, t(values).to(dtype), *args, close=True)
        r(name, t(STRANGE), *args, close=True)
    for mode in ["tanh", "none", "other"]:
        r("gelu", t(values), approximate=mode, close=True)
        r("gelu_", t(values), approximate=mode, close=True)
    x = torch.arange(-6.0, 6.0).view(2, 3, 2)
    r("prelu", x, t([0.25]))
    r("prelu", x, t([0.25, 0.5, 2.0]))
    r("prelu", x, t([0.25, 0.5]))
    r("prelu", x[0, 0], t([0.5]))
    r("prelu", x[0, 0], t([0.5, 0.25]))
    r("prelu", x, t([0.25], torch.float64))
    for dim in [0, -1, 1, 5]:
        r("glu", x, dim, close=True)
    r("glu", x.transpose(0, 2), 0, close=True)
    r("glu", t(1.0), close=True)
    r.write(FIXTURES / "activation.txt")


def compare():
    r = Recorder()
    for op in ["eq", "ne", "lt", "le", "gt", "ge"]:
        for dtype in USUAL:
            r(f"{op}.Tensor", mixed(dtype), mixed(dtype).flip(0))
            r(f"{op}.Scalar", mixed(dtype), 3)
            r(f"{op}.Scalar", mixed(dtype), 0.5)
            r(f"{op}_.Scalar", mixed(dtype), 1)
        r(f"{op}.Tensor", t([1, 2, 3]), t([[1], [2]], torch.int64))
        r(f"{op}.Tensor", t([1, 2, 3]), t([1, 2]))
        r(f"{op}.Tensor", t([NAN, INF, 0.0]), t([NAN, INF, -0.0]))
        r(f"{op}.Scalar", t([44, 1], torch.uint8), 300)
        r(f"{op}_.Tensor", t([1, 2, 3]), t([3, 2, 1]))
        r(f"{op}_.Tensor", t([1, 2, 3], torch.int64), t([3, 2, 1.5]))
        r(f"{op}.Tensor_out", t([1, 2, 3]), t([3, 2, 1]), out=torch.zeros(3))
        r(f"{op}.Tensor_out", t([1, 2, 3]), t([3, 2, 1]), out=torch.zeros(0, dtype=torch.bool))
    r("eq.Tensor", t([1 + 2j], torch.complex64), t([1], torch.float32))
    for name in ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit"]:
        for dtype in USUAL:
            r(name, mixed(dtype))
        r(name, t(STRANGE))
        r(name, t(STRANGE, torch.float16))
    for args in [(), (0.1,), (0.0, 0.5), (1e-5, 1e-8, True), (-1.0,)]:
        r("isclose", t([1.0, NAN, INF, 2.0, INF]), t([1.05, NAN, INF, 2.000001, -INF]), *args)
        r("allclose", t([1.0, 2.0]), t([1.05, 2.000001]), *args)
        r("isclose", t([1, 5], torch.int64), t([1, 6], torch.int64), *args)
    r("isclose", t([1.0]), t([1.0], torch.float64))
    r("allclose", t([1.0, NAN]), t([1.0, NAN]), equal_nan=True)
    r("equal", t([1, 2]), t([1, 2]))
    r("equal", t([1, 2]), t([1, 3]))
    r("equal", t([1, 2]), t([[1, 2]]))
    r("equal", t([1, 2]), t([1, 2], torch.int64))
    r("equal", t([NAN]), t([NAN]))
    r("equal", torch.ones(0), torch.ones(0))
    for op in ["logical_and", "logical_or", "logical_xor"]:
        for dtype in USUAL:
            r(op, mixed(dtype), t([1, 0, 1, 0], dtype))
        r(op, mixed(torch.float32), t([1, 0, 1, 0], torch.int32))
        r(op + "_", mixed(torch.float32), t([1, 0, 1, 0], torch.int32))
        r(op + ".out", t([1.0, 0]), t([1.0, 1]), out=torch.zeros(2))
    for dtype in USUAL:
        r("logical_not", mixed(dtype))
        r("logical_not_", mixed(dtype))
        r("bitwise_not", mixed(dtype))
        for op in ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"]:
            r(f"{op}.Tensor", mixed(dtype), t([1, 0, 1, 3], dtype))
        for op in ["and", "or", "xor", "lshift", "rshift"]:
            r(f"__{op}__.Tensor", mixed(dtype), t([1, 0, 1, 3], dtype))
            r(f"__{op}__.Scalar", mixed(dtype), 2)
            r(f"__i{op}__.Scalar", mixed(dtype), 2)
    for op in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
        r(f"{op}.Scalar", t([True, False], torch.bool), True)
        r(f"{op}.Tensor", t([True, False], torch.bool), t([5, 6], torch.uint8))
        r(f"{op}_.Tensor", t([True, False], torch.bool), t([5, 6], torch.uint8))
        r(f"{op}.Scalar_Tensor", 6, t([5, 6], torch.uint8))
    for dtype in [torch.int64, torch.int32, torch.int8, torch.uint8]:
        r("bitwise_left_shift.Tensor", t([1, 1, 1, 1], dtype), t([3, 7, 64, 100], dtype))
        r("bitwise_right_shift.Tensor", t([100, 100, 100, 100], dtype), t([3, 7, 64, 100], dtype))
    r("bitwise_right_shift.Tensor", t([-100, -1, -5], torch.int64), t([3, 64, -1], torch.int64))
    r("bitwise_left_shift.Tensor", t([-100, -1, -5], torch.int64), t([3, 64, -1], torch.int64))
    r.write(FIXTURES / "compare.txt")


def select():
    r = Recorder()
    for dtype in USUAL:
        for args in [(0, 2), (None, 1), (1,), (0.5, 2.5), (None, None), (3, 1), (NAN, 1.0)]:
            r("clamp", mixed(dtype), *args)
        r("clamp_", mixed(dtype), 0, 2)
        r("clamp_", mixed(dtype), 0.5, 2)
        r("clamp_min", mixed(dtype), 1)
        r("clamp_max", mixed(dtype), 1.5)
        r("clamp.Tensor", mixed(dtype), t([0, 1, 2, 3], dtype), t(2, dtype))
        r("where.self", t([True, False, True, False], torch.bool), mixed(dtype), mixed(dtype).flip(0))
        r("where.ScalarOther", t([True, False, True, False], torch.bool), mixed(dtype), 2)
        r("where.ScalarSelf", t([True, False, True, False], torch.bool), 1.5, mixed(dtype))
        for value in [2, 1.5, -1, 300, INF]:
            r("masked_fill.Scalar", mixed(dtype), t([True, False, True, False], torch.bool), value)
        r("masked_fill_.Scalar", mixed(dtype), t([True, False, True, False], torch.bool), 0)
        r("masked_fill.Tensor", mixed(dtype), t([[True], [False]], torch.bool), t(1, dtype))
        r("lerp.Scalar", mixed(dtype), mixed(dtype).flip(0), 0.3, close=True)
        r("addcmul", mixed(dtype), mixed(dtype).flip(0), mixed(dtype))
        r("addcmul", mixed(dtype), mixed(dtype).flip(0), mixed(dtype), value=3)
        r("addcmul", mixed(dtype), mixed(dtype).flip(0), mixed(dtype), value=0.3, close=True)
        r("addcdiv", mixed(dtype), mixed(dtype).flip(0), mixed(dtype), value=2, close=True)
    r("clamp", t([NAN, 1, INF, -INF]), -1, 2)
    r("clamp.Tensor", t([NAN, 1, 5]), t([0.0, NAN, 1]), t([1.0, 2, NAN]))
    r("clamp.Tensor", t([1, 5]), t([[0.0], [3]]))
    r("clamp.out", t([1, 5]), 2, 3, out=torch.zeros(0))
    r("clamp_min.Tensor", t([1, 5], torch.int64), t([1.5, 2]))
    r("clip", t([1, 5]), 2, 3)
    r("where.self", t([[True], [False]], torch.bool), t([1, 2]), t(5, torch.int64))
    r("where.self", t([1, 0], torch.uint8), t([1, 2]), t([3, 4]))
    r("where.self", t([1, 0]), t([1, 2]), t([3, 4]))
    r("where.self", t([True, False], torch.bool), t([1, 2, 3]), t([3, 4]))
    r("where.Scalar", t([True, False], torch.bool), 1, 2.5)
    r("where.Scalar", t([True, False], torch.bool), 1, 2)
    r("where.Scalar", t([True, False], torch.bool), True, False)
    r("where.ScalarOther", t([True, False], torch.bool), t([1, 2], torch.int32), 2.5)
    r("where.self_out", t([True, False], torch.bool), t([1, 2]), t([3, 4]), out=torch.zeros(0))
    mask = t([True, False], torch.bool)
    r("masked_fill.Scalar", t([1, 2]), t([1, 0], torch.uint8), 0)
    r("masked_fill.Scalar", t([1, 2]), t([1, 0]), 0)
    r("masked_fill_.Scalar", t([1, 2]), t([True, False, True], torch.bool), 0)
    r("masked_fill_.Scalar", t([1, 2]), t([[True, False]], torch.bool), 0)
    r("masked_fill.Scalar", t([1, 2]), t([[True], [False]], torch.bool), -INF)
    r("masked_fill_.Scalar", torch.zeros(2, 3).t(), t([True, False], torch.bool), 7)
    r("masked_fill_.Tensor", t([1, 2]), mask, t([5.0]))
    r("masked_fill_.Tensor", t([1, 2]), mask, t(5, torch.int64))
    r("masked_fill_.Tensor", t([1, 2], torch.int64), mask, t(5.5))
    r("masked_fill_.Scalar", torch.zeros(1).expand(2), mask, 7)
    r("lerp.Tensor", t([1, 2]), t([3, 5]), t([0.25, 0.75]))
    r("lerp.Tensor", t([1, 2]), t([3, 5]), t([[0.25], [0.75]]))
    r("lerp_.Scalar", t([1, 2]), t([3, 5]), 0.9, close=True)
    r("lerp_.Scalar", t([1, 2]), t([[3, 5], [6, 7]]), 0.9, close=True)
    r("lerp.Scalar", t([1, 2]), t([3, 5], torch.float64), 0.9)
    r("lerp.Tensor", t([1, 2]), t([3, 5]), t([3, 5], torch.float64))
    r("addcmul_", t([1, 2]), t([3, 5]), t([[3.0], [5]]))
    r("addcmul_", t([1, 2]), t([3, 5]), t([3, 5], torch.float64))
    r("addcmul", t([1, 2], torch.int64), t([3, 5], torch.int64), t([3, 5], torch.int64), value=1.5)
    r("addcdiv_", t([1, 2]), t([3, 5]), t([2.0, 0]), value=-0.1, close=True)
    r.write(FIXTURES / "select.txt")


if __name__ == "__main__":
    arithmetic()
    functions()
    activation()
    compare()
    select()
