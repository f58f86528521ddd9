"""Calls the operators that PyTorch has for quantized tensors on arguments made up from their schemas.

    python tests/record/swept_quantized.py FILE [CALLS] [SEED] [NAME...]

As `swept.py`, which says more; here most tensors are quantized, in a few ways, and packed parameters are made by the
call that packs them.
"""

import re
import sys

import torch

import swept
from fixture import INTEGERS, Packed

# Arguments that are numbers where others are quantized.
PLAIN = re.compile(
    "weight|bias|mean|var|running_.*|B|b_.*|scales?|zero_points?|.*indices|offsets|index|mask|hx|boundaries|grid|"
    "condition|repeats|per_sample_weights|compressed.*"
)
INDICES = re.compile(".*indices|offsets|index|mask|repeats|compressed.*")
# These are given numbers.
NUMBERS = re.compile(
    r"aten::(_?fake_|_?quantize_|_make_|choose_|_choose|fused_|quantized_(lstm|gru))|"
    r"quantized::(quantized_|linear_.*(dynamic|fp16)|linear_with|conv.*_dynamic|make_|embedding_bag_\w+_prepack|linear_prepack_fp16)"
)
SCALES = [1.0, 0.5, 0.5, 0.25, 0.1, 0.037, 2.0, 0.003]
LINEAR, CONV2D, CONV3D, EMBEDDING = (
    f"__torch__.torch.classes.quantized.{name}PackedParamsBase" for name in ("Linear", "Conv2d", "Conv3d", "Embedding")
)
CELL = "__torch__.torch.classes.rnn.CellParamsBase"
# Operators that others are composed of, or that have a kernel of their own for quantized tensors.
KEYS = ["QuantizedCPU", "CompositeImplicitAutograd", "CompositeExplicitAutograd"]


