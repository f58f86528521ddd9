"""Calls every operator that has a kernel on arguments made up from its schema, and records what PyTorch gives.

    python tests/record/swept.py FILE [CALLS] [SEED] [NAME...]

The other recordings hold what somebody thought of. Here arguments are small and odd: one element or none, all dtypes,
strides that are not the usual ones, numbers that are no dimension. CALLS (20) are kept of each operator that PyTorch
accepts, and a few that it refuses, each in its own words. After the result stands `^` and, for each tensor in it that
shares memory with an argument, `result=argument`: both count tensors in the order in which they are written. What an
operator does may end the process, so each is called in a process of its own.
"""

import os
import random
import re
import resource
import signal
import sys
import warnings
from pathlib import Path

import torch

from fixture import result, same, shape, text, unpacked, whole
from recorder import tensors

LIST = Path(__file__).parents[2] / "model" / "src" / "operators" / "list.md"
# What is in the memory that these give is nobody's business; or they have no arguments.
UNINITIALIZED = re.compile(r"aten::_?(new_|mkldnn_)?(empty|resize)|aten::(dict|has_torch_function|_get_tracing_state)$")
SIZES = [
    [], [0], [1], [2], [3], [4], [1, 1], [1, 2], [2, 2], [2, 1], [3, 2], [2, 3], [3, 3], [2, 0], [4, 4], [1, 1, 2], [2, 2, 2],
    [2, 3, 4], [1, 2, 2, 2], [1, 2, 4, 4], [2, 4, 3, 3], [1, 2, 3, 4, 4],
]
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
COMPLEX = [torch.complex64, torch.complex128]
WORDS = [
    "", "mean", "linear", "fro", "nuc", "reflect", "constant", "floor", "trunc", "sum", "none", "replicate", "circular", "same",
    "valid", "nearest", "lower", "higher", "midpoint", "ij", "xy", "amax", "prod", "tanh", "reduced", "complete", "r", "U",
    "i->i", "ij->ji", "ij,jk->ik",
]


