//! A search may go back and forth as it likes: it is always in a state that an execution from the start comes to, and
//! states with equal digests have the same future.

use std::collections::{BTreeMap, BTreeSet};

use forkcheck::check::Finding;
use forkcheck::explore::{Exploration, explore};
use forkcheck::machine::Machine;
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::value::Value;
use forkcheck_scheduler::{Moment, Rng, System, TaskId};
use forkcheck_tests::archive::program_of;
use forkcheck_tests::cases;

/// A machine at the first choice of a search, all racing locations known.
fn machine(program: &Program, atomicity: Atomicity) -> Machine {
    let config = Config { atomicity, ..Config::default() };
    let Exploration { hot, names, .. } = explore(program, &config);
    Machine::new(program, atomicity, Default::default(), names).with_hot(hot).into_search()
}

const BOTH: [Atomicity; 2] = [Atomicity::Op, Atomicity::Split];

fn assert_same_state(machine: &Machine, name: &str) {
    let again = machine.repeated();
    assert_eq!(machine.order(), again.order());
    assert_eq!(machine.digest(), again.digest(), "{name} after {:?}", machine.order());
    assert_eq!(machine.enabled().as_slice(), again.enabled().as_slice(), "{name}");
    assert_eq!(machine.woken(), again.woken(), "{name}");
    for task in machine.enabled().iter() {
        assert_eq!(machine.pending(task), again.pending(task), "{name}");
    }
    assert_eq!(machine.outcome(), again.outcome(), "{name}");
    assert_eq!((machine.steps(), machine.printed()), (again.steps(), again.printed()), "{name}");
}

#[test]
fn a_machine_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Machine>();
}

#[test]
fn wherever_a_search_returns_to_is_what_the_same_steps_lead_to() {
    for case in cases() {
        let program = case.program().expect("a case can be loaded");
        for atomicity in BOTH {
            let mut machine = machine(&program, atomicity);
            let mut rng = Rng::new(7);
            let mut marks = vec![machine.mark()];
            for _ in 0..60 {
                match (rng.below(5), machine.enabled().is_empty()) {
                    (0, _) | (_, true) => {
                        // To any point on the way; those after it are no longer on the way.
                        marks.truncate(1 + rng.below(marks.len()));
                        machine.rewind(marks.last().expect("the first stays"));
                    }
                    (1, _) => marks.push(machine.mark()),
                    _ => {
                        let task = machine.enabled()[rng.below(machine.enabled().len())];
                        machine.step(task).expect("no limit is reached");
                    }
                }
                assert_same_state(&machine, &case.name);
            }
        }
    }
}

/// What every state of a program leads to, found without merging any.
#[derive(Default)]
struct Futures {
    /// By digest: the outcomes from there on.
    outcomes: BTreeMap<u128, BTreeSet<(u128, u128, bool)>>,
    /// How many states were met, equal ones each time.
    met: usize,
}

impl Futures {
    fn of(machine: &mut Machine, most: usize) -> Option<Self> {
        let mut futures = Futures::default();
        futures.explore(machine, most)?;
        Some(futures)
    }

    fn explore(&mut self, machine: &mut Machine, most: usize) -> Option<BTreeSet<(u128, u128, bool)>> {
        self.met += 1;
        if self.met > most {
            return None;
        }
        let digest = machine.digest().expect("an interpreted state has a digest");
        let enabled: Vec<TaskId> = machine.enabled().iter().collect();
        let mut outcomes = BTreeSet::new();
        if enabled.is_empty() {
            let outcome = machine.outcome().expect("no execution is cut");
            outcomes.insert((outcome.digests.0, outcome.digests.1, outcome.deadlock.is_empty()));
        }
        let mark = machine.mark();
        for task in enabled {
            machine.step(task).expect("no limit is reached");
            outcomes.extend(self.explore(machine, most)?);
            machine.rewind(&mark);
        }
        let known = self.outcomes.entry(digest).or_insert_with(|| outcomes.clone());
        assert_eq!(*known, outcomes, "equal digests have equal futures: after {:?}", machine.order());
        Some(outcomes)
    }
}

#[test]
fn states_with_equal_digests_have_the_same_outcomes() {
    let (mut explored, mut merged) = (0, 0);
    for case in cases() {
        let program = case.program().expect("a case can be loaded");
        for atomicity in BOTH {
            let mut machine = machine(&program, atomicity);
            if let Some(futures) = Futures::of(&mut machine, 3_000) {
                explored += 1;
                merged += usize::from(futures.outcomes.len() < futures.met);
            }
        }
    }
    assert!(explored > 80 && merged > 20, "{explored} programs were explored, states of {merged} merged");
}

