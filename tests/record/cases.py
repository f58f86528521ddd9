"""Makes the sample programs of tests/cases again, or adds new ones, with an installed PyTorch 2.7.

    python tests/record/cases.py [NAME...]

A case is a folder with `source.py`, which defines `model()` and `example_inputs()`. This writes beside it `model.pt`
(what torch.jit.save makes of it), `inputs.pt`, and `expected.pt`: the result of plain Python, where each fork runs to its
end at the fork, or {"__error__": text} if it raises. `truth.json` is written by hand, since it says what a checker should
find; for a new case an empty one is laid down, to be filled in:

    verdict            pure, impure-deterministic or nondeterministic
    effects            one row for each write and fork: kind, op, target, line, fork_line
    outcomes           distinct results over all interleavings of operators, looked at when forward returns and at rest
    outcomes_at_rest   the same, looked at only when every task has ended
    interleavings      1 if nothing races
    error              the text of the error that every schedule raises, or null
"""
import importlib.util
import json
import pathlib
import sys

import torch

CASES = pathlib.Path(__file__).resolve().parent.parent / "cases"
EMPTY = {"verdict": "pure", "effects": [], "outcomes": 1, "outcomes_at_rest": 1, "interleavings": 1, "error": None}


def load(folder):
    """The module of a case; named after the folder, because class names in the archive hold the module's name."""
    spec = importlib.util.spec_from_file_location(folder.name, folder / "source.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)
    return module


def contiguous(value):
    """Results are compared by what they hold, not by how it lies in memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().contiguous()
    if isinstance(value, dict):
        return {key: contiguous(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(contiguous(item) for item in value)
    return value


def make(folder):
    module = load(folder)
    torch.manual_seed(0)
    model = module.model()
    scripted = model if isinstance(model, torch.jit.ScriptModule) else torch.jit.script(model)
    torch.manual_seed(1)
    inputs = module.example_inputs()
    torch.jit.save(scripted, str(folder / "model.pt"))
    torch.save(inputs, str(folder / "inputs.pt"))
    torch.manual_seed(0)
    eager = model if not isinstance(model, torch.jit.ScriptModule) else torch.jit.load(str(folder / "model.pt"))
    try:
        expected = contiguous(eager(*torch.load(str(folder / "inputs.pt"), weights_only=False)))
    except Exception as error:
        expected = {"__error__": str(error).strip().split("\n")[-1].split(": ", 1)[-1]}
    torch.save(expected, str(folder / "expected.pt"))
    truth = folder / "truth.json"
    if not truth.exists():
        truth.write_text(json.dumps(EMPTY, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    for name in sys.argv[1:] or sorted(path.name for path in CASES.iterdir()):
        make(CASES / name)
        print(name)
