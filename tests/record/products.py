"""Records products of matrices and vectors: python products.py"""

from pathlib import Path

import torch
from recorder import Recorder, x

FILE = Path(__file__).parents[2] / "model/src/operators/linalg/recorded.txt"
f16, bf16, f32, f64, i64, i32, u8, b8 = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool,
)  # fmt: skip
record = Recorder(FILE)


def y(*sizes, dtype=f32):
    return x(*sizes, dtype=dtype, low=-1.0, high=1.5, step=0.21)


for dtype in (f16, bf16, f32, f64, i64, i32, u8, b8):
    record("mm", x(2, 3, dtype=dtype), y(3, 4, dtype=dtype))
    record("mv", x(2, 3, dtype=dtype), y(3, dtype=dtype))
    record("bmm", x(2, 2, 3, dtype=dtype), y(2, 3, 2, dtype=dtype))
    record("dot", x(5, dtype=dtype), y(5, dtype=dtype))
    record("matmul", x(2, 3, dtype=dtype), y(3, 4, dtype=dtype))
    record("addmm", x(4, dtype=dtype), x(2, 3, dtype=dtype), y(3, 4, dtype=dtype))
    record("addmm", x(2, 4, dtype=dtype), x(2, 3, dtype=dtype), y(3, 4, dtype=dtype), beta=2, alpha=3)
    record("linear", x(2, 3, dtype=dtype), y(4, 3, dtype=dtype), x(4, dtype=dtype))
    record("outer", x(2, dtype=dtype), y(3, dtype=dtype))
    record("baddbmm", x(2, 1, 1, dtype=dtype), x(2, 2, 3, dtype=dtype), y(2, 3, 2, dtype=dtype))
    record("einsum", "ij,jk->ik", [x(2, 3, dtype=dtype), y(3, 4, dtype=dtype)])
for a, b in [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((4, 2, 3), (3,)), ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 2)), ((2, 3), (4, 3, 2)), ((4, 2, 3), (4, 3, 2)), ((4, 1, 2, 3), (2, 3, 2)), ((1, 2, 3), (4, 3, 2)),
    ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((0, 2, 3), (0, 3, 2)), ((2, 2, 0), (0,)), ((5, 1, 2, 3), (3,)),
]:  # fmt: skip
    record("matmul", x(*a), y(*b))
record("matmul", x(3, 2).t(), y(2, 3).t())
record("mm", x(3, 2).t(), y(4, 3).t())
record("bmm", x(3, 2, 4).transpose(0, 1), y(2, 4, 3))
record("mm", x(20, 30), y(30, 10))
record("mm.out", x(2, 3), y(3, 2), out=torch.zeros(2, 2))
record("bmm.out", x(2, 2, 3), y(2, 3, 2), out=torch.zeros(2, 2, 2))
record("matmul.out", x(2, 3), y(3), out=torch.zeros(2))
record("addmm.out", x(2), x(2, 3), y(3, 2), out=torch.zeros(2, 2))
record("addmm_", x(2, 2), x(2, 3), y(3, 2), beta=0.5, alpha=2.0)
record("addmm", torch.full((2, 2), float("nan")), x(2, 3), y(3, 2), beta=0)
record("addmv", x(2), x(2, 3), y(3), beta=0.5, alpha=2)
record("addmv", x(1), x(2, 3), y(3))
record("addmv_", x(2), x(2, 3), y(3))
record("addbmm", x(2, 2), x(3, 2, 3), y(3, 3, 2), beta=0.5, alpha=2.0)
record("addbmm_", x(2, 2), x(3, 2, 3), y(3, 3, 2))
record("baddbmm", x(3, 2, 2), x(3, 2, 3), y(3, 3, 2), beta=0.5, alpha=2.0)
record("baddbmm", torch.full((1,), float("nan")), x(3, 2, 3), y(3, 3, 2), beta=0)
record("baddbmm_", x(3, 2, 2), x(3, 2, 3), y(3, 3, 2))
record("addr", x(2, 3), x(2), y(3), beta=0.5, alpha=2.0)
record("addr_", x(2, 3), x(2), y(3))
record("ger", x(2), y(3))
record("vdot", x(3), y(3))
record("inner", x(2, 3), y(4, 3))
record("inner", x(3), y(3))
record("inner", torch.tensor(2.0), y(3))
record("linear", x(3), y(2, 3))
record("linear", x(3), y(2, 3), x(2))
record("linear", x(2, 4, 3), y(2, 3), x(2))
record("linear", x(2, 3), y(3))
record("linear", x(0, 3), y(2, 3), x(2))
for equation, operands in [
    ("ij,jk", [x(2, 3), y(3, 2)]), ("bij,bjk->bik", [x(2, 2, 3), y(2, 3, 2)]), ("i,j->ij", [x(2), y(3)]),
    ("i,i->", [x(3), y(3)]), ("ij->ji", [x(2, 3)]), ("ii->i", [x(3, 3)]), ("ii", [x(3, 3)]), ("ij->", [x(2, 3)]),
    ("ij->j", [x(2, 3)]), ("bhid,bhjd->bhij", [x(1, 2, 2, 3), y(1, 2, 2, 3)]), ("...ij,...jk->...ik", [x(2, 2, 3), y(3, 2)]),
    ("b i d, b j d -> b i j", [x(1, 2, 3), y(1, 2, 3)]), ("ij,jk,kl->il", [x(2, 2), y(2, 3), x(3, 2)]),
    ("nc,nc->n", [x(2, 3), y(2, 3)]), ("...,...->...", [x(2, 3), y(3)]), ("ab,cd->abcd", [x(2, 1), y(1, 2)]),
    ("nkctv,kvw->nctw", [x(1, 2, 2, 1, 3), y(2, 3, 3)]), ("ba", [x(2, 3)]), ("bn,anm,bm->ba", [x(2, 2), y(3, 2, 2), x(2, 2)]),
]:  # fmt: skip
    record("einsum", equation, operands)
