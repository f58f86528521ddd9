//! loom agrees with our own search, and refuses what it cannot run.

use std::collections::BTreeSet;
use std::fmt::Write;

use forkcheck::audit::audit;
use forkcheck::explore::{Coverage, Exploration, explore, loom::refusal, schedule};
use forkcheck::report::Verdict;
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Rng, Spec};
use forkcheck_tests::archive::program_of;
use forkcheck_tests::{case, cases};

/// loom needs 1 208 executions for `b34_unwaited_list`.
const BUDGET: u64 = 1_500;

fn config(strategy: Spec, atomicity: Atomicity) -> Config {
    Config { strategy, atomicity, executions: BUDGET, ..Config::default() }
}

fn outcomes(exploration: &Exploration) -> BTreeSet<(u128, u128, bool)> {
    exploration.outcomes.iter().map(|seen| seen.outcome.key()).collect()
}

/// Holds loom's outcomes against ours, and says whether loom came to its end.
fn check_agreement(name: &str, program: &Program, atomicity: Atomicity) -> bool {
    let loom = explore(program, &config(Spec::Loom, atomicity));
    if loom.coverage == Coverage::Sampled {
        return false;
    }
    let ours = explore(program, &Config { executions: u64::MAX, ..config(Spec::Dfs, atomicity) });
    assert_eq!(outcomes(&loom), outcomes(&ours), "{name} under {atomicity}");
    assert_eq!(loom.coverage, ours.coverage, "{name} under {atomicity}");
    assert!(loom.executions >= ours.executions, "{name} under {atomicity}: loom cannot do with fewer");
    let found = |exploration: &Exploration| -> BTreeSet<_> {
        let rows = exploration.findings.iter();
        rows.map(|finding| (finding.kind.name(), finding.stack.clone(), finding.targets.clone())).collect()
    };
    assert_eq!(found(&loom), found(&ours), "{name} under {atomicity}");
    true
}

#[test]
fn outcomes_are_those_of_our_own_search() {
    let (mut refused, mut unfinished) = (BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        let program = case.program().expect("it loads");
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            if refusal(&program, &config(Spec::Loom, atomicity)).is_some() {
                refused.insert(case.name.clone());
            } else if !check_agreement(&case.name, &program, atomicity) {
                unfinished.insert(case.name.clone());
            }
        }
    }
    // They fork six and five tasks.
    assert_eq!(refused, ["a04_nested_forks", "a06_future_list"].map(String::from).into());
    assert_eq!(unfinished, BTreeSet::new());
}

#[test]
fn every_witness_of_loom_is_replayed() {
    for (name, distinct) in [("b01_counter_buffer", 4), ("b24_ema", 6), ("b30_nested_counter", 3)] {
        let program = case(name).program().expect("it loads");
        let config = config(Spec::Loom, Atomicity::Split);
        let exploration = explore(&program, &config);
        assert_eq!(exploration.outcomes.len(), distinct, "{name}");
        for seen in &exploration.outcomes {
            let schedule = schedule::of(&program, &config, &exploration.names, seen).expect("it can be followed");
            let again = schedule::replay(&program, &schedule, Mode::Strict, &config.limits);
            assert_eq!(again.outcome.expect("it ends").key(), seen.outcome.key(), "{name}: {schedule}");
        }
    }
}

/// The program of a module `M` without attributes, called with a tensor `[0]` for each parameter.
fn program(code: &str, parameters: usize) -> Program {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut zero = || Value::Tensor(Tensor::from_vec(&mut allocator, &[1], &[0i64]).expect("a tensor"));
    program_of(code, &[], (0..parameters).map(|_| zero()).collect())
}

#[test]
fn the_smallest_program_on_which_loom_misses_an_order_of_atomics() {
    // With an atomic for `x` loom runs one order of main's read and the task's write only (loom's issue 392).
    let code = "class M(Module):
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.bump(x, )
    f = fork(__forked_function)
    seen = torch.add(x, 5)
    return torch.add(seen, torch.mul(torch.wait(f), 10))
def bump(x: Tensor) -> Tensor:
  old = torch.add(x, 1)
  return torch.copy_(x, old)
";
    let program = program(code, 1);
    let loom = explore(&program, &config(Spec::Loom, Atomicity::Op));
    // main reads before the write, or after it.
    assert_eq!((loom.outcomes.len(), loom.coverage), (2, Coverage::Exhausted));
    assert!(check_agreement("the smallest miss", &program, Atomicity::Op));
    assert!(check_agreement("the smallest miss", &program, Atomicity::Split));
}

