//! What holds for every text of a schedule and for every program of state machines. A law panics where it is broken.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use forkcheck_scheduler::bodies::{Op, Part, Program, Run};
use forkcheck_scheduler::strategy::dfs::dfs;
use forkcheck_scheduler::strategy::dpor::dpor;
use forkcheck_scheduler::strategy::random::Random;
use forkcheck_scheduler::strategy::states::{Progress, states};
use forkcheck_scheduler::{Anchor, Atomicity, Deviation, Ending, Moment, Schedule, Searched, System};

/// Any text is a schedule or an error; a schedule is printed as the text that it was read from.
///
/// The bytes are also taken for a schedule, whose text is read as the same, and not at all with one character changed.
pub fn schedule(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
        read(&signed(text));
    }
    let mut choices = Choices(bytes);
    let schedule = any_schedule(&mut choices);
    let text = schedule.to_string();
    assert_eq!(text.parse(), Ok(schedule), "{text}");
    let mut spoilt = text.clone().into_bytes();
    let at = usize::from(choices.next()) * 256 + usize::from(choices.next());
    let at = at % spoilt.len();
    let other = ALPHABET[usize::from(choices.next()) % ALPHABET.len()];
    if spoilt[at] != other {
        spoilt[at] = other;
        let spoilt = String::from_utf8(spoilt).expect("all of these are letters");
        assert!(spoilt.parse::<Schedule>().is_err(), "{spoilt} is not {text}");
    }
}

fn read(text: &str) {
    match text.parse::<Schedule>() {
        Ok(schedule) => assert_eq!(schedule.to_string(), text),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

const ALPHABET: &[u8; 33] = b"abcdefghijklmnopqrstuvwxyz234567.";

/// The text with the checksum that it should have, so that what lies behind the checksum is reached.
fn signed(text: &str) -> String {
    let crc = text.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let mut bits = u64::from((!crc).swap_bytes()) << 3;
    let mut checksum = [0; 7];
    for letter in checksum.iter_mut().rev() {
        *letter = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    format!("{text}.{}", std::str::from_utf8(&checksum).expect("letters"))
}

/// Numbers from bytes; 0 when they have run out.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::from(self.next()) % end
    }
}

fn any_schedule(choices: &mut Choices<'_>) -> Schedule {
    let atomicity = if choices.below(2) == 0 { Atomicity::Op } else { Atomicity::Split };
    let mut schedule = Schedule::new(atomicity, choices.below(256) << 16 | choices.below(256));
    let path = |choices: &mut Choices<'_>| {
        let steps = (0..choices.below(4)).map(|_| {
            let name = char::from_u32(choices.below(256) << choices.below(12)).unwrap_or('x');
            format!("/{name}#{}", choices.below(256))
        });
        format!("main{}", steps.collect::<String>())
    };
    for _ in 0..choices.below(6) {
        let at = Anchor {
            task: path(choices),
            site: u64::from(choices.below(256)) << choices.below(33),
            occurrence: choices.below(256) << choices.below(25),
            phase: choices.next(),
        };
        schedule.deviations.push(Deviation { at, to: path(choices) });
    }
    schedule
}

/// More executions than this, and the program says nothing.
const MOST: u64 = 3000;

/// All searches find the same outcomes of a program, and what a random walk finds is among them; what was done can be done
/// again.
pub fn program(bytes: &[u8]) {
    let program = any_program(&mut Choices(bytes));
    let mut classes = BTreeSet::new();
    let (found, optimal) = outcomes(&program, |run, leaf| dpor(run, leaf));
    if !optimal.exhausted() {
        return;
    }
    let again = |run: &Run<'_>| {
        let mut other = Run::new(&program);
        run.order().iter().for_each(|&task| other.step(task).expect("it was done once"));
        assert_eq!(other.seen(), run.seen(), "a schedule leads to one outcome");
    };
    dpor(&mut Run::new(&program), &mut |run: &mut Run<'_>, _: Ending| {
        again(run);
        assert!(classes.insert(run.order().to_vec()), "an execution is run once");
        ControlFlow::Continue(())
    });
    assert_eq!((optimal.blocked, classes.len() as u64), (0, optimal.complete));
    let (depth_first, searched) = outcomes(&program, |run, leaf| dfs(run, leaf));
    if searched.exhausted() {
        assert_eq!((&depth_first, searched.complete), (&found, optimal.complete), "depth first and optimal");
    }
    let make = || Run::new(&program);
    let see = |run: &mut Run<'_>| run.seen().to_vec();
    let (merged, _) = states(make, see, 1, 100_000, &Progress::default()).expect("state machines have digests");
    if merged.exhausted() {
        let merged: BTreeSet<Vec<u64>> = merged.outcomes.into_keys().collect();
        assert_eq!(merged, found, "merged states and optimal");
    }
    let (mut run, mut random) = (Run::new(&program), Random::new(1));
    for _ in 0..10 {
        run.execute(&mut random).expect("a random walk goes on for ever");
        assert!(found.contains(run.seen()), "a random walk takes a schedule that exists");
        again(&run);
    }
}

type Leaf<'a> = dyn FnMut(&mut Run<'_>, Ending) -> ControlFlow<()> + 'a;

fn outcomes<'p>(
    program: &'p Program,
    search: impl Fn(&mut Run<'p>, &mut &mut Leaf<'_>) -> Searched,
) -> (BTreeSet<Vec<u64>>, Searched) {
    let (mut found, mut left) = (BTreeSet::new(), MOST);
    let mut leaf = |run: &mut Run<'_>, ending: Ending| {
        if ending == Ending::Complete {
            found.insert(run.seen().to_vec());
        }
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let searched = search(&mut Run::new(program), &mut (&mut leaf as &mut Leaf<'_>));
    (found, searched)
}

/// A tree of up to five tasks, which wait for anybody.
fn any_program(choices: &mut Choices<'_>) -> Program {
    let count = 1 + choices.below(5) as usize;
    let mut bodies: Vec<Vec<Op>> =
        (0..count).map(|_| (0..choices.below(5)).map(|_| any_op(choices, count)).collect()).collect();
    for child in 1..count {
        let parent = choices.below(child as u32) as usize;
        let place = choices.below(bodies[parent].len() as u32 + 1) as usize;
        bodies[parent].insert(place, Op::Fork(child));
    }
    Program::new(&bodies)
}

fn any_op(choices: &mut Choices<'_>, tasks: usize) -> Op {
    let cell = choices.below(2) as usize;
    let part = Part { start: choices.below(3), step: 1 + choices.below(2), count: choices.below(3) };
    match choices.below(14) {
        0 => Op::Read(cell),
        1 | 2 => Op::Write(cell),
        3 => Op::Load(cell),
        4 => Op::Store(cell),
        5 => Op::Update(cell, 1),
        6 => Op::Print(2 + cell),
        7 => Op::ReadPart(part),
        8 => Op::WritePart(part),
        9 => Op::Draw,
        10 => Op::SkipIfOdd { count: 1 + part.count },
        11 => Op::SkipUnless { value: part.start, count: part.step },
        12 if tasks > 1 => Op::Wait(1 + part.start as usize % (tasks - 1)),
        13 => Op::Raise,
        _ => Op::Add(1),
    }
}
