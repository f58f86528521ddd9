"""Records indexing, gathering, scattering, joining, padding and what else moves elements."""

import pathlib

import torch

from fixture import Recorder, whole

FIXTURES = pathlib.Path(__file__).parents[2] / "model/src/operators/fixtures"


def t(values, dtype=None):
    return torch.tensor(values, dtype=dtype)


def matrices():
    """Two by three, lying in several ways, of several dtypes."""
    yield torch.arange(6).view(2, 3)
    yield torch.arange(6.0).view(3, 2).t()
    yield torch.arange(12, dtype=torch.int16).view(4, 3)[1::2]
    yield torch.arange(3.0, dtype=torch.float64).expand(2, 3)


def own(tensor):
    """A copy that lies in memory in the same way, gaps included."""
    if 0 in tensor.stride():
        return tensor.clone()
    return torch.as_strided(whole(tensor).clone(), tensor.shape, tensor.stride(), tensor.storage_offset())


S, E = torch.tensor(5), torch.empty(0, 3)
T3 = torch.arange(24).view(2, 3, 4)


def advanced():
    r = Recorder()
    i, j, mask = t([0, 1]), t([[1], [0]]), t([True, False])
    for x in [*matrices(), E, S]:
        square = t([[True, False, True], [False, True, False]])
        for indices in [[i], [j], [None, i], [i, i], [i, j], [j, t([2, 0, 1])], [mask], [None, t([True, False, True])],
                        [square], [mask, t([0])], [t([-1]), t([-3])], [t([5])], [None, t([3])], [t([-3])], [i, t([0, 1, 2])],
                        [i, i, i], [t([0.0])], [t([1, 0], torch.int32)], [t([1, 0], torch.uint8)],
                        [t([1, 0], torch.int8)], [t(1)], [t(1), t(2)], [t(0), None], [t([], torch.int64)],
                        [t([True, False, True])], [t([[True, False], [True, False]])], [t([False, False])]]:
            r("index.Tensor", x, indices)
            for value in [t(7), t([7, 8, 9]), t([[7], [8]])]:
                value = value.to(x.dtype)
                r("index_put_", own(x), indices, value)
            r("index_put", x, indices, t([7, 8, 9]).to(x.dtype), True)
    for x in [T3, T3.permute(2, 0, 1), T3.transpose(0, 1)[:, 1:]]:
        for indices in [[i], [None, i], [None, None, i], [i, None, i], [i, i], [None, i, i], [None, j, i], [j, None, i],
                        [mask[:1].expand(2)], [t([[True, False], [False, True]])], [i, None, t([True, False])],
                        [None, t([True, False])], [j], [None, j], [j, j, t([[[1]]])], [x % 2 == 0], [t(0), None, i]]:
            r("index.Tensor", x, indices)
            r("index_put", x, indices, t(-1))
    x = t([0.0, 0, 0])
    r("index_put_", x, [t([1, 1, 2])], t([1.0, 2, 3]))
    r("index_put_", x, [t([1, 1, 2])], t([1.0, 2, 3]), True)
    r("index_put", t([1, 2, 3]), [t([0])], t(1.5))
    r("index_put", t([1, 2, 3]), [t([True, False, True])], t(1.5))
    r("index_put", t([1.0, 2, 3]), [t([True, False, True])], t([7]))
    r("index_put", t([1.0, 2, 3]), [t([True, False, True])], t([7]), True)
    r("index_put", t([True, False]), [t([0, 0])], t([True, True]), True)
    r("_index_put_impl_", t([1, 2, 3]), [t([0])], t([9]))
    r("index.Tensor_out", t([1, 2, 3]), [t([0, 2])], out=torch.zeros(0, dtype=torch.int64))
    r("index.Tensor", torch.zeros(2, 0), [t([5])])
    r("index.Tensor", torch.zeros(2, 0), [None, t([0])])
    r("index.Tensor", t([1j, 2]), [t([1, 0, 1])])
    r.write(FIXTURES / "advanced_indexing.txt")


