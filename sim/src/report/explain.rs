//! What each code means, with a bad and a good example.

/// The explanation of a code such as `FC0101`, or of a kind such as `input-mutation`.
pub fn explain(code: &str) -> Option<&'static str> {
    TEXTS.iter().find(|row| row.0.eq_ignore_ascii_case(code) || row.1 == code).map(|row| row.2)
}

/// Every code and kind that can be explained.
pub fn codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEXTS.iter().map(|row| (row.0, row.1))
}

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "FC0101",
        "input-mutation",
        "FC0101 input-mutation: a fork writes something that it was given.

The task changes a tensor, list, dict or object that its caller made. Whoever else looks at it, before the wait or in
another task, sees the old or the new content depending on who runs first.

    def scale(x: Tensor) -> Tensor:
        x.mul_(2)                       # bad: changes the caller's tensor
        return x

    def scale(x: Tensor) -> Tensor:
        return x * 2                    # good: a new tensor
        # or: y = x.clone(); y.mul_(2); return y
",
    ),
    (
        "FC0102",
        "attribute-mutation",
        "FC0102 attribute-mutation: a fork writes an attribute, parameter or buffer of a module.

All tasks share the module. Counters, caches, running statistics and hidden states that are kept in attributes make
the result depend on the schedule, and outlive the call.

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1                 # bad: two tasks can both read the same old value
        return self.lin(x)

    def forward(self, x: Tensor) -> Tuple[Tensor, int]:
        return self.lin(x), 1           # good: the caller adds up what it waited for

BatchNorm updates its running statistics in training mode: call `eval()` on what you fork, or fork what has no state.
",
    ),
    (
        "FC0103",
        "global-state",
        "FC0103 global-state: a fork draws from or seeds the default generator, or changes a flag of the process.

There is one default generator for all tasks: who draws first gets other numbers, and seeding it changes what everybody
else draws.

    def noisy(x: Tensor) -> Tensor:
        return x + torch.rand_like(x)   # bad: drawn in whatever order the tasks run

    noise = torch.rand_like(x)          # good: drawn before the fork
    f = torch.jit.fork(add, x, noise)

Dropout draws in training mode: call `eval()` on what you fork.
",
    ),
    (
        "FC0104",
        "output",
        "FC0104 output: a fork prints.

The lines of different tasks come in any order. Results do not change.

    def work(x: Tensor) -> Tensor:
        print(x.sum())                  # bad: lines of tasks mix
        return x * 2

Return what is to be printed, and print it after the wait.
",
    ),
    (
        "FC0105",
        "parent-mutation",
        "FC0105 parent-mutation: a task writes what is its own while a fork uses it.

The fork got a reference, not a copy. Between the fork and the wait, what the caller writes may or may not be seen.

    f = torch.jit.fork(use, x)
    x.add_(1)                           # bad: the task may read x before or after
    y = torch.jit.wait(f)

    f = torch.jit.fork(use, x)
    y = torch.jit.wait(f)
    x.add_(1)                           # good: after the wait
    # or: torch.jit.fork(use, x.clone())
",
    ),
    (
        "FC0201",
        "race",
        "FC0201 race: two unordered accesses to the same memory, one of them a write.

Reported on its own where neither access is an effect of a fork: a task that is never waited for still writes what it
made itself while somebody else, who got hold of it, reads it. Wait for the task before its data is used.
",
    ),
    (
        "FC0202",
        "deadlock",
        "FC0202 deadlock: tasks wait for each other, so none of them ever ends.

A task can only wait for one whose future it holds. It gets the futures of older tasks at its fork; that of a younger
one, or its own, can reach it only through something that is written after the fork, such as a list or an attribute.
Whether it is there when the task looks depends on the schedule: a deadlock always comes with a race.

    fs = annotate(List[Future[Tensor]], [])
    fs.append(torch.jit.fork(work, fs, 1))      # bad: waits for fs[1] if it is there
    fs.append(torch.jit.fork(work, fs, 0))      # bad: waits for fs[0]

    f = torch.jit.fork(work, x)
    g = torch.jit.fork(more, f)                 # good: g waits for f, which is older

The finding names the circle, and each wait of it with its line.
",
    ),
    (
        "FC0301",
        "lost-error",
        "FC0301 lost-error: a task raised an error that the caller never sees.

The error of a task comes out of each wait for it, passes on through whoever waited, and is reported nowhere else. It is
lost if nobody waits, or only tasks for which nobody waits; and the caller gets one error at most, so that the error of
a second task is lost when the first wait raises. A task whose future the caller still holds (in the result, an
argument or the module) is not meant. Only the task that raised the error first is named.

    fs = [torch.jit.fork(checked, x), torch.jit.fork(checked, y)]
    return torch.jit.wait(fs[0])                # bad: if y is wrong, nobody learns of it

    return torch.jit.wait(fs[0]) + torch.jit.wait(fs[1])    # good

A warning: the exit code stays 0 unless --deny warnings.
",
    ),
    (
        "FC0302",
        "unwaited-fork",
        "FC0302 unwaited-fork: nobody waits for a fork.

No wait for the task was begun in a whole execution, and the caller does not hold its future in the end. It may still
run when the entry has returned; what it computes is thrown away, and what it writes comes too late or too early. Where
the entry raises an error, or the task that forked does, nothing is said: the wait may stand in what was skipped.

    fs = [torch.jit.fork(work, x), torch.jit.fork(work, y)]
    return torch.jit.wait(fs[1])                # bad: the first may still be running

    return torch.jit.wait(fs[0]) + torch.jit.wait(fs[1])    # good

A fork whose future is not even kept is deleted by PyTorch's compiler before an archive is written, so it cannot be
found. A warning: the exit code stays 0 unless --deny warnings.
",
    ),
    (
        "FC0303",
        "pool-starvation",
        "FC0303 pool-starvation: a pool of threads that blocks at a wait can hang, unless it is large enough.

Tasks that wait hold their threads, and when they hold all of them, the tasks that they wait for never start. How many
threads are needed follows from who forks and who waits for whom; tasks are taken to start in the order in which they
were forked, and the caller to have a thread of its own. What a pool does at a wait decides:

- suspend: the task steps aside and its thread takes another. PyTorch's interpreter does this, and never starves.
- help: the thread runs waiting tasks in the meantime. Safe where tasks wait only for what they forked themselves; else
  it may bury the very task that somebody waits for.
- block: the thread sleeps. PyTorch's Static Runtime does this, and so do most pools of your own.

    def outer(x: Tensor) -> Tensor:
        f = torch.jit.fork(inner, x)
        return torch.jit.wait(f)                # bad: a pool of one thread is taken, and `inner` never starts

    def outer(x: Tensor) -> Future[Tensor]:
        return torch.jit.fork(inner, x)         # good: the caller waits, twice

A warning: the exit code stays 0 unless --deny warnings.
",
    ),
    (
        "FC0401",
        "opaque-operator",
        "FC0401 opaque-operator: the program calls an operator that forkcheck cannot execute.

What it would have written is not known, so nothing is said about the forks: the verdict is `unknown`, never `pure`.
",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Kind;

    #[test]
    fn every_kind_is_explained() {
        for kind in Kind::ALL {
            assert!(explain(kind.code()).is_some_and(|text| text.starts_with(kind.code())), "{}", kind.name());
            assert_eq!(explain(kind.name()), explain(kind.code()));
        }
        assert_eq!(codes().count(), Kind::ALL.len());
    }
}