#[test]
fn tasks_that_wait_for_each_other_are_an_outcome() {
    // Run at its fork, `first` finds no future to wait for. Later it finds itself, or its waiter.
    let code = "class M(Module):
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    fs = annotate(List[Future[Tensor]], [])
    def __forked_function():
      return __torch__.first(fs, x, )
    f = fork(__forked_function)
    FUTURE
    _0 = torch.append(fs, g)
    return torch.wait(f)
def first(fs: List[Future[Tensor]],
    x: Tensor) -> Tensor:
  if torch.gt(torch.len(fs), 0):
    y = torch.wait(fs[0])
  else:
    y = x
  return y
def wait_for(f: Future[Tensor]) -> Tensor:
  return torch.wait(f)
";
    let own = "g = f";
    let of_a_waiter = "def __forked_function0():
      return __torch__.wait_for(f, )
    g = fork(__forked_function0)";
    for (future, stuck) in [(own, 2), (of_a_waiter, 3)] {
        let program = program(&code.replace("FUTURE", future), 1);
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            let loom = explore(&program, &config(Spec::Loom, atomicity));
            let deadlocks: Vec<_> = loom.outcomes.iter().map(|seen| seen.outcome.deadlock.len()).collect();
            // The tasks of the circle, and main, which waits for one of them.
            assert_eq!(deadlocks, [0, stuck], "{future}");
            assert!(check_agreement(future, &program, atomicity));
        }
    }
}

#[test]
fn kernels_have_more_stack_than_threads_of_loom() {
    // Printing goes from level to level by recursion; 32 KiB are too few for so many.
    let mut code = String::from(
        "class M(Module):
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.show(x, )
    f = fork(__forked_function)
    _0 = torch.add_(x, 1)
    return torch.wait(f)
def show(x: Tensor) -> Tensor:
  l0 = [x]
",
    );
    for level in 1..=250 {
        let _ = writeln!(code, "  l{level} = [l{}]", level - 1);
    }
    code += "  print(l250)\n  return torch.mul(x, 1)\n";
    assert!(check_agreement("a deep list", &program(&code, 1), Atomicity::Split));
}

#[test]
fn a_race_that_only_another_order_shows_is_followed_too() {
    // At its fork `late` finds that `x` was counted up; only before that does it touch `y`.
    let code = "class M(Module):
  def forward(self: __torch__.M,
    x: Tensor,
    y: Tensor) -> Tensor:
    def __forked_function():
      return torch.add_(x, 1)
    f = fork(__forked_function)
    def __forked_function0():
      return __torch__.late(x, y, )
    g = fork(__forked_function0)
    seen = torch.add(y, 5)
    return torch.add(seen, torch.add(torch.wait(f), torch.wait(g)))
def late(x: Tensor,
    y: Tensor) -> Tensor:
  if bool(torch.eq(x, 0)):
    _0 = torch.add_(y, 1)
  else:
    pass
  return x
";
    let program = program(code, 2);
    let loom = explore(&program, &config(Spec::Loom, Atomicity::Op));
    assert_eq!(loom.coverage, Coverage::Exhausted);
    assert!(check_agreement("late", &program, Atomicity::Op));
    // No addition to `y`; or one, before main's look or after it.
    assert_eq!(loom.outcomes.len(), 3);
}

#[test]
fn more_than_four_forks_are_refused_before_loom_does() {
    let code = |forks: usize, more: &str| {
        let mut code = String::from("class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n");
        for i in 0..forks {
            let _ = write!(code, "    def __forked_function{i}():\n      return torch.add_(x, 1)\n");
            let _ = writeln!(code, "    f{i} = fork(__forked_function{i})");
        }
        code + more + "    return x\n"
    };
    let config = config(Spec::Loom, Atomicity::Op);
    assert_eq!(refusal(&program(&code(4, ""), 1), &config), None);

    let five = program(&code(5, ""), 1);
    let reason = "loom runs at most 4 forks in one execution, and this program has 5: use the strategy `dpor`";
    assert_eq!(refusal(&five, &config).as_deref(), Some(reason));
    let report = audit(&five, &config);
    assert_eq!((report.verdict, report.exit_code()), (Some(Verdict::Unknown), 3));
    assert_eq!(report.notes, [reason]);

    // One that has a fifth fork in some orders only is run until it comes to it.
    let fifth = "    if bool(torch.lt(x, 4)):
      def __forked_function9():
        return torch.add_(x, 1)
      f9 = fork(__forked_function9)
    else:
      pass
";
    let sometimes = program(&code(4, fifth), 1);
    assert_eq!(refusal(&sometimes, &config), None);
    let report = audit(&sometimes, &config);
    assert!(!report.outcomes.expect("it was run").complete);
    assert_eq!(report.notes, [reason.replace("has 5", "has more in some")]);
}