def along():
    r = Recorder()
    for x in matrices():
        source = torch.arange(10, 16).view(2, 3).to(x.dtype)
        for dim in [0, 1, -1, 2]:
            for index in [t([0]), t([1, 0, 1]), t(1), t([5]), t([-1]), t([[0]]), t([0.0]), t([1], torch.int32),
                          t([], torch.int64), t([0, 1]), t([2, 0, 1])]:
                r("index_select", x, dim, index)
                r("index_fill.int_Scalar", x, dim, index, 7)
                r("index_add", x, dim, index, source)
                r("index_copy", x, dim, index, source)
        r("index_fill.int_Tensor", x, 0, t([0]), t(7.5))
        r("index_fill.int_Tensor", x, 0, t([0]), t([7]))
        r("index_fill_.int_Scalar", own(x), 1, t([0, -1]), 1.5)
        r("index_add", x, 0, t([0, 0]), source, alpha=2)
        r("index_add", x, 1, t([2, 2, 0]), source, alpha=-1)
        r("index_add_", own(x), 1, t([2, 2, 0]), source.t().contiguous().t())
        r("index_add", x, 0, t([0, 1]), source.to(torch.int32))
        r("index_add", x, 0, t([0]), source[:1, :2])
        r("index_copy_", own(x), 0, t([1]), source[:1])
        r("index_copy", x, 0, t([0, 0]), source)
        r("index_copy", x, 0, t([0]), source[0])
        r("index_copy", x, 0, t([0]), source[:1, :2])
        r("index_select.out", x, 0, t([1]), out=torch.zeros(0, dtype=x.dtype))
    r("index_select", S, 0, t([0]))
    r("index_select", S, 0, t([0, 0]))
    r("index_add", S, 0, t([0]), t(2))
    r("index_add", S, 0, t(0), t([2]))
    r("index_copy", S, 0, t([0]), t(4))
    r("index_copy", S, 0, t([0]), t([4]))
    r("index_fill.int_Scalar", S, 0, t([0]), 4)
    r("index_add_", torch.zeros(1).expand(3), 0, t([0]), t([1.0]))
    r.write(FIXTURES / "along_a_dimension.txt")


def scattering():
    r = Recorder()
    for x in matrices():
        source = torch.arange(10, 22).view(3, 4).to(x.dtype)
        for index in [t([[0]]), t([[0, 1, 1]]), t([[0, 1, 0], [1, 1, 0]]), t([[0, 1], [1, 0], [0, 0]]), t([[5]]), t([[-1]]),
                      t([0]), t([[0, 0, 0, 0]]), t([[0.0]]), t([[0]], torch.int32), torch.zeros(0, dtype=torch.int64)]:
            for dim in [0, 1]:
                r("gather", x, dim, index)
                r("scatter.value", x, dim, index, 7)
                r("scatter.src", x, dim, index, source)
                r("scatter_add", x, dim, index, source)
            r("scatter.reduce", x, 0, index, source, reduce="add")
            r("scatter.value_reduce", x, 1, index, 2, reduce="multiply")
            r("scatter_add_", own(x), 0, index, source)
            r("scatter_.src", own(x), 0, index, source)
            for how in ["sum", "prod", "amax", "amin"]:
                for include in [True, False]:
                    r("scatter_reduce.two", x, 0, index, source, how, include_self=include)
        r("gather", x, 2, t([[0]]))
        r("scatter.src", x, 0, t([[0]]), source.to(torch.int32))
        r("scatter.reduce", x, 0, t([[0]]), source, reduce="foo")
        r("scatter_reduce.two", x, 0, t([[0]]), source, "foo")
        r("take_along_dim", x, t([[0]]), 1)
        r("take_along_dim", x, t([0, 5]))
        r("take_along_dim", x, t([[0, 1], [1, 0]]), 1)
        r("take_along_dim", x, t([0]), 1)
        for index in [t([[5, -1], [0, 1]]), t([6]), t([0.0]), t(2)]:
            r("take", x, index)
            r("put", x, index, torch.arange(20, 20 + index.numel()).to(x.dtype))
            r("put", x, index, torch.arange(20, 20 + index.numel()).to(x.dtype), True)
        r("put", x, t([0]), t([8, 9]).to(x.dtype))
        r("put_", own(x), t([1, 1]), t([8, 9]).to(x.dtype))
        for mask in [x > 2, t([True, False, True]), t([True, False]), t([[True], [False]]), t([1, 0, 1]), t(True)]:
            r("masked_select", x, mask)
            r("masked_scatter", x, mask, torch.arange(10, 16).to(x.dtype))
            r("masked_scatter_", own(x), mask, torch.arange(10, 16).to(x.dtype))
        r("masked_scatter", x, x >= 0, torch.arange(10, 13).to(x.dtype))
        r("masked_scatter", x, x >= 0, torch.arange(10, 16).to(torch.int32))
        for op in ["nonzero", "argwhere", "nonzero_numpy", "where"]:
            r(op, x)
    for x in [S, torch.tensor(0), E, t([True, False, True]), t([0.0, float("nan")])]:
        for op in ["nonzero", "argwhere", "nonzero_numpy", "where"]:
            r(op, x)
    for index in [t(0), t([0, 0]), t(1), t([[0]])]:
        r("gather", S, 0, index)
        r("scatter.value", S, 0, index, 3)
        r("scatter_add", S, 0, index, index + 1)
    r("masked_scatter", S, t([True, False]), t([7, 8]))
    r("take", E, t([0]))
    r("scatter.src", t([True, False]), 0, t([0]), t([False]))
    r("scatter.reduce", t([True, False]), 0, t([1]), t([True]), reduce="add")
    r("scatter_add", torch.zeros(2, dtype=torch.bfloat16), 0, t([0, 0, 1]), torch.ones(3, dtype=torch.bfloat16))
    r.write(FIXTURES / "scattering.txt")


