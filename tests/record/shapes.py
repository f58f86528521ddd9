"""Records views, reshapes, lists of views, changes of metadata, and what is told of metadata."""

import math
import pathlib

import torch

from fixture import Recorder

FIXTURES = pathlib.Path(__file__).parents[2] / "model/src/operators/fixtures"


def layouts():
    """Tensors that lie in memory in all the ways that matter."""
    base = torch.arange(12)
    yield base.view(2, 3, 2)
    yield base.view(2, 3, 2).permute(2, 0, 1)
    yield base.view(4, 3).t()
    yield base[1:].as_strided((2, 2), (7, 2))
    yield base.view(3, 4)[1:3, ::2]
    yield base[:3].expand(2, 3)
    yield base[:6].view(1, 6)
    yield base[7]
    yield torch.zeros(0, 3, dtype=torch.int64)
    yield torch.arange(6, dtype=torch.float32).view(1, 2, 1, 3)
    yield torch.tensor([True, False])


DIMS = [0, 1, -1, 2, -4]


def views():
    r = Recorder()
    for x in layouts():
        for op in ["t", "numpy_T", "squeeze", "mT", "mH", "matrix_H", "adjoint", "ravel", "real", "imag", "data",
                   "atleast_1d", "atleast_2d", "atleast_3d", "view_as_real", "t_copy", "squeeze_copy"]:
            r(op, x)
        for dim in DIMS:
            r("squeeze.dim", x, dim)
            r("unsqueeze", x, dim)
            r("unbind.int", x, dim)
            for index in [0, -1, 2]:
                r("select.int", x, dim, index)
            for other in [0, -1, 1]:
                r("transpose.int", x, dim, other)
                r("movedim.int", x, dim, other)
            r("unfold", x, dim, 2, 1)
            r("unfold", x, dim, 1, 2)
            r("diagonal", x, 0, 0, dim)
            r("flatten.using_ints", x, 0, dim)
            r("flatten.using_ints", x, dim, -1)
            r("unflatten.int", x, dim, [-1, 1])
            r("unflatten.int", x, dim, [2, -1])
            r("chunk", x, 2, dim)
            r("unsafe_chunk", x, 3, dim)
            r("split.Tensor", x, 2, dim)
            r("tensor_split.sections", x, 2, dim)
            r("tensor_split.indices", x, [1, 5, -1], dim)
            r("split_with_sizes", x, [1, 2], dim)
            r("narrow", x, dim, 0, 1)
            r("narrow", x, dim, -1, 1)
            r("narrow", x, dim, 1, 2)
            for bounds in [(None, None, 1), (1, -1, 1), (-2, 9, 2), (2, 1, 1), (9, 9, 3)]:
                r("slice.Tensor", x, dim, *bounds)
        for offset in [1, -1, 5, -9]:
            r("diagonal", x, offset)
        for sizes in [[-1], [6], [3, -1], [0, -1], [3, 4], [2, 2, 3], [-1, -1], [-2, 3], [1, 6, 1], [6, 2], [5], [],
                      [0], [3, 0], [-1, 3]]:
            r("view", x, sizes)
            r("reshape", x, sizes)
        for sizes in [[-1], [2, 3], [5, 2, 3], [4, -1, -1, -1], [7, 1, 6], [3], [], [0, 3], [-2, 3]]:
            r("expand", x, sizes)
        for dims in [[], [0], [0, 1], [1, 0], [2, 0, 1], [0, 0], [-1, 0, 1], [0, 1, 2, 3], [3, 1, 0, 2]]:
            r("permute", x, dims)
            r("squeeze.dims", x, dims)
        r("expand_copy", x, [2, 2, 3, 2])
        r("broadcast_to", x, [2, 3])
        r("view_copy", x, [-1])
        r("permute_copy", x, [1, 0])
        r("movedim.intlist", x, [0, 1], [1, 0])
        r("movedim.intlist", x, [0, 1], [0, 0])
        r("moveaxis.intlist", x, [0, 0], [0, 1])
        r("movedim.intlist", x, [0], [0, 1])
        for dtype in [torch.int32, torch.uint8, torch.float64, torch.int64, torch.float32]:
            r("view.dtype", x, dtype)
        r("view_as", x, torch.zeros(4, 3))
        r("reshape_as", x, torch.zeros(6, 2))
        r("expand_as", x, torch.zeros(2, 2, 3, 2))
        r("as_strided", x, [2, 2], [1, 2])
        r("as_strided", x, [2, 2], [1, 2], 1)
        r("as_strided", x, [2], [100])
        r("as_strided", x, [2], [-1])
        r("as_strided", x, [2, 2], [1])
        if x.numel():
            r("as_strided", x, [2], [1], -1)
            r("_reshape_alias", x, [1, 2], [2, 1])
        r("hsplit.int", x, 2)
        r("vsplit.int", x, 2)
        r("dsplit.int", x, 2)
        r("hsplit.array", x, [1])
        r("vsplit.array", x, [1, 2])
        r("chunk", x, 0)
        r("split.Tensor", x, -1)
        r("split.Tensor", x, 0)
        r("split_with_sizes", x, [-1, 3])
        r("tensor_split.sections", x, 0)
        r("tensor_split.tensor_indices_or_sections", x, torch.tensor([1]))
        r("tensor_split.tensor_indices_or_sections", x, torch.tensor(3))
        r("narrow.Tensor", x, 0, torch.tensor(0), 1)
        r("narrow.Tensor", x, 0, torch.tensor([0]), 1)
        r("slice.Tensor", x, 0, 0, 1, 0)
        r("unfold", x, 0, 3, 0)
        r("unfold", x, 0, -1, 1)
    complexes = torch.tensor([[1 + 2j, 3 - 4j], [5j, 6]])
    for x in [complexes, complexes.t(), complexes[:, 1]]:
        for op in ["real", "imag", "view_as_real", "t", "data"]:
            r(op, x)
    pairs = torch.arange(24.0)
    for x in [pairs.view(3, 4, 2), pairs.view(3, 4, 2).transpose(0, 1), pairs.view(6, 4)[:, 1:3], pairs.view(8, 3)[:, :2],
              pairs[::2].view(6, 2), pairs[0], pairs[:2]]:
        r("view_as_complex", x)
    small = torch.arange(48, dtype=torch.uint8)
    for x in [small.view(2, 24), small[8:24], small[1:17], small.view(4, 12)[:, :8], small[:7], small.view(6, 8).t()]:
        r("view.dtype", x, torch.int64)
        r("view.dtype", x, torch.int16)
    r.write(FIXTURES / "views.txt")


