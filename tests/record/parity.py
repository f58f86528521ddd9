"""Makes the archives of tests/parity again with an installed PyTorch 2.7, each with what PyTorch gave.

    python parity.py FOLDER [FORKCHECK]

The programs are in `parity_programs.py`. What is told of one, besides its inputs:

    of         the test of PyTorch whose situation it is
    trace      it is traced, not scripted: on its inputs, or on these
    freeze     it is recorded frozen, too
    train      it is in training mode
    method     what is called, if it is not `forward`
    raises     it raises an error
    eager      whether Python itself can run it, each fork to its end at the fork; else PyTorch's interpreter is asked
    tasks      how many tasks there are, where it is not one more than the forks that Python makes
    unable     forkcheck says that it cannot run it
    findings   each finding that is an error: kind and target

An archive NAME.pt holds two files more than `torch.jit.save` makes by itself: `inputs.pt`, and `expected.pt`, the result,
or {"__error__": text}. `truth.json` has what is told, by name, and the lines that lead to an error. With a FORKCHECK
command its `run` is held to each.
"""

import copy
import gc
import io
import json
import os
import re
import subprocess
import sys
import threading
import types
import zipfile
from pathlib import Path

import torch


# What no archive may name.
PLACES = [each.encode() for each in (sys.prefix, sys.base_prefix, os.getcwd(), str(Path(__file__).absolute().parent))]


def short(path):
    """A path as it is for everybody: below the packages, or the name alone."""
    return path.split("site-packages/")[-1] if "site-packages/" in path else os.path.basename(path)


def shorten_sources():
    """Sources are named in archives by `inspect`, and in those of traces by the code on the stack."""
    from torch import _sources
    from torch.jit import frontend

    original = _sources.get_source_lines_and_file

    def relative(obj, error_msg=None):
        lines, start, path = original(obj, error_msg)
        return lines, start, path and short(path)

    _sources.get_source_lines_and_file = frontend.get_source_lines_and_file = relative


def shorten_stack():
    for function in [each for each in gc.get_objects() if isinstance(each, types.FunctionType)]:
        path = function.__code__.co_filename
        if "/site-packages/torch/" in path or path.endswith(("threading.py", "parity.py")):
            function.__code__ = function.__code__.replace(co_filename=short(path))


def programs():
    """Run under a name that has no folder: archives hold the names of sources."""
    module = types.ModuleType("parity_programs")
    module.__file__ = "parity_programs.py"
    sys.modules[module.__name__] = module
    exec(compile(Path("parity_programs.py").read_text(), "parity_programs.py", "exec"), module.__dict__)
    return module.PROGRAMS


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name) for name in archive.namelist()]


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def outcome(call, inputs):
    """What a call gives; results are compared by what they hold, not by how it lies in memory."""
    torch.manual_seed(0)
    try:
        return plain(call(*copy.deepcopy(inputs)))
    except Exception as error:
        return {"__error__": str(error)}


def alike(a, b):
    if isinstance(a, torch.Tensor):
        return torch.allclose(a, b, equal_nan=True)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    return a == b


def trail(error):
    """The lines of Python that lead to an error, outermost first, through each wait and each fork on the way.

    Traces have the stack of Python at that place, innermost first; and what has no source is told to be in line 0.
    """
    lines, original = [], False
    for line in error.splitlines():
        if line.startswith("Traceback of TorchScript"):
            original = "original code" in line
        elif original and (scripted := re.match(r'  File ".+", line (\d+), in ', line)):
            lines.append(int(scripted[1]))
        elif original and (traced := re.match(r"\S+\((\d+)\): ", line)):
            lines.append(int(traced[1]))
            original = False
    return lines


def raised(result):
    return isinstance(result, dict) and "__error__" in result


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone().contiguous()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (torch._C.Future, torch.futures.Future)):
        return plain(value.wait())
    if isinstance(value, torch._C._Await):
        return plain(torch.jit._awaitable_wait(value))
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def compiled(made, told, inputs):
    """The module as it is in Python, and what is saved of it."""
    torch.manual_seed(0)
    python = made if isinstance(made, types.FunctionType) else made().train(told.get("train", False))
    if told.get("trace"):
        example = inputs if told["trace"] is True else told["trace"]
        return python, torch.jit.trace(python, copy.deepcopy(example), check_trace=False)
    return python, torch.jit.script(python)