def joining():
    r = Recorder()
    x, y, b = torch.arange(6).view(2, 3), torch.arange(6.0).view(3, 2), t([True, False])
    last = torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    cases = [[], [x], [x, x], [x, y], [x, y.t()], [x, x.float()], [x, t([1])], [x, torch.zeros(0)],
             [torch.zeros(0), torch.zeros(0)], [S, S], [x, S], [x.t(), x.t()], [t([1, 2]), b], [t([1, 2]), t([[3], [4]])],
             [x, torch.zeros(0, dtype=torch.float64)], [E, y.t()], [last, last], [last, last.contiguous()], [T3, T3 + 1],
             [x, x[:, 1:]], [x, x[:1]], [y.half(), y.bfloat16()]]
    for tensors in cases:
        for dim in [0, 1, -1, 2]:
            r("cat", tensors, dim)
            r("stack", tensors, dim)
        for op in ["hstack", "vstack", "dstack", "column_stack", "block_diag"]:
            if op != "block_diag" or all(tensor.dim() <= 2 for tensor in tensors) and tensors:
                r(op, tensors)
    r("concat", [x, x], 1)
    r("cat.out", [x, x], 0, out=torch.zeros(0))
    r("stack.out", [x, x], 0, out=torch.zeros(2, 2, 3))
    for first in [True, False]:
        for side in ["left", "right"]:
            r("pad_sequence", [t([1, 2, 3]), t([4])], first, 9.0, side)
            r("pad_sequence", [x, x[:1]], first, 0.0, side)
    r("pad_sequence", [t([1])], True, 0.0, "top")
    r.write(FIXTURES / "joining.txt")


def rearranging():
    r = Recorder()
    for x in [*matrices(), T3.permute(2, 0, 1), t([1.5, 2.5, 3.5]), S, E, t([1 + 1j, 2j])]:
        for dims in [[0], [1], [0, 1], [-1], [], [0, 0], [5]]:
            r("flip", x, dims)
        r("fliplr", x)
        r("flipud", x)
        for shifts, dims in [([1], []), ([-2], []), ([1], [0]), ([1, 2], [0, 1]), ([-7], [-1]), ([1, 2], []), ([1], [5]),
                             ([1], [0, 1])]:
            r("roll", x, shifts, dims)
        for k in [0, 1, 2, 3, -1, 6]:
            r("rot90", x, k, [0, 1])
        r("rot90", x, 1, [1, 0])
        r("rot90", x, 1, [0, 0])
        r("rot90", x, 1, [0])
        r("rot90", x, 1, [0, 5])
        for times in [[2], [2, 1], [1, 2, 2], [0, 2], [2, -1], [2, 1, 1, 2], []]:
            r("repeat", x, times)
            r("tile", x, times)
        for dim in [None, 0, 1, -1, 3]:
            r("repeat_interleave.self_int", x, 2, dim)
            r("repeat_interleave.self_Tensor", x, t([2]), dim)
            r("repeat_interleave.self_Tensor", x, t([1, 2]), dim)
            r("repeat_interleave.self_Tensor", x, t([1, 0, 2]), dim)
        r("repeat_interleave.self_int", x, -1, 0)
        r("repeat_interleave.self_int", x, 2, 0, output_size=5)
        r("repeat_interleave.self_Tensor", x, t([[2]]), 0)
        r("repeat_interleave.self_Tensor", x, t([-2]), 0)
        r("repeat_interleave.self_Tensor", x, t([2.0]), 0)
        for k in [0, 1, -1, 5, -5]:
            for op in ["tril", "triu", "diag", "diagflat", "diag_embed"]:
                r(op, x, k)
            r("tril_", own(x), k)
            r("triu_", own(x), k)
        r("diag_embed", x, 1, 0, 1)
        r("diag_embed", x, 0, 0, 0)
        r("diag_embed", x, -1, -1, 0)
        r("diag_embed", x, 0, 0, 5)
        for source in [t([7, 8, 9]), t([7, 8]), t([[7], [8]])]:
            r("select_scatter", x, source.to(x.dtype), 0, 1)
            r("select_scatter", x, source.to(x.dtype), -1, 0)
            r("slice_scatter", x, source.to(x.dtype), 1, 0, 1)
            r("diagonal_scatter", x, source.to(x.dtype))
    r("repeat_interleave.Tensor", t([1, 0, 2]))
    r("repeat_interleave.Tensor", t([1, 0, 2], torch.int32))
    r("repeat_interleave.Tensor", t([[1]]))
    image = torch.arange(48.0).view(1, 12, 2, 2)
    for x in [image, image[0], image[:, :4].transpose(2, 3), image.view(2, 2, 3, 2, 2), image.view(3, 16), image[:, :3]]:
        for by in [1, 2, 0, 3]:
            r("pixel_shuffle", x, by)
            r("pixel_unshuffle", x, by)
            r("channel_shuffle", x, by)
    r.write(FIXTURES / "rearranging.txt")


