//! What each code means, with bad and good examples, and what to do.

use std::fmt::Write as _;

use crate::check::{Kind, Severity};

/// What is to be said about a kind of finding, whoever it is about.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is about.
    pub kind: Kind,
    /// What happens, in half a sentence.
    pub short: &'static str,
    /// Why that matters, in paragraphs.
    pub meaning: &'static str,
    /// A bad and a good example in TorchScript.
    pub torchscript: &'static str,
    /// A bad and a good example in Rust; none where Rust programs cannot have such a finding.
    pub rust: Option<&'static str>,
    /// What to do about it.
    pub advice: &'static str,
}

impl Rule {
    /// For a terminal.
    pub fn text(&self) -> String {
        let block = |_: &str, code: &str| {
            let indented = |line: &str| if line.is_empty() { "\n".into() } else { format!("    {line}\n") };
            code.lines().map(indented).collect::<String>()
        };
        self.render(self.meaning, block)
    }

    /// For pages: examples in fences, and paragraphs that are not broken into lines.
    pub fn markdown(&self) -> String {
        self.render(&self.paragraphs(), |language, code| format!("```{language}\n{code}\n```\n"))
    }

    /// The meaning, where lines are broken by whoever shows it.
    pub fn paragraphs(&self) -> String {
        // A new paragraph and an item of a list begin a line; all other ends of lines are spaces.
        let kept = self.meaning.replace("\n\n", "\r\r").replace("\n- ", "\r- ");
        kept.replace("\n  ", " ").replace('\n', " ").replace('\r', "\n")
    }

    fn render(&self, meaning: &str, block: impl Fn(&str, &str) -> String) -> String {
        let Rule { kind, short, torchscript, rust, advice, .. } = self;
        let mut text = format!("{} {}: {short}.\n\n{meaning}\n\nTorchScript:\n\n", kind.code(), kind.name());
        text.push_str(&block("python", torchscript));
        if let Some(rust) = rust {
            write!(text, "\nRust:\n\n{}", block("rust", rust)).expect("a string takes everything");
        }
        write!(text, "\nWhat to do: {advice}\n").expect("a string takes everything");
        // What is opaque decides the verdict, and with it the exit code.
        if kind.severity() == Severity::Warning && *kind != Kind::OpaqueOperator {
            text.push_str("\nA warning: the exit code stays 0 unless --deny warnings.\n");
        }
        text
    }
}

