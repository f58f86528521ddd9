//! Whatever the program, the checker says what the oracle knows.

use forkcheck::explore::{Coverage, explore, schedule};
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::oracle::closures;
use forkcheck_tests::oracle::laws::{Effort, check, draws};
use forkcheck_tests::oracle::program::{Language, Sample, Size};
use forkcheck_tests::oracle::render::Rendered;
use forkcheck_tests::oracle::values;
use proptest::prelude::*;
use proptest::sample::select;

const EFFORT: Effort = Effort {
    size: Size { main: 5, function: 3, functions: 3, language: Language::Plain },
    beginnings: 600,
    orders: 150,
    samples: 4,
    loom: 100,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_checker_agrees_with_the_oracle(choices in prop::collection::vec(any::<u8>(), 40..160), language in select(&Language::ALL)) {
        thread_local!(static DRAWS: forkcheck_tests::oracle::truth::Draws = draws());
        let checked = DRAWS.with(|draws| check(&Sample::of(&choices, Size { language, ..EFFORT.size }), draws, EFFORT));
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn what_values_hold_was_foreseen(choices in prop::collection::vec(any::<u8>(), 100..600)) {
        let checked = values::check(&choices);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn the_checker_of_rust_bodies_agrees_with_the_oracle(
        choices in prop::collection::vec(any::<u8>(), 40..160),
        language in select(&Language::ALL),
    ) {
        thread_local!(static DRAWS: forkcheck_tests::oracle::truth::Draws = draws());
        let sample = Sample::of(&choices, Size { language, ..EFFORT.size });
        let checked = DRAWS.with(|draws| closures::check(&sample, draws, EFFORT));
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

#[test]
fn values_that_were_not_foreseen_are() {
    // What an awaitable brings that another awaitable waits for, through a function that both call; a part of a part without end,
    // through a list.
    for seed in [15_630, 16_491, 410] {
        if let Err(wrong) = values::check(&values::choices(seed)) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

#[test]
fn programs_that_broke_a_law_keep_it() {
    // What sampling threads and threads that search for states called a list that nobody held any more, or another's tensor;
    // an outcome that loom missed, because the caller's look was led to a tensor that it had not locked; who of two
    // tasks that print at one place is named; executions begun in vain, because an operator in two halves changed the names
    // of what was made later, or because a branch gave the name of a vector to a shape; what a task returned, written while a
    // fork that it had left was reading it; a fork that was called pure, because the runs that showed otherwise were not the
    // first of their thread; and, for the same reason, a list with another name.
    let effort =
        Effort { size: Size { main: 6, function: 4, functions: 3, language: Language::Plain }, loom: 300, ..EFFORT };
    // The last one is too large for the oracle when operators are split; its law is about operators in one step.
    let seeds = [
        (201_501, 1),
        (202_862, 1),
        (203_180, 1),
        (206_568, 1),
        (900_514, 1),
        (1_021_359, 1),
        (4_523_125, 1),
        (4_524_928, 1),
        (7_009_074, 1),
        (4_034_545, 1),
        (207_699, 0),
    ];
    for (seed, programs) in seeds {
        let tally = check(&Sample::of_seed(seed, effort.size), &draws(), Effort { beginnings: 3000, ..effort });
        assert_eq!(tally.expect("it keeps all laws").programs, programs, "seed {seed}");
    }
}

#[test]
fn the_same_program_with_other_names_is_another_text() {
    let (mut renamed, mut functions) = (String::new(), 0);
    for seed in 0..20 {
        let sample = Sample::of_seed(seed, EFFORT.size);
        functions += sample.functions.len();
        renamed.push_str(&Rendered::new(&sample).renamed().text);
    }
    let words: Vec<&str> = renamed.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let numbered = |word: &&&str, letter| word.strip_prefix(letter).is_some_and(|number| number.parse::<u32>().is_ok());
    let count = |letter| words.iter().filter(|word| numbered(word, letter)).count();
    assert_eq!((count('f'), count('v')), (0, 0));
    assert!(count('g') > functions && count('u') > 100);
    // The text of an error is no name.
    assert!(renamed.contains("RaiseException(\"e0\""));
}

/// A module whose `forward` forks `f` on the matrix `x`, does as `main` says, and waits.
fn forks(main: &str, f: &str) -> Program {
    let forward = format!("{}    {main}\n    return torch.wait(a0)\n", fork(0, "x"));
    module(&forward, &format!("def f(x: Tensor) -> Tensor:\n  {f}\n  return x\n"))
}

/// The lines of `forward` that fork `f` on `args`, with a future called `a` and the number.
fn fork(number: usize, args: &str) -> String {
    let function = format!("__forked_function{number}");
    format!("    def {function}():\n      return __torch__.f({args}, )\n    a{number} = fork({function})\n")
}

/// A module with this body of `forward`, which is given the matrix `x`, and these functions.
fn module(forward: &str, functions: &str) -> Program {
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> \
         Tensor:\n{forward}{functions}"
    );
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Tensor::from_vec(&mut allocator, &[2, 2], &[1i64, 2, 3, 4]).expect("it is small");
    program_of(&code, &[], vec![Value::Tensor(x)])
}

/// The number of outcomes under `split`; each of them can be repeated.
fn outcomes(program: &Program) -> usize {
    let config = Config { strategy: Spec::Dfs, atomicity: Atomicity::Split, ..Config::default() };
    let exploration = explore(program, &config);
    assert_eq!(exploration.coverage, Coverage::Exhausted);
    for seen in &exploration.outcomes {
        let recorded = schedule::of(program, &config, &exploration.names, seen).expect("it can be recorded");
        let replayed = schedule::replay(program, &recorded, Mode::Strict, &config.limits);
        assert_eq!(replayed.stale, None);
        assert!(replayed.outcome.expect("it was complete").same_as(&seen.outcome));
    }
    exploration.outcomes.len()
}

#[test]
fn an_operator_in_two_halves_stores_where_its_elements_lay_at_first() {
    // The addition lies before the transposition, around it, or after it; the sum is the same, and so is the layout.
    assert_eq!(outcomes(&forks("_0 = torch.t_(x)", "_1 = torch.add_(x, 1)")), 1);
}

#[test]
fn an_operator_in_two_halves_raises_what_it_raises_in_one() {
    // PyTorch refuses to write what it reads in another arrangement, whoever else is about.
    let refused = forks("_0 = torch.fill_(x, 7)", "_1 = torch.add_(x, torch.t(x))");
    // The look at `x` comes after the wait, so the error is all there is to it.
    assert_eq!(outcomes(&refused), 1);
}

#[test]
fn a_half_is_found_again_whichever_operators_before_it_were_done_in_halves() {
    // Five additions of 1. The filling comes before all, after all, or after k of them, so that 5 - k follow: 7 to 12. Or it
    // comes between the halves of one and is lost, as if it had never been: the elements are those of five additions.
    let line = "for i in range(5):\n    _1 = torch.add_(x, 1)";
    let program = forks("_0 = torch.fill_(x, 7)", line);
    assert_eq!(outcomes(&program), 7);
}

#[test]
fn what_a_task_makes_is_called_the_same_after_an_operator_in_two_halves() {
    // The addition to `x` is done in halves where `x` is raced for. If what it worked on had names, `a` would have the one
    // that `b` had in the first run, and the sizes of `a`, which the caller looks at, would seem to be raced for.
    let made =
        "    _0 = torch.add_(x, 1)\n    a = torch.add(x, 1)\n    s = torch.select(a, 0, 0)\n    b = torch.add(x, x)\n";
    let program = |args: &[&str], f: &str| {
        let forks: String = args.iter().enumerate().map(|(number, args)| fork(number, args)).collect();
        module(&format!("{made}{forks}    return a\n"), &format!("def f(x: Tensor) -> Tensor:\n  {f}\n  return x\n"))
    };
    // `x` is filled before or after the look, and who fills `b` last is free of that: 2 * 2.
    let few = program(&["x", "b", "b"], "_1 = torch.fill_(x, 3)");
    // Two additions in halves to one tensor: the loads lie both before the stores, or one addition before the other; who
    // stores last is open in both cases, so 2 * 2. The look lies before, between or after the stores to `x`: 3 times as
    // many. And four for `b`, which nobody looks at: 3 * 4 * 4.
    let many = program(&["x", "x", "b", "b"], "_1 = torch.add_(x, 3)");
    for (program, executions) in [(few, 4), (many, 48)] {
        let config = Config { strategy: Spec::Dpor, atomicity: Atomicity::Split, ..Config::default() };
        let exploration = explore(&program, &config);
        assert_eq!((exploration.executions, exploration.discarded), (executions, 0));
    }
}

#[test]
fn an_out_of_the_wrong_sizes_gets_others_with_the_second_half() {
    // A fork squares `x` into `z`, which is too small or too large; main fills `x`, and the caller looks. The loads lie
    // before or after the filling, and the store before or after the look. All four can be told apart.
    let row = "torch.slice(torch.select(x, 0, 0), 0, 0, 1)";
    for made in [format!("torch.add({row}, 4)"), "torch.add(torch.cat([x, x]), 4)".to_string()] {
        let forward = format!("    z = {made}\n{}    _0 = torch.fill_(x, 7)\n    return z\n", fork(0, "x, z"));
        let program = module(&forward, "def f(x: Tensor, z: Tensor) -> Tensor:\n  return torch.mul(x, x, out=z)\n");
        assert_eq!(outcomes(&program), 4);
        let config = Config { strategy: Spec::Dfs, atomicity: Atomicity::Split, ..Config::default() };
        let exploration = explore(&program, &config);
        for seen in &exploration.outcomes {
            let recorded = schedule::of(&program, &config, &exploration.names, seen).expect("it can be recorded");
            let (_, looks) = schedule::replay_and_look(&program, &recorded, Mode::Strict, &config.limits);
            let Some(Value::Tensor(z)) = looks.expect("it returned").1.result else { panic!("a tensor") };
            assert_eq!(z.sizes().as_slice(), [2, 2]);
        }
    }
}

/// The purity of the forks of a module whose fork does as `outer` says, which may fork `inner`.
fn purity(outer: &str, inner: &str) -> Vec<bool> {
    let forward = format!("{}    return torch.wait(a0)\n", fork(0, "x"));
    let functions = format!("def f(x: Tensor) -> Tensor:\n{outer}def inner(x: Tensor) -> Tensor:\n{inner}");
    let report = forkcheck::audit::audit(&module(&forward, &functions), &Config::default());
    report.forks.iter().map(|fork| fork.pure).collect()
}

#[test]
fn what_a_task_forked_has_made_is_its_own() {
    let fork = "  def __forked_function():\n    return __torch__.inner(x, )\n  b = fork(__forked_function)\n";
    let outer = format!("{fork}  y = torch.wait(b)\n  _0 = torch.add_(y, 1)\n  return y\n");
    // `inner` makes a tensor, and the task that forked it changes that; then `inner` gives back what was the caller's.
    assert_eq!(purity(&outer, "  return torch.add(x, 1)\n"), [true, true]);
    assert_eq!(purity(&outer, "  return torch.select(x, 0, 0)\n"), [false, true]);
}

#[test]
fn columns_of_a_matrix_are_apart_though_they_lie_between_each_other() {
    let column = |i: usize| format!("_{i} = torch.fill_(torch.select(x, 1, {i}), 7)");
    let explore = |main: usize| explore(&forks(&column(main), &column(1)), &Config::default());
    assert_eq!(explore(0).coverage, Coverage::Certified);
    assert_eq!(explore(1).coverage, Coverage::Exhausted);
}