def padding():
    r = Recorder()
    line, plane, space = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(1, 3, 4), torch.arange(8.0).view(1, 2, 2, 2)
    for x in [line, line.t(), plane, plane.transpose(1, 2), space, space[None], E, t([1.0, 2]), line.long(), line > 2]:
        for pad in [[1, 1], [1, -1], [0, 0], [2, 1], [1, 1, 1, 0], [0, 1, -1, 1], [1, 0, 0, 1, 1, 1], [1], [-2, -2], [5, 0],
                    [-1, 2], [-5, 0], [1] * 8]:
            for mode in ["constant", "reflect", "replicate", "circular"]:
                r("pad", x, pad, mode)
            r("pad", x, pad, "constant", 2.5)
            r("constant_pad_nd", x, pad, 7)
        r("pad", x, [1, 1], "reflect", 1.0)
        r("pad", x, [1, 1], "foo")
    r("reflection_pad1d", t([1.0, 2]), [1, 1])
    r("reflection_pad2d", line, [1, 1, 1, 1])
    r("replication_pad1d", torch.zeros(0, 2, 3), [1, 1])
    r("replication_pad2d", torch.zeros(0, 2, 3), [1, 1, 1, 1])
    r("reflection_pad1d", torch.zeros(2, 0), [1, 1])
    r.write(FIXTURES / "padding.txt")


def searching():
    r = Recorder()
    for index in [t([0, 2]), t([[0, 1], [1, 0]]), t([0, -2]), t([], torch.int64), t([1.0]), t(1)]:
        for classes in [-1, 3, 2, 0]:
            r("one_hot", index, classes)
    edges = t([1, 3, 3, 5])
    for boundaries in [edges, edges.float(), edges.to(torch.uint8), edges.view(2, 2)]:
        for values in [t([0, 1, 3, 4, 5, 6]), t([[3.0, 2.5], [float("nan"), 9]]), t(3), t([])]:
            for right in [False, True]:
                r("bucketize.Tensor", values, boundaries, right=right)
                r("searchsorted.Tensor", boundaries, values, right=right)
        r("bucketize.Scalar", 3, boundaries)
        r("bucketize.Scalar", 2.5, boundaries, out_int32=True)
        r("searchsorted.Scalar", boundaries, 3, right=True)
    rows = t([[1, 3, 5], [2, 4, 6]])
    r("searchsorted.Tensor", rows, t([[3, 4], [3, 4]]))
    r("searchsorted.Tensor", rows, t([3, 4]))
    r("searchsorted.Tensor", edges, t([3]), side="right")
    r("searchsorted.Tensor", edges, t([3]), side="left", right=True)
    r("searchsorted.Tensor", edges, t([3]), side="up")
    r("searchsorted.Tensor", t([5, 1, 3]), t([3, 4]), sorter=t([1, 2, 0]))
    r("searchsorted.Tensor", t([1.0, 2, float("nan")]), t([float("nan"), 1.5]), right=True)
    for x in [t([3, 1, 2, 1]), t([[3, 1], [2, 1]]), t([3.0, 1, float("nan"), 1, float("nan")]), t([True, False, True]),
              t([], torch.int64), t([1, 1, 2, 2, 1]), S]:
        for inverse, counts in [(True, True), (False, True), (True, False), (False, False)]:
            r("_unique2", x, True, inverse, counts)
            r("unique_consecutive", x, inverse, counts)
        r("_unique", x, True, True)
    r.write(FIXTURES / "searching.txt")


if __name__ == "__main__":
    advanced()
    along()
    scattering()
    joining()
    rearranging()
    padding()
    searching()