/// The rule of a code such as `FC0101`, or of a kind such as `input-mutation`.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.kind.code().eq_ignore_ascii_case(code) || rule.kind.name() == code)
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    Rule {
        kind: Kind::InputMutation,
        short: "a fork writes something that it was given",
        meaning: "\
The task changes a tensor, list, dict or object that its caller made. Whoever else looks at it, before the wait or in
another task, sees the old or the new content depending on who runs first.",
        torchscript: "\
def scale(x: Tensor) -> Tensor:
    x.mul_(2)                       # bad: changes the caller's tensor
    return x

def scale(x: Tensor) -> Tensor:
    return x * 2                    # good: a new tensor",
        rust: Some(
            "\
let f = fork(|x: Tensor| x.mul_(2.0), (x.clone(),));    // bad: a clone of a handle is the same tensor

let f = fork(|x: Tensor| x.mul(2.0), (x.clone(),));     // good: a new tensor",
        ),
        advice: "return the new value. If it must be written in place, clone it first, in the task or in the call.",
    },
    Rule {
        kind: Kind::AttributeMutation,
        short: "a fork writes an attribute, parameter or buffer of a module",
        meaning: "\
All tasks share the module. Counters, caches, running statistics and hidden states that are kept in attributes make
the result depend on the schedule, and outlive the call.",
        torchscript: "\
def forward(self, x: Tensor) -> Tensor:
    self.calls += 1                 # bad: two tasks can both read the same old value
    return self.lin(x)

def forward(self, x: Tensor) -> Tuple[Tensor, int]:
    return self.lin(x), 1           # good: the caller adds up what it waited for",
        rust: Some(
            "\
fn forward(&self, (x,): (Tensor,)) -> Tensor {
    self.calls.update(|n| n + 1);                       // bad: and the module is forked
    x.relu()
}

fn forward(&self, (x,): (Tensor,)) -> (Tensor, i64) {
    (x.relu(), 1)                                       // good
}",
        ),
        advice: "\
return the new value, and let the caller store it after the wait. BatchNorm updates its running statistics
in training mode: call `eval()` on what you fork, or fork what has no state.",
    },
    Rule {
        kind: Kind::GlobalState,
        short: "a fork draws from or seeds the default generator, or changes what is global",
        meaning: "\
There is one default generator for all tasks: who draws first gets other numbers, and seeding it changes what everybody
else draws. The same goes for flags of the process, and for a `Global` in Rust.",
        torchscript: "\
def noisy(x: Tensor) -> Tensor:
    return x + torch.rand_like(x)   # bad: drawn in whatever order the tasks run

noise = torch.rand_like(x)          # good: drawn before the fork
f = torch.jit.fork(add, x, noise)",
        rust: Some(
            "\
let f = fork(|x: Tensor| x.add(rng().unit()), (x.clone(),));            // bad

let noise = rng().unit();
let f = fork(|x: Tensor, noise: f64| x.add(noise), (x.clone(), noise)); // good",
        ),
        advice: "\
draw before the fork and pass the numbers in. Dropout draws in training mode: call `eval()` on what you
fork.",
    },
    Rule {
        kind: Kind::Output,
        short: "a fork prints",
        meaning: "\
The lines of different tasks come in any order. Results do not change. Warnings are printed, too. What Rust code prints
is not seen.",
        torchscript: "\
def work(x: Tensor) -> Tensor:
    print(x.sum())                  # bad: lines of tasks mix
    return x * 2

y = torch.jit.wait(f)
print(y.sum())                      # good: after the wait",
        rust: None,
        advice: "return what is to be printed, and print it after the wait.",
    },
    Rule {
        kind: Kind::ParentMutation,
        short: "a task writes what is its own while a fork uses it",
        meaning: "\
The fork got a reference, not a copy. Between the fork and the wait, what the caller writes may or may not be seen.",
        torchscript: "\
f = torch.jit.fork(use, x)
x.add_(1)                           # bad: the task may read x before or after
y = torch.jit.wait(f)

f = torch.jit.fork(use, x)
y = torch.jit.wait(f)
x.add_(1)                           # good: after the wait",
        rust: Some(
            "\
let f = fork(|x: Tensor| x.sum(), (x.clone(),));
x.add_(1.0);                        // bad
wait(&f)

let f = fork(|x: Tensor| x.sum(), (x.clone(),));
let sum = wait(&f);
x.add_(1.0);                        // good
sum",
        ),
        advice: "wait for the fork before the write, or give it a copy: `x.clone()`, in Rust `x.copy()`.",
    },
    Rule {
        kind: Kind::Race,
        short: "two unordered accesses to the same memory, one of them a write",
        meaning: "\
Reported on its own where neither access is an effect of a fork: a task writes what it made itself, while the caller,
who got hold of it before the wait, uses it.",
        torchscript: "\
def work(out: List[Tensor], x: Tensor):
    t = x.clone()
    out.append(t)
    t.add_(1)                       # bad: the caller may have taken t from the list

def work(x: Tensor) -> Tensor:
    t = x.clone()
    t.add_(1)
    return t                        # good: the caller gets it from the wait",
        rust: Some(
            "\
let shelf = Attr::new(None::<Tensor>);
let work = |shelf: Attr<Option<Tensor>>| {
    let t = Tensor::zeros(&[2]);
    shelf.set(Some(t.clone()));
    t.add_(1.0);                    // bad: the caller may have taken t from the shelf
};
let f = fork(work, (shelf.clone(),));
let taken = shelf.get().map(|t| t.sum());
wait(&f);

let work = || Tensor::zeros(&[2]).add_(1.0);
let f = fork(work, ());
let taken = wait(&f).sum();         // good: the caller gets it from the wait",
        ),
        advice: "wait for the task before its data is used, and take the data from the wait.",
    },
    Rule {
        kind: Kind::Deadlock,
        short: "tasks wait for each other, so none of them ever ends",
        meaning: "\
A task can only wait for one whose future it holds. It gets the futures of older tasks at its fork; that of a younger
one, or its own, can reach it only through something that is written after the fork, such as a list or an attribute.
Whether it is there when the task looks depends on the schedule: a deadlock always comes with a race. The finding names
the circle, and each wait of it with its line.",
        torchscript: "\
fs = annotate(List[Future[Tensor]], [])
fs.append(torch.jit.fork(work, fs, 1))      # bad: waits for fs[1] if it is there
fs.append(torch.jit.fork(work, fs, 0))      # bad: waits for fs[0]

f = torch.jit.fork(work, x)
g = torch.jit.fork(more, f)                 # good: g waits for f, which is older",
        rust: Some(
            "\
let next: Attr<Option<Future<i64>>> = Attr::new(None);
let look = |next: Attr<Option<Future<i64>>>| next.get().map_or(0, |future| wait(&future));
let f = fork(look, (next.clone(),));
next.set(Some(f.clone()));                  // bad: the task may find its own future there
wait(&f)

let f = fork(|| 1, ());
let g = fork(|f: Future<i64>| wait(&f) + 1, (f,));      // good: g waits for f, which is older
wait(&g)",
        ),
        advice: "\
pass a future on only to tasks that are forked later, as an argument, never through what an earlier one
can read.",
    },
    Rule {
        kind: Kind::LostError,
        short: "a task raised an error that the caller never sees",
        meaning: "\
The error of a task comes out of each wait for it, passes on through whoever waited, and is reported nowhere else. It is
lost if nobody waits, or only tasks for which nobody waits; and the caller gets one error at most, so that the error of
a second task is lost when the first wait raises. A task whose future the caller still holds (in the result, an
argument or the module) is not meant. Only the task that raised the error first is named.",
        torchscript: "\
fs = [torch.jit.fork(checked, x), torch.jit.fork(checked, y)]
return torch.jit.wait(fs[0])                # bad: if y is wrong, nobody learns of it

return torch.jit.wait(fs[0]) + torch.jit.wait(fs[1])    # good",
        rust: Some(
            "\
let f = fork(|n: i64| assert!(n > 0, \"not positive\"), (n,));
drop(f);                                    // bad: if n is not positive, nobody learns of it
n

let f = fork(|n: i64| assert!(n > 0, \"not positive\"), (n,));
wait(&f);                                   // good: panics here, too
n",
        ),
        advice: "wait for the task, and for whoever waits for it.",
    },
    Rule {
        kind: Kind::UnwaitedFork,
        short: "nobody waits for a fork",
        meaning: "\
No wait for the task was begun in a whole execution, and the caller does not hold its future in the end. It may still
run when the entry has returned; what it computes is thrown away, and what it writes comes too late or too early. Where
the entry raises an error, or the task that forked does, nothing is said: the wait may stand in what was skipped.
A fork whose future is not even kept is deleted by PyTorch's compiler before an archive is written, so it cannot be
found there.",
        torchscript: "\
fs = [torch.jit.fork(work, x), torch.jit.fork(work, y)]
return torch.jit.wait(fs[1])                # bad: the first may still be running

return torch.jit.wait(fs[0]) + torch.jit.wait(fs[1])    # good",
        rust: Some(
            "\
let (f, g) = (fork(|n: i64| n + 1, (n,)), fork(|n: i64| n + 2, (n,)));
drop(f);                                    // bad
wait(&g)

let (f, g) = (fork(|n: i64| n + 1, (n,)), fork(|n: i64| n + 2, (n,)));
wait(&f) + wait(&g)                         // good",
        ),
        advice: "wait for it, or return its future.",
    },
    Rule {
        kind: Kind::PoolStarvation,
        short: "a pool of threads that blocks at a wait can hang, unless it is large enough",
        meaning: "\
Tasks that wait hold their threads, and when they hold all of them, the tasks that they wait for never start. How many
threads are needed follows from who forks and who waits for whom; tasks are taken to start in the order in which they
were forked, and the caller to have a thread of its own. What a pool does at a wait decides:

- suspend: the task steps aside and its thread takes another. PyTorch's interpreter does this, and never starves.
- help: the thread runs waiting tasks in the meantime. Safe where tasks wait only for what they forked themselves; else
  it may bury the very task that somebody waits for.
- block: the thread sleeps. PyTorch's Static Runtime does this, and so do most pools of your own.",
        torchscript: "\
def outer(x: Tensor) -> Tensor:
    f = torch.jit.fork(inner, x)
    return torch.jit.wait(f)                # bad: a pool of one thread is taken, and `inner` never starts

def outer(x: Tensor) -> Future[Tensor]:
    return torch.jit.fork(inner, x)         # good: the caller waits, twice",
        rust: Some(
            "\
let outer = fork(|n: i64| wait(&fork(|n: i64| n + 1, (n,))), (n,));
wait(&outer)                                // bad

let outer = fork(|n: i64| fork(|n: i64| n + 1, (n,)), (n,));
wait(&wait(&outer))                         // good",
        ),
        advice: "\
let tasks return futures and the caller wait; or give the pool as many threads as the finding says; or use
one that suspends.",
    },
    Rule {
        kind: Kind::OpaqueOperator,
        short: "the program calls an operator that forkcheck cannot execute",
        meaning: "\
What it would have written is not known, so nothing is said about the forks: the verdict is `unknown`, never `pure`. The
finding names the operator and its line. Rust programs have none.",
        torchscript: "\
return torch.ops.mylib.smooth(x)            # bad: an operator of an extension, without its code

kernel = torch.ones(1, 1, 3) / 3
return torch.conv1d(x, kernel)              # good: operators of PyTorch itself",
        rust: None,
        advice: "\
write it with operators of PyTorch, or audit a module in which that part is replaced by a stand-in.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_explained_with_bad_and_good() {
        assert_eq!(RULES.iter().map(|rule| rule.kind).collect::<Vec<_>>(), Kind::ALL);
        for each in RULES {
            let (code, name) = (each.kind.code(), each.kind.name());
            assert_eq!(rule(code).map(|rule| rule.kind), Some(each.kind));
            assert_eq!(rule(name).map(|rule| rule.kind), Some(each.kind));
            assert!(each.text().starts_with(&format!("{code} {name}: ")), "{name}");
            for (example, comment) in [(Some(each.torchscript), "# "), (each.rust, "// ")] {
                let Some(example) = example else { continue };
                let (bad, good) = (format!("{comment}bad"), format!("{comment}good"));
                assert!(example.contains(&bad) && example.contains(&good), "{name}: {example}");
            }
            assert!(each.text().lines().all(|line| line.len() <= 120), "{name}");
        }
    }

    #[test]
    fn pages_have_the_same_words_as_terminals() {
        let words =
            |text: &str| text.split_whitespace().filter(|word| !word.starts_with("```")).collect::<Vec<_>>().join(" ");
        for rule in RULES {
            assert_eq!(words(&rule.text()), words(&rule.markdown()));
            assert_eq!(rule.markdown().matches("```").count(), 2 + 2 * usize::from(rule.rust.is_some()));
            assert_eq!(words(rule.meaning), words(&rule.paragraphs()));
            assert_eq!(rule.meaning.matches("\n\n").count(), rule.paragraphs().matches("\n\n").count());
        }
    }
}