#[test]
fn a_search_that_merges_states_finds_what_one_that_does_not_finds() {
    let mut compared = 0;
    for case in cases() {
        let program = case.program().expect("a case can be loaded");
        for atomicity in BOTH {
            let mut whole = machine(&program, atomicity);
            if Futures::of(&mut whole, 3_000).is_some() {
                let mut merging = machine(&program, atomicity);
                count_states(&mut merging);
                assert_eq!(found(merging), found(whole), "{} with {atomicity}", case.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 80, "{compared} programs were compared");
}

/// What was found; which of several calls that lead to one place was met first does not count.
fn found(machine: Machine) -> BTreeSet<String> {
    let (findings, names) = machine.into_parts();
    let forks = findings.forks().map(|fork| format!("{:?} pure: {}", fork.stack[0], fork.pure));
    let finding = |finding: &Finding| {
        let targets: BTreeSet<_> = finding.targets.iter().collect();
        let fork = finding.fork.as_ref().map(|fork| fork.stack[0]);
        format!("{:?} {:?} {targets:?} {fork:?} {}", finding.kind, finding.stack[0], finding.race.is_some())
    };
    let tasks = (0..names.count()).map(|number| names.path(TaskId::new(number as u32)));
    forks.chain(findings.iter().map(finding)).chain(tasks).collect()
}

/// A module with an attribute `n` and these forks, all waited for.
fn counting(bodies: &[String]) -> Program {
    let mut code = String::from(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  n : int\n  def forward(self: __torch__.M) -> NoneType:\n",
    );
    let number = |i: usize| if i == 0 { String::new() } else { (i - 1).to_string() };
    for i in 0..bodies.len() {
        let function = format!("__forked_function{}", number(i));
        code += &format!("    def {function}():\n      return __torch__.f{i}(self, )\n    g{i} = fork({function})\n");
    }
    for i in 0..bodies.len() {
        code += &format!("    _{i} = torch.wait(g{i})\n");
    }
    code += "    return None\n";
    for (i, body) in bodies.iter().enumerate() {
        code += &format!("def f{i}(self: __torch__.M) -> NoneType:\n{body}  return None\n");
    }
    program_of(&code, &[("n", Value::Int(0))], vec![])
}

/// Counts the states that a search meets when it goes on from each only once.
fn count_states(machine: &mut Machine) -> usize {
    let mut known = BTreeSet::from([machine.digest()]);
    let mut rest = vec![(machine.mark(), machine.enabled().iter().collect::<Vec<_>>())];
    while let Some((mark, untried)) = rest.last_mut() {
        machine.rewind(mark);
        let Some(task) = untried.pop() else {
            rest.pop();
            continue;
        };
        machine.step(task).expect("no limit is reached");
        if known.insert(machine.digest()) {
            rest.push((machine.mark(), machine.enabled().iter().collect()));
        }
    }
    known.len()
}

#[test]
fn writers_of_one_location_have_a_state_for_each_set_of_those_who_wrote_and_each_last_of_it() {
    // Sum over k of C(n, k)·k, which is n·2^(n-1), and the start. From each of the n states at the end of the forks, the
    // caller looks, which gives n more.
    for n in 1..=7 {
        let bodies: Vec<String> = (1..=n).map(|i| format!("  self.n = {i}\n")).collect();
        // One writer races with nobody.
        let expected = if n == 1 { 1 } else { n * (1 << (n - 1)) + 1 + n };
        assert_eq!(count_states(&mut machine(&counting(&bodies), Atomicity::Op)), expected, "{n} writers");
    }
}

#[test]
fn what_was_read_counts_only_while_it_is_held() {
    for (n, rounds) in [(2, 1), (3, 1), (4, 1), (2, 2), (2, 3), (3, 2)] {
        let round = "  self.n = torch.add(self.n, 1)\n";
        let bodies = vec![round.repeat(rounds); n];
        assert_eq!(
            count_states(&mut machine(&counting(&bodies), Atomicity::Op)),
            increments(n, rounds),
            "{n} times {rounds}"
        );
    }
}

/// The states of increments in two steps, by a model of them: the counter, and of each task how many steps it has taken and
/// what it holds after a load.
fn increments(n: usize, rounds: usize) -> usize {
    type State = (i64, Vec<(usize, Option<i64>)>, bool);
    let start: State = (0, vec![(0, None); n], false);
    let (mut known, mut rest) = (BTreeSet::from([start.clone()]), vec![start]);
    while let Some((counter, tasks, looked)) = rest.pop() {
        let mut next: Vec<State> = Vec::new();
        for i in (0..n).filter(|&i| tasks[i].0 < 2 * rounds) {
            let (mut counter, mut tasks) = (counter, tasks.clone());
            match tasks[i].1.take() {
                Some(held) => counter = held + 1,
                None => tasks[i].1 = Some(counter),
            }
            tasks[i].0 += 1;
            next.push((counter, tasks, false));
        }
        if next.is_empty() && !looked {
            next.push((counter, tasks, true));
        }
        rest.extend(next.into_iter().filter(|state| known.insert(state.clone())));
    }
    known.len()
}
