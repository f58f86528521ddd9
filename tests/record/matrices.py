"""Records factors of complex matrices, and what is computed by them: python matrices.py

Matrices are well conditioned, so that what PyTorch gives does not depend on how it rounds. Vectors that LAPACK gives whatever sign or
direction it likes are not recorded.
"""

from pathlib import Path

import torch
from fixture import Recorder

FILE = Path(__file__).parents[2] / "model/src/operators/linalg/complex_factors.txt"
record = Recorder()


def a(*sizes, dtype=torch.complex128, shift=1):
    """A tensor of matrices: numbers without pattern."""
    count = torch.Size(sizes).numel()
    element = lambda i: ((i * i * 7 + i * 3 + shift) % 23) / 4 - 2.5
    return torch.tensor([complex(element(i), element(3 * i + 5)) for i in range(count)], dtype=dtype).reshape(sizes)


def positive(n, dtype=torch.complex128, batch=()):
    half = a(*batch, n, n, dtype=dtype)
    return half @ half.mH.resolve_conj() + torch.eye(n, dtype=dtype)


def close(name, *args, **kwargs):
    record(name, *args, close=True, **kwargs)


for dtype in (torch.complex64, torch.complex128):
    # With single precision greater ones depend on the order of sums.
    n = 2 if dtype == torch.complex64 else 3
    for square in (a(1, 1, dtype=dtype), a(n, n, dtype=dtype), a(2, 2, 2, dtype=dtype)):
        for name in ("linalg_inv", "inverse", "linalg_inv_ex", "linalg_det", "det", "linalg_slogdet", "logdet"):
            close(name, square)
        for name in ("linalg_matrix_exp", "linalg_lu_factor", "linalg_lu_factor_ex", "linalg_lu", "linalg_eigvalsh"):
            close(name, square)
        close("linalg_matrix_power", square, 3)
        close("linalg_matrix_power", square, -2)
        close("linalg_matrix_power", square, 0)
        for p in (None, 2, -2, 1, -1, float("inf")):
            close("linalg_cond", square, p)
        for p in ("fro", "nuc"):
            close("linalg_cond.p_str", square, p)
    for matrix in (a(n, 2, dtype=dtype), a(2, n, dtype=dtype), a(n, n, dtype=dtype), a(2, n, 1, dtype=dtype), a(1, 1, dtype=dtype)):
        for name in ("linalg_lu_factor", "linalg_lu", "geqrf", "linalg_svdvals", "linalg_pinv.atol_rtol_float", "pinverse", "nuclear_norm"):
            close(name, matrix)
        for mode in ("reduced", "complete", "r"):
            close("linalg_qr", matrix, mode)
        close("qr", matrix, False)
        close("linalg_matrix_rank.atol_rtol_float", matrix)
        for order in (2, -2, 1, float("inf")):
            close("linalg_matrix_norm", matrix, order)
        close("linalg_matrix_norm.str_ord", matrix, "nuc", [-2, -1], True)
        close("lu_unpack", *torch.linalg.lu_factor(matrix))
        stored, tau = torch.geqrf(matrix)
        if matrix.shape[-2] >= matrix.shape[-1]:
            close("linalg_householder_product", stored, tau)
            close("orgqr", stored, tau)
        for left in (True, False):
            other = a(*matrix.shape[:-2], *((matrix.shape[-2], 2) if left else (2, matrix.shape[-2])), dtype=dtype, shift=4)
            for transpose in (True, False):
                close("ormqr", stored, tau, other, left, transpose)
        for driver in ("gels", "gelsy", "gelsd", "gelss"):
            close("linalg_lstsq", matrix, a(*matrix.shape[:-1], 2, dtype=dtype, shift=4), driver=driver)
    for size, batch in ((1, ()), (n, ()), (2, (2,))):
        whole = positive(size, dtype, batch)
        for upper in (False, True):
            close("linalg_cholesky", whole, upper=upper)
            close("cholesky", whole, upper)
            close("linalg_cholesky_ex", whole, upper=upper)
            factor = torch.linalg.cholesky(whole, upper=upper)
            close("cholesky_solve", a(*batch, size, 2, dtype=dtype), factor, upper)
            close("cholesky_inverse", factor, upper)
            close("linalg_eigvalsh", whole, "U" if upper else "L")
    matrix, lu, pivots = a(n, n, dtype=dtype), *torch.linalg.lu_factor(a(n, n, dtype=dtype))
    for left in (True, False):
        b = a(*((n, 2) if left else (2, n)), dtype=dtype, shift=4)
        close("linalg_solve", matrix, b, left=left)
        close("linalg_solve_ex", matrix, b, left=left)
        for adjoint in (True, False):
            close("linalg_lu_solve", lu, pivots, b / 2, left=left, adjoint=adjoint)
            close("linalg_solve_triangular", matrix, b, upper=adjoint, left=left)
            close("linalg_solve_triangular", matrix, b, upper=adjoint, left=left, unitriangular=True)
    close("linalg_solve", matrix, a(n, dtype=dtype, shift=4))
    close("lu_solve", a(n, 2, dtype=dtype, shift=4), lu, pivots)
    for upper in (True, False):
        for transpose in (True, False):
            close("triangular_solve", a(n, 2, dtype=dtype, shift=4), matrix, upper, transpose)
    close("linalg_tensorinv", a(2, 1, 2, dtype=dtype), 1)
    close("linalg_tensorsolve", a(2, 1, 2, dtype=dtype), a(2, dtype=dtype, shift=4))