class Maker(swept.Maker):
    """Quantizes most tensors of a call alike."""

    def filled(self, sizes, dtype):
        # What is not finite becomes an element that depends on the vector width.
        found = super().filled(sizes, dtype)
        return found.nan_to_num(0.5, 2.0, -2.0) if dtype.is_floating_point else found

    def arguments(self, schema):
        pick, self.name = self.random, schema.name
        self.quantized = pick.choices([torch.quint8, torch.qint8, torch.qint32], [6, 3, 2])[0]
        self.scheme = self.quantizer()
        self.alike = pick.random() < 0.7
        self.channels, self.groups, self.gates = pick.choice([1, 2, 3, 4]), pick.choice([1, 1, 1, 2]), 4
        if "gru" in schema.name:
            self.gates = 3
        if "rnn" in schema.name:
            self.gates = 1
        self.rank = next((int(digit) for digit in re.findall(r"(\d)d", schema.name)), 2)
        self.packs = any("ParamsBase" in str(argument.type) for argument in schema.arguments)
        if self.packs and "conv" in schema.name:
            # The kernels of PyTorch take no other activations.
            self.quantized = torch.quint8 if pick.random() < 0.9 else self.quantized
        while True:
            try:
                return super().arguments(schema)
            except (RuntimeError, IndexError):
                # Tensors that are quantized per channel have few views.
                pass

    def sized(self, schema_name, name):
        """The sizes of an argument that has to fit another."""
        pick = self.random
        lines = [pick.choice([1, 2, 3, 4, 5]) for _ in range(self.rank)]
        if "embedding" in schema_name:
            return pick.choice([[3], [4], [2, 2], [1, 3], [0]]) if name != "weight" else [5, pick.choice([2, 4, 8])]
        if "conv" in schema_name:
            return [pick.choice([1, 2]), self.channels * self.groups, *lines]
        if "cell" in schema_name:
            return [2, self.channels]
        if "lstm" in schema_name or "gru" in schema_name:
            return [1 if name == "hx" else 3, 2, self.channels]
        return [*pick.choice([[1], [2], [3], [2, 2], [0], []]), self.channels]

    def argument(self, argument):
        pick, name, ty = self.random, argument.name, str(argument.real_type)
        if argument.has_default_value() and pick.random() < 0.6:
            return argument.default_value
        if re.fullmatch(".*scale(_i)?", name) and ty == "float" or ty == "Optional[float]" and name == "scale":
            return pick.choice(SCALES)
        if re.fullmatch(".*zero_point(_i)?", name) and ty in ("int", "Optional[int]"):
            # Within the range: what kernels make of others depends on the vector width.
            return pick.choice([0, 0, 1, 3, 10, 64, 127, 255 if self.quantized == torch.quint8 else -3])
        if ty in ("ScalarType", "Optional[ScalarType]") and "quant" in self.name:
            return pick.choice([torch.quint8, torch.qint8, torch.qint32])
        if name == "eps":
            return pick.choice([1e-5, 0.5, 1.0])
        if argument.is_out and ty == "Tensor":
            return self.quantize(torch.zeros(0)) if pick.random() < 0.8 else torch.empty(0)
        if ty in (LINEAR, CONV2D, CONV3D, EMBEDDING, CELL):
            return self.packed(ty)
        if ty == f"List[{CELL}]":
            return [self.packed(CELL)]
        if self.name.endswith("prepack") and ty == "List[int]":
            least = 0 if "padding" in name else 1
            return [pick.choice([least, least, least + 1]) for _ in range(self.rank)]
        if name == "groups":
            return self.groups
        if name == "W" or name == "weight" and "prepack" in self.name:
            return self.weight()
        if name in ("B", "bias") and "prepack" in self.name:
            return pick.choice([None, self.filled([3 * self.groups], torch.float32)])
        self.plain = bool(PLAIN.fullmatch(name) or NUMBERS.match(self.name))
        self.index, self.current = bool(INDICES.fullmatch(name)), name
        if "qparams" in self.name and name in ("scale", "zero_point"):
            return torch.tensor(self.random.choice([0.5, 0.1]) if name == "scale" else 3)
        if name in ("scales", "zero_points", "scale", "zero_point") and "channel" in self.name and ty == "Tensor":
            count = pick.choice([*self.sizes, 1, 2]) if self.sizes else 2
            if name == "zero_points" or name == "zero_point":
                kind = torch.int64 if pick.random() < 0.8 else torch.float32
                return torch.tensor([pick.randint(0, 9) for _ in range(count)], dtype=kind)
            return torch.tensor([pick.choice(SCALES) for _ in range(count)], dtype=pick.choice([torch.float64, torch.float32]))
        if self.packs and ty == "Tensor" and not (self.index and pick.random() < 0.1) and pick.random() < 0.93:
            sizes = self.sized(self.name, name)
            if self.index:
                return torch.tensor(
                    [pick.randint(0, 4) for _ in range(torch.Size(sizes).numel())], dtype=pick.choice([torch.int64, torch.int32])
                ).reshape(sizes)
            found = self.filled(sizes, torch.float32)
            return found if self.plain else self.quantize(found)
        if self.packs and ty == "List[Tensor]":
            return [self.filled(self.sized(self.name, "hx"), torch.float32) for _ in range(2)]
        return self.value(ty, argument.N)

    def tensor(self):
        pick = self.random
        if self.index and pick.random() < 0.8:
            self.dtype = pick.choice([torch.int64, torch.bool])
            return super().tensor()
        if self.plain or pick.random() < 0.07:
            if pick.random() < 0.8:
                self.dtype, self.mixed = torch.float32, False
            if re.search("norm", self.name) and len(self.sizes) > 1:
                found = self.filled([self.sizes[1]], torch.float32)
                return found.abs() if self.current == "var" else found
            return super().tensor()
        sizes = self.sizes
        if self.resized and pick.random() < 0.3:
            sizes = pick.choice([pick.choice(swept.SIZES), [pick.choice([1, size]) for size in sizes], sizes[-1:], sizes[1:]])
        how = pick.random()
        if how < 0.1:
            return self.quantize(self.filled(sizes[::-1], torch.float32)).permute(tuple(reversed(range(len(sizes)))))
        if how < 0.2 and len(sizes) == 4:
            return self.quantize(self.filled(sizes, torch.float32).contiguous(memory_format=torch.channels_last))
        return self.quantize(self.filled(sizes, torch.float32))

    def quantizer(self):
        pick = self.random
        lowest = 0 if self.quantized == torch.quint8 else -5
        return pick.choice(SCALES), pick.choice([0, 0, lowest, 3, 64, 127 if pick.random() < 0.3 else 1])

    def quantize(self, tensor, dtype=None):
        pick, dtype = self.random, dtype or self.quantized
        scale, zero_point = self.scheme if self.alike else self.quantizer()
        if tensor.dim() and tensor.shape[0] and pick.random() < 0.12:
            axis = pick.randrange(tensor.dim())
            size = tensor.shape[axis]
            if size:
                scales, zeros = ([pick.choice(of) for _ in range(size)] for of in (SCALES, [0, 1, 3]))
                return torch.quantize_per_channel(tensor, torch.tensor(scales), torch.tensor(zeros), axis, dtype)
        return torch.quantize_per_tensor(tensor, scale, zero_point, dtype)

    def weight(self, name=None):
        """A weight to be packed by the operator, or by the one that is named."""
        pick, name = self.random, name or self.name
        outputs = 3
        if "embedding" in name:
            rows, width = 5, pick.choice([2, 4, 8])
            plain = self.filled([rows, width], torch.float32)
            if not name.endswith("bag_prepack"):
                return plain
            scales = torch.tensor([pick.choice(SCALES) for _ in range(rows)])
            zeros = torch.tensor([pick.choice([0.0, 0.5, 3.0]) for _ in range(rows)])
            kind = torch.quint4x2 if "4bit" in self.name or name == self.name and pick.random() < 0.3 else torch.quint8
            return torch.quantize_per_channel(plain, scales, zeros, 0, kind)
        if "conv" in name:
            sizes = [outputs * self.groups, self.channels]
            if "transpose" in name:
                sizes = [self.channels * self.groups, outputs]
            sizes += [pick.choice([1, 2, 3]) for _ in range(self.rank)]
        else:
            if "gru" in self.name or "lstm" in self.name or "rnn" in self.name:
                outputs = self.gates * self.channels
            sizes = [outputs, self.channels]
        plain = self.filled(sizes, torch.float32)
        if "fp16" in name or self.name == name and pick.random() < 0.1:
            return plain
        if pick.random() < 0.3 and "transpose" not in name:
            scales = torch.tensor([pick.choice(SCALES) for _ in range(sizes[0])])
            zeros = torch.tensor([pick.choice([0, 0, 0, 1]) for _ in range(sizes[0])])
            return torch.quantize_per_channel(plain, scales, zeros, 0, torch.qint8)
        # Without a zero point oneDNN computes transposed convolutions, and in PyTorch 2.7 what it gives is wrong.
        zero_points = [2, -1] if "transpose" in name else [0, 0, 0, 2, -1]
        return torch.quantize_per_tensor(plain, pick.choice(SCALES), pick.choice(zero_points), torch.qint8)

    def packed(self, ty):
        while True:
            try:
                return self.packed_once(ty)
            except (RuntimeError, IndexError):
                self.groups = 1

    def packed_once(self, ty):
        pick = self.random
        if ty == CELL:
            linear = [self.packed(LINEAR), self.packed(LINEAR)]
            count = self.gates * self.channels
            biases = [self.filled([count], torch.float32) for _ in range(2)]
            return Packed("quantized::make_quantized_cell_params_dynamic", *linear, *biases, pick.random() < 0.5)
        if ty == LINEAR:
            name = "quantized::linear_prepack" + ("_fp16" if "fp16" in self.name else "")
            weight = self.weight(name)
            return Packed(name, weight, pick.choice([None, self.filled([weight.shape[0]], torch.float32)]))
        if ty == EMBEDDING:
            return Packed("quantized::embedding_bag_prepack", self.weight("quantized::embedding_bag_prepack"))
        rank = 3 if ty == CONV3D else 1 if "conv1d" in self.name or "transpose1d" in self.name else 2
        self.rank = rank
        transposed = "transpose" in self.name and not self.name.endswith("_transpose") or "_transpose_" in self.name
        name = f"quantized::conv{'_transpose' if transposed else ''}{rank}d_prepack"
        weight = self.weight(name)
        outputs = weight.shape[1] * self.groups if transposed else weight.shape[0]

        def line(least, most):
            return [pick.choice([least, least, most]) for _ in range(rank)]

        padding = [line(0, 1), line(0, 0)] if transposed else [line(0, 1)]
        bias = pick.choice([None, self.filled([outputs], torch.float32)])
        return Packed(name, weight, bias, line(1, 2), *padding, line(1, 2 if pick.random() < 0.2 else 1), self.groups)


def operators():
    """Those that PyTorch has for quantized tensors and that have a kernel."""
    known = set(torch._C._dispatch_get_all_op_names())
    for name in swept.operators():
        keys = name in known and any(torch._C._dispatch_has_kernel_for_dispatch_key(name, key) for key in KEYS)
        first = re.match(r"[^(]*\((Tensor|Tensor\[\]|Tensor\(a!?\)) ", str(schema(name)))
        if "quant" in name or keys and first:
            yield name
    yield from swept.operators("quantized")
    yield from swept.operators("_quantized")


def schema(name):
    base, _, overload = name.removeprefix("aten::").partition(".")
    try:
        return getattr(getattr(torch.ops.aten, base), overload or "default")._schema
    except AttributeError:
        return None


def main():
    path, *rest = sys.argv[1:]
    calls, seed, *names = rest if len(rest) > 1 else [*rest, *["20", "0"][len(rest) :]]
    names = names or [name for name in operators() if not swept.UNINITIALIZED.match(name)]
    swept.record(path, names, int(calls), seed, Maker)


if __name__ == "__main__":
    main()
