"""Records the operators that make one number of many, and sorting: python reductions.py"""

from pathlib import Path

import torch
from recorder import Recorder, x

FILE = Path(__file__).parents[2] / "model/src/operators/reduce/recorded.txt"
f16, bf16, f32, f64, i64, i32, u8, b8 = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool,
)  # fmt: skip
record = Recorder(FILE)
nan, inf = float("nan"), float("inf")
odd = torch.tensor([[1.0, nan, -2.0], [inf, 0.5, -inf]])
spread = x(3, 4, 2).transpose(0, 2)

for dtype in (f16, bf16, f32, f64, i64, i32, u8, b8):
    t = x(2, 3, dtype=dtype) if dtype != u8 else x(2, 3, low=0, high=4, dtype=u8)
    for name in ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "amax", "amin", "aminmax",
                 "count_nonzero", "mean", "std", "var", "norm.Scalar", "median", "nansum", "std_mean"):  # fmt: skip
        record(name, t)
    for name in ("max.dim", "min.dim", "any.dim", "all.dim", "argmax", "cumsum", "cumprod", "sort", "argsort",
                 "softmax.int", "log_softmax.int", "prod.dim_int", "median.dim", "cummax", "cummin", "mode"):  # fmt: skip
        record(name, t, 1)
    record("sum.dim_IntList", t, [0], True)
    record("mean.dim", t, [0], True)
    record("logsumexp", t, [1])
    record("topk", t, 2)
    record("sum", t, dtype=f64)
    record("kthvalue", t, 2)
for t in (torch.tensor(3.5), torch.zeros(0), torch.zeros(2, 0), torch.zeros(0, 3), odd, spread):
    for name in ("sum", "prod", "max", "min", "any", "all", "argmax", "amax", "aminmax", "mean", "var", "std",
                 "norm.Scalar", "median", "nansum", "nanmedian", "var_mean"):  # fmt: skip
        record(name, t)
    for dim in (0, -1):
        for name in ("max.dim", "min.dim", "any.dim", "argmax", "argmin", "cumsum", "cumprod", "sort", "softmax.int",
                     "log_softmax.int", "prod.dim_int", "median.dim", "nanmedian.dim", "mode"):  # fmt: skip
            # PyTorch's mode sorts without an order for NaNs: what it finds among them is chance.
            if name != "mode" or t is not odd:
                record(name, t, dim)
        for name in ("sum.dim_IntList", "mean.dim", "amax", "logsumexp", "var.dim", "std.dim"):
            record(name, t, [dim])
            record(name, t, [dim], keepdim=True)
for dims in ([], [0, 2], [1, -1], None, [2, 1, 0]):
    for name in ("sum.dim_IntList", "mean.dim", "var.dim", "std_mean.dim", "any.dims", "all.dims", "nansum"):
        record(name, x(2, 3, 4), dims)
    if dims is not None:
        for name in ("amax", "amin", "logsumexp"):
            record(name, x(2, 3, 4), dims, True)
    record("linalg_vector_norm", x(2, 3, 4), 2, dims)
record("sum.dim_IntList", x(2, 3), [1], dtype=f64)
record("sum", x(2, 3, dtype=b8), dtype=f32)
record("mean", x(2, 3, dtype=i64), dtype=f32)
record("mean.dim", x(2, 3, dtype=i64), [0], dtype=f32)
record("cumsum", x(2, 3), 0, dtype=f64)
record("cumsum_", x(2, 3), 0)
record("cumprod_", x(2, 3), 1)
record("softmax.int", x(2, 3, dtype=i64), 0, f32)
record("softmax.int", x(2, 3, dtype=f16), 0, f32)
record("log_softmax.int", x(2, 3, 4), 1)
record("softmax.int", x(2, 3, 4), 1)
record("_softmax", x(2, 3), 1, False)
record("_log_softmax", x(2, 3), 1, False)
record("softmax.int", torch.tensor([[-inf, -inf], [inf, 1.0]]), 1)
record("softmax.int", torch.tensor([-inf, 2.0, 1000.0]), 0)
for p in (0, 1, 2, 3, inf, -inf, 0.5):
    record("norm.Scalar", x(5), p)
    record("norm.ScalarOpt_dim", x(2, 3), p, [1])
    record("linalg_vector_norm", x(2, 3), p, [0], True)
    record("dist", x(3), x(3, low=-1.0), p)