# Pivots of one row, of two, and exchanged.
for dtype in (torch.float64, torch.complex128):
    for sizes, shift in (((1, 1), 1), ((3, 3), 1), ((4, 4), 2), ((5, 5), 7), ((2, 3, 3), 4), ((0, 0), 1), ((2, 0, 0), 1)):
        matrix = a(*sizes, shift=shift).to(dtype)
        for hermitian in (False, True):
            close("linalg_ldl_factor", matrix, hermitian=hermitian)
            close("linalg_ldl_factor_ex", matrix, hermitian=hermitian)
            factors, pivots = torch.linalg.ldl_factor(matrix, hermitian=hermitian)
            close("linalg_ldl_solve", factors, pivots, a(*sizes[:-1], 2, shift=9).to(dtype), hermitian=hermitian)
    matrix = torch.tensor([[0, 1, 2], [1, 0, 3], [2, 3, 0]], dtype=dtype)
    close("linalg_ldl_factor", matrix)
    factors, pivots = torch.linalg.ldl_factor(matrix)
    close("linalg_ldl_solve", factors, pivots.long(), a(2, 3, 1).to(dtype))
    close("linalg_ldl_factor_ex", torch.zeros(2, 2, dtype=dtype))
    close("linalg_ldl_solve", factors, pivots, torch.ones(3, 1))
    close("linalg_ldl_solve", factors, pivots, torch.ones(2, 1, dtype=dtype))
    close("linalg_ldl_solve", factors, pivots[:2], torch.ones(3, 1, dtype=dtype))
    close("linalg_ldl_solve", factors, pivots.double(), torch.ones(3, 1, dtype=dtype))
for matrix in (torch.zeros(2, 3), torch.zeros(2), torch.zeros(1, 1, dtype=torch.int64)):
    close("linalg_ldl_factor", matrix)
    close("linalg_ldl_solve", matrix, torch.zeros(2, dtype=torch.int32), matrix)

# Where numbers are no longer general: zeros below, a triangle already, exact pivots that are equal in one norm and not in another.
i = 1j
for rows in ([[i, 1], [0, 2 * i]], [[3 + 3 * i, 1], [5, i]], [[4, 1], [3 + 3 * i, i]], [[0, 1], [i, 0]], [[2, i], [0, 3]]):
    matrix = torch.tensor(rows, dtype=torch.complex128)
    for name in ("linalg_inv", "linalg_det", "linalg_slogdet", "logdet", "linalg_lu_factor", "linalg_qr", "geqrf", "linalg_svdvals"):
        close(name, matrix)
singular = torch.tensor([[1, i], [i, -1]], dtype=torch.complex128)
for name in ("linalg_inv", "linalg_inv_ex", "linalg_det", "linalg_slogdet", "logdet", "linalg_lu_factor", "linalg_lu_factor_ex"):
    close(name, singular)
for name in ("linalg_matrix_rank", "linalg_pinv"):
    close(name + ".atol_rtol_float", singular)
for name in ("linalg_inv_ex", "linalg_lu_factor_ex", "linalg_cholesky_ex"):
    close(name, singular, check_errors=True)
close("linalg_solve_ex", singular, a(2, 1), check_errors=True)
close("linalg_pinv.atol_rtol_float", positive(2), hermitian=True)
close("linalg_matrix_rank.atol_rtol_float", singular, atol=1e-8)
close("linalg_cholesky", singular)
close("linalg_solve", singular, a(2, 1))
close("linalg_eigvalsh", torch.tensor([[1 + i, 7], [2 - i, 3 - 5 * i]], dtype=torch.complex128))
close("linalg_eigvalsh", torch.tensor([[1 + i, 7 + i], [2, 3 - 5 * i]], dtype=torch.complex128), "U")
for dtype in (torch.float64, torch.complex128):
    close("linalg_matrix_norm.out", singular, 1, out=torch.empty(0, dtype=dtype))
    close("nuclear_norm.out", singular, out=torch.empty(0, dtype=dtype))
    close("linalg_matrix_norm", singular, 2, dtype=dtype)
close("linalg_svd", singular, driver="gesvd")
close("svd", singular, True, False)
close("linalg_solve", torch.eye(2), a(2, 1))
close("linalg_solve", a(2, 2), torch.ones(2, 1))
for sizes in ((0, 0), (2, 0, 0), (0, 2, 2)):
    for name in ("linalg_inv", "linalg_det", "linalg_slogdet", "linalg_eigvalsh", "linalg_svdvals", "linalg_qr", "linalg_cholesky", "linalg_matrix_exp"):
        record(name, a(*sizes))
record.write(FILE)