record("bilinear", x(2, 3), y(2, 4), x(2, 3, 4), x(2))
record("chain_matmul", [x(2, 3), y(3, 2), x(2, 4)])
record("linalg_multi_dot", [x(2, 3), y(3, 2), x(2, 4)])
record("linalg_matmul", x(2, 3), y(3, 2))
record("linalg_vecdot", x(2, 3), y(2, 3))
record("tensordot", x(2, 3, 4), y(4, 3, 2), [1, 2], [1, 0])
record("kron", x(2, 2), y(1, 2))
record("linalg_cross", x(2, 3), y(2, 3))
record("cross", x(3, 2), y(3, 2))
for p in (0.0, 1.0, 2.0, 3.0, float("inf")):
    record("cdist", x(2, 3), y(4, 3), p)
record("cdist", x(2, 2, 3), y(3, 3))
record("cdist", x(30, 3), y(2, 3))
record("cdist", x(2, 3), y(0, 3))
for dim in (0, 1, -1):
    record("cosine_similarity", x(2, 3), y(2, 3), dim)
record("cosine_similarity", x(2, 3), y(3))
record("cosine_similarity", torch.zeros(3), y(3), 0)
record("pairwise_distance", x(2, 3), y(2, 3))
record("pairwise_distance", x(2, 3), y(3), 1.0, 1e-6, True)

record("mm", x(2, 3), y(2, 3))
record("mm", x(2), y(2, 3))
record("mm", x(2, 3), y(3, 2, dtype=f64))
record("mv", x(2, 3), y(2))
record("mv", x(2, 3), y(3, 2))
record("bmm", x(2, 2, 3), y(3, 3, 2))
record("bmm", x(2, 2, 3), y(2, 2, 2))
record("bmm", x(2, 3), y(2, 3, 2))
record("dot", x(2), y(3))
record("dot", x(2, 2), y(2))
record("dot", x(2), y(2, dtype=f64))
record("matmul", x(2, 3), y(2, 3))
record("matmul", x(3), y(2, 3))
record("matmul", x(2, 3), y(2))
record("matmul", x(3), y(2))
record("matmul", x(2, 2, 3), y(3, 3, 2))
record("matmul", x(2, 2, 3), y(2, 2))
record("matmul", torch.tensor(1.0), y(2))
record("matmul", x(2, 3), y(3, 2, dtype=f64))
record("matmul", x(2, 3), y(3, 2, dtype=i64))
record("addmm", x(3), x(2, 3), y(3, 2))
record("addmm", x(2), x(2, 3), y(2, 2))
record("addmm_", x(2), x(2, 3), y(3, 2))
record("addmv", x(3), x(2, 3), y(3))
record("baddbmm", x(3), x(2, 2, 3), y(2, 3, 2))
record("baddbmm", x(1), x(2, 2, 3), y(2, 2, 2))
record("addbmm", x(3), x(2, 2, 3), y(2, 3, 2))
record("linear", x(2, 3), y(4, 2))
record("linear", x(2, 3), y(4, 3), x(3))
record("linear", x(2, 2, 3), y(4, 2), x(4))
record("linear", x(2, 3), y(4, 3, dtype=f64), x(4))
record("linear", torch.tensor(1.0), y(4, 3))
record("outer", x(2, 2), y(2))
record("einsum", "ij,jk->ik", [x(2, 3), y(2, 3)])
record("einsum", "ij->ik", [x(2, 3)])
record("einsum", "ijk->i", [x(2, 3)])
record("einsum", "ij,jk->ik", [x(2, 3)])
record("einsum", "i1->i", [x(2, 3)])
record("einsum", "ij->ii", [x(2, 3)])
record("cdist", x(2, 3), y(4, 2))
record("cosine_similarity", x(2, 3), y(2, 2))
record("cosine_similarity", x(2, 3, dtype=i64), y(2, 3, dtype=i64))
record("pairwise_distance", x(2, 3), y(2, 2))
record("bilinear", x(2, 3), y(2, 4), x(2, 4, 3))
record("linalg_cross", x(2, 2), y(2, 2))
record.save()
