"""Records what PyTorch's operators give, one case a line, for the tests of the kernels.

    aten::add.Tensor f32[2]{1.0 2.0} i64[]{3} 1 -> f32[2]{4.0 5.0}
    aten::add_.Tensor f32[3/0]{1.0} 1 1 -> ! unsupported operation: ...

After the operator come all its arguments in schema order, then `->` (or `~>` where the last bits may differ), then
the result or the error, then `& 0=...` for every tensor argument that was changed. A tensor is its dtype, its sizes,
after `/` its strides and offset unless it is contiguous, and its elements: all of its storage for an argument, the
shown ones in row-major order for a result. `=0` is the same tensor as argument 0; `$0[...]` is a view of its storage.

    qu8(0.5 3)[2]{1 2}                   a quantized tensor: the scale and zero point, and integers
    qi8(0.5 3, 0.25 4 @ 1)[1,2]{1 2}     the same with one of each for the slices along dimension 1
    <quantized::linear_prepack qi8...>   what a call gives, which no text holds: packed parameters
    <(qi8..., None)>                     packed parameters that are a result: what they are saved as
"""

import torch

SHORT = {
    torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64",
    torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32", torch.float64: "f64", torch.bool: "b8",
    torch.complex64: "c64", torch.complex128: "c128", torch.uint16: "u16", torch.uint32: "u32", torch.uint64: "u64",
    torch.qint8: "qi8", torch.quint8: "qu8", torch.qint32: "qi32", torch.quint4x2: "qu4", torch.quint2x4: "qu2",
}
# What the memory of quantized tensors holds.
INTEGERS = {
    torch.qint8: torch.int8, torch.quint8: torch.uint8, torch.qint32: torch.int32, torch.quint4x2: torch.uint8,
    torch.quint2x4: torch.uint8,
}
CODES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6,
    torch.float64: 7, torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15, torch.uint16: 27,
    torch.uint32: 28, torch.uint64: 29, torch.qint8: 12, torch.quint8: 13, torch.qint32: 14, torch.quint4x2: 16,
    torch.quint2x4: 17,
}
FORMATS = {torch.contiguous_format: 0, torch.preserve_format: 1, torch.channels_last: 2, torch.channels_last_3d: 3}


class Packed:
    """What an operator packs, and the call that does it."""

    def __init__(self, name, *args):
        library, _, base = name.partition("::")
        self.name, self.args = name, args
        self.object = getattr(getattr(torch.ops, library), base)(*(unpacked(arg) for arg in args))


def unpacked(value):
    """An argument as PyTorch takes it."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    return value.object if isinstance(value, Packed) else value


def element(value):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, complex):
        return f"{value.real!r}:{value.imag!r}"
    return repr(value)


def whole(tensor):
    """All of a tensor's storage."""
    if tensor.dtype in INTEGERS:
        plain = torch.empty(0, dtype=INTEGERS[tensor.dtype])
        return plain.set_(tensor.untyped_storage())
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.as_strided(tensor.detach(), (count,), (1,), 0)


def shape(tensor):
    text = ",".join(map(str, tensor.shape))
    if not tensor.is_contiguous() or tensor.storage_offset():
        text += "/" + ",".join(map(str, tensor.stride()))
        if tensor.storage_offset():
            text += f"+{tensor.storage_offset()}"
    return f"[{text}]"


def integers(tensor):
    """The elements of a quantized tensor; the bytes, if a byte holds several."""
    if tensor.dtype not in INTEGERS:
        return tensor
    if tensor.dtype in (torch.quint4x2, torch.quint2x4):
        return whole(tensor)
    plain = torch.empty(0, dtype=INTEGERS[tensor.dtype])
    return plain.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride())


def kind(tensor):
    """The dtype, and what the elements stand for."""
    short = SHORT[tensor.dtype]
    if tensor.dtype not in INTEGERS:
        return short
    if tensor.qscheme() == torch.per_tensor_affine:
        return f"{short}({tensor.q_scale()!r} {tensor.q_zero_point()})"
    pairs = zip(tensor.q_per_channel_scales().tolist(), tensor.q_per_channel_zero_points().tolist())
    pairs = ", ".join(f"{scale!r} {zero_point!r}" for scale, zero_point in pairs)
    return f"{short}({pairs} @ {tensor.q_per_channel_axis()})"


