//! Programs of very many forks: what the certificate keeps of them.

use forkcheck::config::{Atomicity, Limits};
use forkcheck::machine::{Event, Go, Guide, Machine};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::{TaskId, Tasks};
use forkcheck_tests::archive::program_of;

/// The most that was kept at any event.
#[derive(Default)]
struct Most {
    shadow: usize,
    clock: usize,
}

impl Guide for Most {
    fn before(&mut self, machine: &Machine, event: &Event<'_>) -> Go {
        self.shadow = self.shadow.max(machine.shadow().kept());
        self.clock = self.clock.max(machine.task(event.task).clock.size());
        Go::On
    }
}

/// Runs 100 000 forks of `torch.neg` on one tensor under a watch; `body` says when they are waited for.
fn check(body: &str, most_shadow: usize, most_clock: usize) {
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  n : int\n  \
         def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    y = x\n{body}    return y\n"
    );
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[4], &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let program = program_of(&code, &[("n", Value::Int(0))], vec![Value::Tensor(x)]);
    let mut machine = Machine::new(&program, Atomicity::Split, Limits::default(), Tasks::new());
    let mut most = Most::default();
    machine.run(&mut most);
    assert_eq!((machine.task_count(), machine.newly_hot().len()), (100_001, 0));
    assert!(machine.outcome().is_some());
    assert!(most.shadow <= most_shadow, "{} accesses are kept", most.shadow);
    assert!(most.clock <= most_clock, "a clock remembers {}", most.clock);
    assert_eq!(machine.task(TaskId::MAIN).clock.size(), 1, "all forks are one interval in the end");
}

#[test]
fn forks_that_are_joined_one_by_one_leave_nothing_behind() {
    // A fork reads the shape and the elements of x. Entries of one location are looked through when there are 16, so
    // no more are ever kept for the two.
    let body = "    for i in range(100000):
      def __forked_function():
        return torch.neg(x)
      f = fork(__forked_function)
      y = torch.wait(f)
";
    check(body, 2 * 16, 1);
}

#[test]
fn forks_that_are_joined_in_batches_leave_nothing_behind() {
    // The hundred forks of a batch are not joined yet: each has read two locations. As many again may wait to be
    // forgotten.
    let body = "    for i in range(1000):
      fs = annotate(List[Future[Tensor]], [])
      for j in range(100):
        def __forked_function():
          return torch.neg(x)
        f = fork(__forked_function)
        _0 = torch.append(fs, f)
      for k in range(100):
        y = torch.wait(fs[k])
";
    check(body, 2 * 200, 1);
}