def lists():
    r = Recorder()
    i, j, k, s = torch.tensor([1, 2]), torch.tensor([3, 4, 5]), torch.tensor([6]), torch.tensor(7)
    for tensors in [[i, j], [i, j, k], [i, s], [i], [], [i, j.float()], [i[::1].flip(0), j[::2]]]:
        r("meshgrid", tensors)
        r("meshgrid.indexing", tensors, indexing="xy")
        r("meshgrid.indexing", tensors, indexing="ij")
    r("meshgrid.indexing", [i], indexing="zz")
    x, y = torch.arange(6).view(2, 3), torch.arange(2.0).view(2, 1)
    for tensors in [[x, y], [x, s], [y.expand(2, 3), x], [], [x], [x, i], [torch.zeros(0, 1), torch.zeros(3)]]:
        r("broadcast_tensors", tensors)
        for op in ["atleast_1d", "atleast_2d", "atleast_3d"]:
            r(f"{op}.Sequence", tensors)
    r.write(FIXTURES / "view_lists.txt")


def in_place():
    r = Recorder()
    for make in [lambda: torch.arange(6).view(2, 3), lambda: torch.arange(12).view(4, 3)[1:3].t(), lambda: torch.tensor(3),
                 lambda: torch.arange(8).view(2, 1, 4), lambda: torch.zeros(0, 2, dtype=torch.int64)]:
        for op in ["t_", "squeeze_", "set_"]:
            r(op, make())
        for dim in DIMS:
            r("unsqueeze_", make(), dim)
            r("squeeze_.dim", make(), dim)
            r("transpose_", make(), 0, dim)
            r("swapaxes_", make(), dim, -1)
        r("squeeze_.dims", make(), [0, 1])
        for sizes in [[2, 2], [3, 2], [2, 3], [5], [1], []]:
            if math.prod(sizes) <= make().numel():  # What grows shows memory that nobody set.
                r("resize_", make(), sizes)
        if make().numel() >= 4:
            r("resize_as_", make(), torch.zeros(2, 2).t())
        r("as_strided_", make(), [2, 1], [1, 1], 0)
        r("as_strided_", make(), [99], [1])
        r("set_.source_Tensor", make(), torch.arange(4).view(2, 2).t())
        r("set_.source_Tensor_storage_offset", make(), torch.arange(4), 1, [3])
        r("set_.source_Tensor_storage_offset", make(), torch.arange(4), 0, [2], [2])
        r("set_.source_Tensor_storage_offset", make(), torch.arange(4), 0, [2], [2, 2])
    r.write(FIXTURES / "metadata.txt")


def readers():
    r = Recorder()
    four = torch.arange(48).view(2, 3, 2, 4)
    tensors = list(layouts()) + [four, four.to(memory_format=torch.channels_last), four.transpose(0, 1)]
    for x in tensors:
        for op in ["size", "stride", "dim", "numel", "storage_offset", "is_contiguous", "is_complex", "is_floating_point",
                   "is_signed", "is_non_overlapping_and_dense", "get_device", "is_leaf", "is_pinned", "is_conj",
                   "is_neg", "is_inference", "element_size", "len.Tensor"]:
            r(op, x)
        for dim in DIMS:
            r("size.int", x, dim)
            r("stride.int", x, dim)
        for other in tensors[:3]:
            r("is_same_size", x, other)
            r("is_set_to", x, other)
        for memory_format in [torch.contiguous_format, torch.channels_last]:
            r("is_contiguous.memory_format", x, memory_format)
    r.write(FIXTURES / "readers.txt")


if __name__ == "__main__":
    views()
    lists()
    in_place()
    readers()
