//! Which registers of a code are still read: a value that nobody will read again is no part of a task's state.
//!
//! The textbook analysis (Aho, Lam, Sethi and Ullman, *Compilers*, section 9.2.5): a register is live before an
//! instruction that reads it, and before one that does not set it and has it live after. From the last instruction to
//! the first, again until nothing changes, as loops jump back.

use super::code::{Action, Code, Instruction, Register};

/// Words of the sets of live registers before each instruction, at most: 32 MiB, some 16 000 nodes.
const WORDS_MOST: usize = 1 << 22;

impl Code {
    /// The registers that hold something that is still read when the instruction `next` is about to be executed, ascending.
    pub fn live(&self, next: usize) -> &[Register] {
        &self.live.get_or_init(|| analyse(&self.instructions, self.registers as usize))[next]
    }
}

impl Code {
    /// By instruction: which of its first 64 inputs nobody reads again, as bits. The last of equal inputs counts. Nothing is
    /// said of a function that is so large that finding out would take more memory than it saves.
    pub fn dying(&self) -> &[u64] {
        self.dying.get_or_init(|| {
            let count = self.instructions.len();
            match count * (self.registers as usize).div_ceil(64) > WORDS_MOST {
                true => vec![0; count].into(),
                false => (0..count).map(|at| self.dying_at(at)).collect(),
            }
        })
    }

    fn dying_at(&self, at: usize) -> u64 {
        let Instruction { action, inputs, outputs, .. } = &self.instructions[at];
        let read_later = |register: &Register| {
            let mut next = successors(at, action).into_iter().flatten();
            // What is set here is another value.
            !outputs.contains(register) && next.any(|next| self.live(next).binary_search(register).is_ok())
        };
        let dies = |&i: &usize| !inputs[i + 1..].contains(&inputs[i]) && !read_later(&inputs[i]);
        (0..inputs.len().min(64)).filter(dies).fold(0, |bits, i| bits | 1 << i)
    }
}

fn analyse(instructions: &[Instruction], registers: usize) -> Vec<Box<[Register]>> {
    let mut before = vec![vec![0u64; registers.div_ceil(64)]; instructions.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (i, instruction) in instructions.iter().enumerate().rev() {
            let mut live = vec![0u64; registers.div_ceil(64)];
            for next in successors(i, &instruction.action).into_iter().flatten() {
                live.iter_mut().zip(&before[next]).for_each(|(word, after)| *word |= after);
            }
            for &register in &instruction.outputs {
                live[register as usize / 64] &= !(1 << (register % 64));
            }
            for &register in &instruction.inputs {
                live[register as usize / 64] |= 1 << (register % 64);
            }
            changed |= live != before[i];
            before[i] = live;
        }
    }
    before.iter().map(|words| members(words)).collect()
}

fn members(words: &[u64]) -> Box<[Register]> {
    let words = (0..).step_by(64).zip(words).filter(|&(_, &bits)| bits != 0);
    words
        .flat_map(|(first, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| first + bit))
        .collect()
}

/// Where a task can go from the instruction at `i`.
fn successors(i: usize, action: &Action) -> [Option<usize>; 2] {
    match action {
        Action::Jump(to) => [Some(*to), None],
        Action::Unless(to) | Action::LoopTest(to) | Action::Again(to) => [Some(i + 1), Some(*to)],
        Action::Return => [None, None],
        _ => [Some(i + 1), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Site;

    fn instruction(action: Action, inputs: &[Register], outputs: &[Register]) -> Instruction {
        Instruction { action, inputs: inputs.into(), outputs: outputs.into(), site: Site(0) }
    }

    #[test]
    fn the_last_reading_is_where_a_register_dies_or_is_set_anew() {
        let code = [
            instruction(Action::Copy, &[0, 0], &[1, 2]),
            instruction(Action::Copy, &[1], &[1]),
            instruction(Action::LoopTest(4), &[3, 4], &[]),
            instruction(Action::Again(3), &[3, 4], &[3]),
            instruction(Action::Return, &[1, 2], &[]),
        ];
        let code = Code {
            function: forkcheck_model::module::FunctionId(0),
            registers: 5,
            params: Vec::new(),
            instructions: code.into(),
            names: Vec::new(),
            live: Default::default(),
            dying: Default::default(),
            callee: "".into(),
        };
        assert_eq!(*code.dying(), [0b10, 0b1, 0, 0b1, 0b11]);
    }

    fn check(instructions: &[Instruction], registers: usize, expected: &[&[Register]]) {
        let live = analyse(instructions, registers);
        assert!(live.iter().map(|live| &live[..]).eq(expected.iter().copied()), "{live:?}");
    }

    #[test]
    fn a_register_is_live_from_its_setting_to_its_last_reading() {
        let code = [
            instruction(Action::Copy, &[0], &[1]),
            instruction(Action::Copy, &[1], &[70]),
            instruction(Action::Copy, &[0], &[2]),
            instruction(Action::Return, &[70], &[]),
        ];
        check(&code, 71, &[&[0], &[0, 1], &[0, 70], &[70]]);
    }

    #[test]
    fn a_branch_reads_what_either_way_reads() {
        let code = [
            instruction(Action::Unless(3), &[0], &[]),
            instruction(Action::Copy, &[1], &[3]),
            instruction(Action::Jump(4), &[], &[]),
            instruction(Action::Copy, &[2], &[3]),
            instruction(Action::Return, &[3], &[]),
        ];
        check(&code, 4, &[&[0, 1, 2], &[1], &[3], &[2], &[3]]);
    }

    #[test]
    fn what_the_next_trip_of_a_loop_reads_is_live_to_its_end() {
        let code = [
            // Trips made, most trips, going; register 3 is made outside and read inside, 4 inside alone.
            instruction(Action::LoopTest(4), &[0, 1, 2], &[]),
            instruction(Action::Copy, &[3], &[4]),
            instruction(Action::Copy, &[4], &[2]),
            instruction(Action::Jump(0), &[], &[]),
            instruction(Action::Return, &[0], &[]),
        ];
        check(&code, 5, &[&[0, 1, 2, 3], &[0, 1, 3], &[0, 1, 3, 4], &[0, 1, 2, 3], &[0]]);
    }
}