record("norm.ScalarOpt_dim", x(2, 3), None, [1], True)
record("norm.ScalarOpt_dtype", x(2, 3), 2, dtype=f64)
record("norm.ScalarOpt_dim_dtype", x(2, 3), 2, [0], False, dtype=f64)
record("frobenius_norm.dim", x(2, 3), [0, 1])
record("linalg_norm", x(2, 3))
record("linalg_norm", x(2, 3), None, [1])
record("linalg_norm", x(5), 3)
record("linalg_norm", x(2, 3), 1, [1])
record("linalg_norm", x(2, 3), inf)
record("linalg_norm", x(2, 3), 1)
record("linalg_norm", x(2, 3), -1)
record("linalg_norm.ord_str", x(2, 3), "fro")
for correction in (0, 1, 2, 6, 7):
    record("var.correction", x(2, 3), None, correction=correction)
    record("std.correction", x(2, 3), [1], correction=correction, keepdim=True)
    record("var_mean.correction", x(2, 3), [0], correction=correction)
record("std_mean.correction", x(2, 3))
record("var", x(1))
record("var", x(5), False)
record("sum", x(1000, step=0.137))
record("sum", torch.full((3000,), 0.1))
record("mean", torch.full((3000,), 0.1))
record("sum.dim_IntList", torch.full((3000, 1), 0.1), [0])
record("sum.dim_IntList", torch.full((2, 1000), 0.1, dtype=f16), [1])
record("cumsum", torch.full((300,), 0.1), 0)
record("var", torch.full((300,), 1000.1) + x(300, low=0, high=1))
ties = torch.tensor([[2.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
for name in ("max.dim", "min.dim", "argmax", "argmin", "median.dim", "cummax", "cummin", "mode"):
    record(name, ties, 1)
record("sort.stable", ties, stable=True, dim=1, descending=True)
record("sort.stable", ties, stable=True, dim=1)
record("argsort.stable", ties, stable=True)
record("sort", odd, -1, True)
record("sort", x(5, 3).t(), 0)
record("sort", x(2, 7), 1, True)
record("argsort", x(7), descending=True)
record("msort", x(3, 2))
record("topk", x(10), 3, -1, False)
record("topk", x(4, 5), 2, 0)
record("topk", x(10), 10)
record("topk", x(10), 0)
record("topk", odd, 2)
record("kthvalue", x(4, 5), 3, 0, True)
record("median", torch.tensor([1.0, nan, 3.0]))
record("nanmedian", torch.tensor([1.0, nan, 3.0]))
record("max.dim", odd, 1, True)
record("min.dim", odd, 0)
record("amax", odd, [0])
record("aminmax", x(2, 3), dim=1, keepdim=True)
record("max.other", x(2, 3), x(3, low=-1.0))
record("min.other", x(2, 3, dtype=i64), x(3, low=-1.0))
record("count_nonzero", x(2, 3, dtype=b8), 1)
record("count_nonzero.dim_IntList", x(2, 3, dtype=i64), [0, 1])
record("argmax", ties, None, True)
record("argmax", ties, 0, True)
record("nanmean", odd, [1])
record("nansum", odd, [0], True)
record("logcumsumexp", x(2, 3), 1)
record("trace", x(3, 3))
record("trace", x(2, 3, dtype=i64))
record("bincount", torch.tensor([0, 2, 2, 5]))
record("bincount", torch.tensor([0, 2, 2]), torch.tensor([0.5, 1.0, 2.0]), 4)
record("histc", x(20), 5, -2, 2)
record("histc", x(20), 4)
record("unique_consecutive", torch.tensor([1, 1, 2, 2, 2, 1]), True, True)
record("renorm", x(3, 4), 2, 0, 1.5)
record("special_softmax", x(3), 0)
record("all", torch.zeros(3, dtype=u8))
record("any.dim", torch.zeros(2, 3, dtype=u8), 0)

# What cannot be done.
t = x(2, 3)
record("sum.dim_IntList", t, [2])
record("sum.dim_IntList", t, [0, 0])
record("mean.dim", t, [-3])
record("max.dim", t, 5)
record("argmax", t, -4)
record("softmax.int", t, 2)
record("log_softmax.int", t, -3)
record("softmax.int", x(3, dtype=i64), 0)
record("cumsum", t, 3)
record("sort", t, 2)
record("topk", t, 4)
record("topk", t, -1)
record("kthvalue", t, 4)
record("kthvalue", t, 0)
record("amax", torch.zeros(2, 0), [1])
record("logsumexp", x(3, dtype=i64), [0])
record("cumsum_", x(2, 3, dtype=i32), 0, dtype=f32)
record("var", x(3, dtype=i64))
record("norm.Scalar", x(3, dtype=i64))
record("linalg_vector_norm", torch.zeros(0), inf)
record("prod.dim_int", t, 2)
record("any.dim", t, 2)
record("all.dims", t, [0, 0])
record("trace", x(3))
record("bincount", torch.tensor([-1, 2]))
record("median.dim", t, 2)
record("mode", t, 2)
record("cummax", t, 2)
record.save()
