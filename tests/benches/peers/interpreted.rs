//! The workloads as TorchScript.

use forkcheck::Program;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;

/// W1: n tasks that each read the one element of the input and store one more.
pub(crate) fn increments(n: usize) -> Program {
    family(n, |_| "      return torch.fill_(x, torch.add(x, 1))".to_string())
}

/// n tasks that each store a number of their own.
pub(crate) fn writers(n: usize) -> Program {
    family(n, |task| format!("      return torch.fill_(x, {task})"))
}

fn family(n: usize, body: impl Fn(usize) -> String) -> Program {
    let forks: String = (0..n)
        .map(|task| {
            let body = body(task);
            format!(
                "    def __forked_function{task}() -> Tensor:\n{body}\n    f{task} = fork(__forked_function{task})\n"
            )
        })
        .collect();
    let waits: String = (0..n).map(|task| format!("    _{task} = torch.wait(f{task})\n")).collect();
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{forks}{waits}    return x\n"
    );
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[], &[0.0f32]).expect("one element");
    program_of(&code, &[], vec![Value::Tensor(x)])
}