def forks(call, inputs):
    """How many forks Python makes in a call."""
    count, original = 0, torch._C.fork

    def counting(*args, **kwargs):
        nonlocal count
        count += 1
        return original(*args, **kwargs)

    torch._C.fork = counting
    outcome(call, inputs)
    torch._C.fork = original
    return count


def record(folder, name, told):
    """Writes the archives of a program; gives the truth about each."""
    made, inputs = told["make"], told["inputs"]
    method = told.get("method", "forward")
    python, module = compiled(made, told, inputs)
    module_or_function = python

    def eager(*args):
        fresh = copy.deepcopy(module_or_function)
        return getattr(fresh, method)(*args) if isinstance(fresh, torch.nn.Module) else fresh(*args)

    modules = {name: module}
    if told.get("freeze"):
        modules[name + "Frozen"] = torch.jit.freeze(compiled(made, told, inputs)[1])
    truths = {}
    for name, module in modules.items():
        path = str(folder / f"{name}.pt")
        torch.jit.save(module, path)
        # Tasks may outlast a call that returns their future, and PyTorch crashes if the module does not.
        loaded = torch.jit.load(path)
        expected = outcome(getattr(loaded, method), inputs)
        assert told.get("raises", False) == raised(expected), (name, expected)
        if told.get("eager", True) and not told.get("raises"):
            python = outcome(eager, inputs)
            if not told.get("findings"):
                assert not raised(python), python
                assert alike(expected, python), f"Python: {python}, PyTorch's interpreter: {expected}"
            expected = python
        lines = trail(expected["__error__"]) if told.get("raises") else []
        if told.get("raises"):
            expected = {"__error__": expected["__error__"].strip().splitlines()[-1].split(": ", 1)[-1]}
        torch.jit.save(module, path, _extra_files={"inputs.pt": saved(inputs), "expected.pt": saved(expected)})
        named = [content for content in contents(path) if any(place in content for place in PLACES)]
        assert not named, named[0]
        truths[name] = {
            "of": told.get("of", ""),
            "method": method,
            "unable": told.get("unable", False),
            "tasks": told.get("tasks") or forks(eager, inputs) + 1,
            "trail": lines,
            "findings": sorted(told.get("findings", [])),
        }
    return truths


def hold(folder, name, truth, command):
    """Whether `run` gives what PyTorch gave."""
    extra = {"inputs.pt": "", "expected.pt": ""}
    torch.jit.load(str(folder / f"{name}.pt"), _extra_files=extra)
    for file, content in extra.items():
        (folder / file).write_bytes(content)
    given = ["--method", truth["method"], "--inputs", folder / "inputs.pt", "--expect", folder / "expected.pt"]
    run = subprocess.run([*command, "run", folder / f"{name}.pt", *given], capture_output=True, text=True)
    for file in extra:
        (folder / file).unlink()
    if run.returncode:
        print(f"{name}: exit {run.returncode}: {run.stdout.strip()[:600]} {run.stderr.strip()[:1500]}")


def record_all(folder, command):
    torch.set_grad_enabled(False)
    known = programs()
    truths = {}
    for name, told in known.items():
        try:
            truths |= record(folder, name, told)
        except Exception as error:
            print(f"{name}: not recorded: {type(error).__name__}: {error}")
    (folder / "truth.json").write_text(json.dumps(truths, indent=1) + "\n")
    if command:
        for name, truth in truths.items():
            hold(folder, name, truth, command)


if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    folder = Path(folder).absolute()
    command = [os.path.abspath(each) if os.path.exists(each) else each for each in command]
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(Path(__file__).parent)
    shorten_sources()
    shorten_stack()
    # On a stack of its own, at whose bottom there is no script: traces hold the whole stack.
    thread = threading.Thread(target=record_all, args=(folder, command))
    thread.start()
    thread.join()
