"""Measures PyTorch on the archives that the benchmark `pytorch` ran, so that both figures are of one machine and one hour.

    python peer.py WORKLOADS THREADS

A line of the file WORKLOADS is a row of the benchmark, the path of an archive, the submodule whose forward is called
(empty for the module itself), and the inputs, such as `f32[] f32[1,3,64,64]`, with tabs between these four. For each,
the row and a median in nanoseconds are printed: of a call, after some calls in which PyTorch profiles and compiles, or
in rows `load/...` of torch.jit.load (of a path, since bytes take it longer). An operator has one thread; all forks
together have THREADS, which PyTorch lets be set only once in a process.
"""

import pathlib
import statistics
import sys
import time

import torch


def main(workloads, threads):
    torch.set_num_threads(1)
    torch.set_num_interop_threads(int(threads))
    with torch.no_grad():
        for line in pathlib.Path(workloads).read_text("utf-8").splitlines():
            row, *workload = line.split("\t")
            print(row, median(prepared(row, *workload)), sep="\t")


def prepared(row, archive, submodule, inputs):
    """What is to be timed."""
    if row.startswith("load/"):
        return lambda: torch.jit.load(archive)
    module = torch.jit.load(archive)
    forward = (getattr(module, submodule) if submodule else module).forward
    tensors = [example(form) for form in inputs.split()]
    return lambda: forward(*tensors)


def example(form):
    """f32[...] are normal floats, as forkcheck draws them."""
    sizes = form.removeprefix("f32[").removesuffix("]")
    return torch.randn([int(size) for size in sizes.split(",") if size])


def median(call):
    times(call, least=4, seconds=0.5)
    return statistics.median(times(call, least=20, seconds=1))


def times(call, least, seconds):
    """So many calls or more, for so long or longer."""
    taken = []
    while len(taken) < least or sum(taken) < seconds * 1e9:
        start = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start)
    return taken


if __name__ == "__main__":
    main(*sys.argv[1:])