def listed(tensor):
    tensor = integers(tensor)
    return "{" + " ".join(element(value) for value in tensor.flatten().tolist()) + "}"


def text(value, before=()):
    """A value; the tensors in `before` were written already."""
    if isinstance(value, torch.Tensor):
        for i, other in enumerate(before):
            if other is value:
                return f"={i}"
            if isinstance(other, torch.Tensor) and other.untyped_storage()._cdata == value.untyped_storage()._cdata:
                return f"${i}{kind(value)}{shape(value)}"
        return kind(value) + shape(value) + listed(whole(value))
    if isinstance(value, Packed):
        return "<" + " ".join([value.name, *map(text, value.args)]) + ">"
    return plain(value, lambda item: text(item, before))


def plain(value, nested):
    if value is None:
        return "None"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, complex):
        return f"c{value.real!r}:{value.imag!r}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, torch.dtype):
        return str(CODES[value])
    if isinstance(value, torch.memory_format):
        return str(FORMATS[value])
    if isinstance(value, torch.device):
        return f"@{value}"
    if isinstance(value, torch.layout):
        return "0"
    if isinstance(value, list):
        return "[" + ", ".join(map(nested, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(nested, value)) + ")"
    raise TypeError(type(value))


def result(value):
    if isinstance(value, torch.Tensor):
        strides = "" if value.is_contiguous() else "/" + ",".join(map(str, value.stride()))
        sizes = ",".join(map(str, value.shape))
        return f"{kind(value)}[{sizes}{strides}]" + listed(value)
    if isinstance(value, torch.ScriptObject):
        return "<" + result(value.__getstate__()[0]) + ">"
    return plain(value, result)


class Recorder:
    """Collects cases and writes them to the file of a family."""

    def __init__(self):
        self.lines = []

    def __call__(self, name, *args, close=False, via=None, **kwargs):
        """Calls an operator by full name, such as `add_.Tensor`, and records what it did.

        `via` calls those that Python cannot call: it is given all the arguments.
        """
        base, _, overload = name.partition(".")
        operator = getattr(getattr(torch.ops.aten, base), overload or "default")
        given = self.fill(name, operator._schema, args, kwargs)
        values = list(given.values())
        texts = [text(value, values[:i]) for i, value in enumerate(values)]
        tensors = {i: value for i, value in enumerate(values) if isinstance(value, torch.Tensor)}
        before = {i: (whole(value).clone(), shape(value)) for i, value in tensors.items()}
        try:
            positional = {a.name: given[a.name] for a in operator._schema.arguments if not a.kwarg_only}
            by_name = {a.name: given[a.name] for a in operator._schema.arguments if a.kwarg_only}
            outcome = result(via(*values) if via else operator(*positional.values(), **by_name))
        except Exception as error:
            lines = [line for line in str(error).split("\n") if line]
            # A script's error begins with where it was, and ends with what it was.
            outcome = "! " + (lines[-1].removeprefix("RuntimeError: ") if via else lines[0])
        line = f"aten::{name} " + " ".join(texts) + (" ~> " if close else " -> ") + outcome
        if not outcome.startswith("!"):
            for i, value in tensors.items():
                if shape(value) != before[i][1] or not same(whole(value), before[i][0]):
                    line += f" & {i}={result(value)}"
        self.lines.append(line)

    def fill(self, name, schema, args, kwargs):
        given = {}
        rest = list(args)
        for argument in schema.arguments:
            if argument.name in kwargs:
                given[argument.name] = kwargs[argument.name]
            elif rest and not argument.kwarg_only:
                given[argument.name] = rest.pop(0)
            else:
                given[argument.name] = argument.default_value
        assert not rest, name
        return given

    def write(self, path):
        with open(path, "w") as file:
            file.write("\n".join(self.lines) + "\n")


def same(a, b):
    return a.shape == b.shape and a.numpy(force=True).tobytes() == b.numpy(force=True).tobytes() if a.dtype != torch.bfloat16 \
        else a.shape == b.shape and torch.equal(a.view(torch.int16), b.view(torch.int16))