class Maker:
    """Makes arguments; those of one call tend to have one dtype and fitting sizes, or most would be refused."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def arguments(self, schema):
        pick = self.random
        self.dtype = pick.choices([pick.choice(FLOATS), pick.choice(INTS), torch.bool, pick.choice(COMPLEX)], [10, 5, 2, 2])[0]
        if pick.random() < 0.4:
            self.dtype = torch.float32
        self.sizes = pick.choice(SIZES)
        self.mixed = pick.random() < 0.3
        self.resized = pick.random() < 0.5
        return [self.argument(argument) for argument in schema.arguments]

    def argument(self, argument):
        if argument.has_default_value() and self.random.random() < 0.6:
            return argument.default_value
        if argument.is_out and str(argument.type) == "Tensor":
            return torch.empty(0, dtype=self.dtype)
        return self.value(str(argument.real_type), argument.N)

    def value(self, ty, count=None):
        pick = self.random
        if ty.startswith("Optional["):
            return None if pick.random() < 0.5 else self.value(ty[9:-1], count)
        if ty.startswith("List["):
            count = count if count and pick.random() < 0.8 else pick.choice([0, 1, 1, 2, 2, 2, 3])
            return [self.value(ty[5:-1]) for _ in range(count)]
        match ty:
            case "Tensor":
                return self.tensor()
            case "int" | "SymInt":
                return pick.choice([-2, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4])
            case "float":
                return pick.choice([0.0, 0.25, 0.5, 0.5, 1.0, 1.0, 2.0, -1.0, 1e-5])
            case "bool":
                return pick.random() < 0.5
            case "complex":
                return complex(pick.choice([0.5, 1.0, -2.0]), pick.choice([0.0, 1.0, -0.5]))
            case "number" | "Scalar":
                return self.value(pick.choices(["int", "float", "bool", "complex"], [6, 6, 1, 1])[0])
            case "str":
                return pick.choice(WORDS)
            case "ScalarType":
                return pick.choice([*FLOATS, torch.int64, torch.bool, torch.uint8, torch.complex64])
            case "Layout":
                return torch.strided
            case "MemoryFormat":
                return pick.choice([torch.contiguous_format, torch.preserve_format, torch.channels_last])
            case "Device":
                return torch.device("cpu")
            case "Generator":
                return None
        raise NotImplementedError(ty)

    def tensor(self):
        pick = self.random
        sizes, dtype = self.sizes, self.dtype
        if self.resized and pick.random() < 0.5:
            sizes = pick.choice([pick.choice(SIZES), [pick.choice([1, size]) for size in sizes], sizes[-1:], sizes[1:]])
        if self.mixed and pick.random() < 0.6:
            dtype = pick.choice([*FLOATS, *INTS, torch.bool, *COMPLEX])
        how = pick.random()
        if how < 0.15:
            return self.filled(sizes[::-1], dtype).permute(tuple(reversed(range(len(sizes)))))
        if how < 0.25 and sizes:
            return self.filled([*sizes[:-1], 2 * sizes[-1] + 1], dtype)[..., 1::2]
        if how < 0.3:
            return self.filled([1] * len(sizes), dtype).expand(sizes)
        return self.filled(sizes, dtype)

    def filled(self, sizes, dtype):
        pick, count = self.random, torch.Size(sizes).numel()
        if dtype == torch.bool:
            values = [pick.random() < 0.5 for _ in range(count)]
        elif dtype in INTS:
            least = 0 if dtype == torch.uint8 or pick.random() < 0.5 else -4
            values = [pick.randint(least, 4) for _ in range(count)]
        else:
            bound = pick.choice([4, 12])
            least = 0 if pick.random() < 0.3 else -bound
            values = [pick.randint(least, bound) / 4 for _ in range(count)]
            if pick.random() < 0.1 and count:
                values[pick.randrange(count)] = pick.choice([float("inf"), float("-inf"), float("nan")])
            if dtype in COMPLEX:
                values = [complex(value, pick.randint(-4, 4) / 4) for value in values]
        return torch.tensor(values, dtype=dtype).reshape(sizes)


def storage(tensor):
    return tensor.untyped_storage()._cdata


def call(name, operator, values):
    """The line of a call, and the error if it is refused."""
    line = name + " " + " ".join(text(value, values[:i]) for i, value in enumerate(values)) + " ~> "
    given = [(value, whole(value).clone(), shape(value)) for value in tensors(values)]
    before = {i: [known for known in given if any(known[0] is one for one in tensors(value))] for i, value in enumerate(values)}
    arguments = operator._schema.arguments
    torch.manual_seed(1)
    try:
        found = operator(
            *(unpacked(value) for value, argument in zip(values, arguments) if not argument.kwarg_only),
            **{argument.name: value for value, argument in zip(values, arguments) if argument.kwarg_only},
        )
        line += result(found)
    except Exception as error:
        lines = [one for one in str(error).split("\n") if one] or [""]
        return f"{line}! {lines[0]}", lines[0]
    for i, known in before.items():
        if any(shape(value) != was or not same(whole(value), content) for value, content, was in known):
            line += f" & {i}={result(values[i])}"
    line += " ^"
    for i, one in enumerate(tensors(found)):
        owner = [j for j, (value, _, _) in enumerate(given) if one.numel() and storage(value) == storage(one)]
        line += f" {i}={owner[0]}" if owner else ""
    return line, None


def sweep(name, calls, seed, write, make=Maker):
    library, _, rest = name.partition("::")
    base, _, overload = rest.partition(".")
    operator = getattr(getattr(getattr(torch.ops, library), base), overload or "default")
    maker = make(f"{seed} {name}")
    accepted, refused = set(), set()
    for _ in range(calls * 30):
        try:
            values = maker.arguments(operator._schema)
        except NotImplementedError:
            return
        write("?" + name + " " + " ".join(text(value, values[:i]) for i, value in enumerate(values)))
        line, error = call(name, operator, values)
        # PyTorch makes tensors of sizes below zero if one size is zero; nobody means them.
        if error is None and re.search(r"\w\[(\d*,)*-", line.split(" ~> ")[1]):
            continue
        if error is None and line not in accepted:
            accepted.add(line)
            write(line)
        # Errors that differ in numbers only are one.
        elif error is not None and len(refused) < calls / 4 and (kind := re.sub(r"\d+", "0", error)) not in refused:
            refused.add(kind)
            write(line)
        if len(accepted) == calls:
            return


def operators(library="aten"):
    """What the list says to have a kernel."""
    kernels = False
    for part in re.split(r"^# ", LIST.read_text(), flags=re.M):
        head, _, body = part.partition("\n")
        if head.strip() != f"`{library}`: run":
            continue
        kernels = True
        for base, _, overloads, one in re.findall(r"`(\w+)(\{([^}]*)\})?(\.\w+)?`", body.replace("\n", "")):
            for overload in overloads.split(","):
                yield f"{library}::{base}{overload.strip() or one}"
    assert kernels, "the list of operators has changed"


def main():
    path, *rest = sys.argv[1:]
    calls, seed, *names = rest if len(rest) > 1 else [*rest, *["20", "0"][len(rest) :]]
    record(path, names or [name for name in operators() if not UNINITIALIZED.match(name)], int(calls), seed)


def record(path, names, calls, seed, make=Maker):
    """Calls each of the operators in a process of its own."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore")
    with open(path, "w") as file:
        for name in names:
            reads, writes = os.pipe()
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
                os.close(reads)
                with os.fdopen(writes, "w", buffering=1) as pipe:
                    try:
                        sweep(name, calls, seed, lambda line: pipe.write(line + "\n"), make)
                    except AttributeError:
                        pass
                os._exit(0)
            os.close(writes)
            last = ""
            with os.fdopen(reads) as pipe:
                for line in pipe:
                    last = line
                    if not line.startswith("?"):
                        file.write(line)
            if os.waitpid(child, 0)[1] != 0:
                print(f"the process ends at {last.strip()}", file=sys.stderr)


if __name__ == "__main__":
    main()
