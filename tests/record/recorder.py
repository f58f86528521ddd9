"""Records what PyTorch's operators give, one call a line, for the tests of the kernels.

    operator argument ... => result [| position=value ...] [~ draws]
    operator argument ... !! message

A tensor is `dtype[sizes:strides]{elements in row-major order}`, strides only when it is not contiguous; a float has a
point or an exponent; `G5` is a generator seeded with 5. After `|` stand the arguments that the call changed. After
`~` stand two draws made after the call, which tell the state of the generator: `randn` of a float64, then `random_`
of an int64. The default generator is seeded with the number of the line (from 0).
"""

import json
import sys

import torch

DTYPES = {torch.bool: "bool"}


def number(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, complex):
        return f"{v.real!r}{v.imag:+}j"
    return repr(v).replace("nan", "nan")


def elements(t):
    t = t.detach().contiguous().view(-1)
    if t.dtype in (torch.float16, torch.bfloat16):
        return [number(v) for v in t.double().tolist()]
    if t.dtype == torch.float32:
        return [str(v) if "." in str(v) or "e" in str(v) or "n" in str(v) else f"{v}.0" for v in t.numpy()]
    return [number(v) for v in t.tolist()]


def text(v):
    if v is None:
        return "N"
    if isinstance(v, torch.Tensor):
        strides = "" if v.is_contiguous() else ":" + ",".join(map(str, v.stride()))
        sizes = ",".join(map(str, v.shape))
        return f"{str(v.dtype)[6:]}[{sizes}{strides}]{{{' '.join(elements(v))}}}"
    if isinstance(v, torch.Generator):
        return f"G{v.initial_seed()}"
    if isinstance(v, torch.dtype):
        return str(CODES[v])
    if isinstance(v, str):
        return json.dumps(v)
    if isinstance(v, list):
        return "[" + " ".join(map(text, v)) + "]"
    if isinstance(v, tuple):
        return "(" + " ".join(map(text, v)) + ")"
    return number(v)


CODES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5,
    torch.float32: 6, torch.float64: 7, torch.complex64: 9, torch.complex128: 10, torch.bool: 11, torch.bfloat16: 15,
}


def tensors(v):
    if isinstance(v, torch.Tensor):
        yield v
    elif isinstance(v, (list, tuple)):
        for item in v:
            yield from tensors(item)


class Recorder:
    def __init__(self, path, draws=False):
        self.path, self.draws, self.lines = path, draws, []

    def __call__(self, name, *args, **kwargs):
        """Records a call of `name` (without `aten::`); arguments that are not given take their defaults."""
        operator, _, overload = name.partition(".")
        op = getattr(getattr(torch.ops.aten, operator), overload or "default")
        full = list(args)
        for argument in op._schema.arguments[len(args):]:
            full.append(kwargs.pop(argument.name, argument.default_value))
        assert not kwargs, (name, kwargs)
        before = [text(v) for v in full]
        schema = op._schema.arguments
        given = [torch.empty(0) if False else v for v in full]
        positional = [v for v, a in zip(given, schema) if not a.kwarg_only]
        named = {a.name: v for v, a in zip(given, schema) if a.kwarg_only}
        line = " ".join([f"aten::{name}", *before])
        torch.manual_seed(len(self.lines))
        try:
            with torch.no_grad():
                result = op(*positional, **named)
        except Exception as error:
            message = str(error).split("\nException raised from")[0]
            self.lines.append(f"{line} !! {json.dumps(message)}")
            return None
        line += f" => {text(result) if result is not None else 'N'}"
        changed = [f"{i}={text(v)}" for i, v in enumerate(full) if list(tensors(v)) and text(v) != before[i]]
        if changed:
            line += " | " + " ".join(changed)
        if self.draws:
            normal = torch.randn(1, dtype=torch.float64).item()
            line += f" ~ {normal!r} {torch.empty(1, dtype=torch.int64).random_().item()}"
        self.lines.append(line)
        return result

    def save(self):
        with open(self.path, "w") as file:
            file.write("\n".join(self.lines) + "\n")
        print(f"{self.path}: {len(self.lines)} calls", file=sys.stderr)


def x(*sizes, dtype=torch.float32, low=-2.0, high=2.0, step=0.37):
    """A tensor of short numbers that repeat late."""
    n = 1
    for size in sizes:
        n *= size
    span = high - low
    values = [round(low + (i * step * 7 + 0.11) % span, 2) for i in range(n)]
    if dtype == torch.bool:
        return torch.tensor([v > 0 for v in values]).reshape(sizes)
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.tensor([int(v * 3) for v in values], dtype=dtype).reshape(sizes)
    return torch.tensor(values, dtype=dtype).reshape(sizes)