#[test]
fn the_budget_ends_the_search_between_two_executions() {
    let program = case("b01_counter_buffer").program().expect("it loads");
    let run = |executions| explore(&program, &Config { executions, ..config(Spec::Loom, Atomicity::Split) });
    let whole = run(u64::MAX);
    assert_eq!(whole.coverage, Coverage::Exhausted);
    let enough = run(whole.executions);
    assert_eq!((enough.executions, enough.coverage), (whole.executions, Coverage::Exhausted));
    let less = run(whole.executions - 1);
    assert_eq!((less.executions, less.coverage), (whole.executions - 1, Coverage::Sampled));
}

/// A random program of at most `forks` forks: tasks that read and write two tensors, fork others, hand futures on, and
/// wait for some of those that they have.
fn random_code(rng: &mut Rng, forks: usize) -> String {
    let parents: Vec<usize> = (1..=forks).map(|task| rng.below(task)).collect();
    let mut code = String::from(
        "class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor,\n    y: Tensor) -> Tensor:\n    return __torch__.t0(x, y, )\n",
    );
    // By task: whether it is handed the future that its parent got last.
    let mut handed = vec![false; forks + 1];
    for task in 0..=forks {
        let more = if handed[task] { ",\n    f: Future[Tensor]" } else { "" };
        let _ = writeln!(
            code,
            "def t{task}(x: Tensor,\n    y: Tensor{more}) -> Tensor:\n  a = torch.add(torch.zeros_like(x), {})",
            task + 1
        );
        let mut futures: Vec<String> = if handed[task] { vec!["f".into()] } else { vec![] };
        let act = |code: &mut String, futures: &[String], rng: &mut Rng| {
            let at = ["x", "y"][rng.below(2)];
            let _ = match (rng.below(6), futures.is_empty()) {
                (0, _) => writeln!(code, "  a = torch.add(torch.mul(a, 3), {at})"),
                (1, _) => writeln!(code, "  _0 = torch.copy_({at}, a)"),
                (2, _) => writeln!(code, "  _0 = torch.add_({at}, a)"),
                (3, _) => writeln!(code, "  if bool(torch.gt({at}, 2)):\n    _1 = torch.add_(y, 1)\n  else:\n    pass"),
                (_, false) => {
                    let future = &futures[rng.below(futures.len())];
                    writeln!(code, "  a = torch.add(torch.mul(a, 5), torch.wait({future}))")
                }
                _ => Ok(()),
            };
        };
        for child in (1..=forks).filter(|&child| parents[child - 1] == task) {
            if rng.below(2) == 0 {
                act(&mut code, &futures, rng);
            }
            handed[child] = !futures.is_empty() && rng.below(2) == 0;
            let hand = if handed[child] { format!("{}, ", futures[futures.len() - 1]) } else { String::new() };
            let _ = writeln!(code, "  def __forked_function{child}():\n    return __torch__.t{child}(x, y, {hand})");
            let _ = writeln!(code, "  f{child} = fork(__forked_function{child})");
            futures.push(format!("f{child}"));
        }
        for _ in 0..rng.below(3) {
            act(&mut code, &futures, rng);
        }
        code += "  return a\n";
    }
    code
}

#[test]
fn outcomes_of_random_programs_are_those_of_our_own_search() {
    let (mut finished, mut racing) = (0, 0);
    for seed in 0..50 {
        let rng = &mut Rng::new(seed);
        let forks = 1 + rng.below(4);
        let code = random_code(rng, forks);
        let program = program(&code, 2);
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            finished += u32::from(check_agreement(&code, &program, atomicity));
        }
        racing += u32::from(!explore(&program, &config(Spec::ChildFirst, Atomicity::Op)).hot.is_empty());
    }
    // The comparison is of something: most race, and most are small enough for loom.
    assert!(racing >= 25 && finished >= 80, "{racing} race, loom finished {finished} of 100");
}
