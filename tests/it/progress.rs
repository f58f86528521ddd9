//! What is told of a search while it goes on.

use std::sync::{Arc, Mutex};

use forkcheck::explore::{Coverage, Progress, Stage, explore};
use forkcheck::{Atomicity, Config};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::program_of;

/// All that is told of a search of `n` tasks that each write a number of their own to one place.
fn told(n: u32) -> Vec<Progress> {
    let mut code = String::from("class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n");
    code.push_str("  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n");
    for i in 0..n {
        code.push_str(&format!("    def __forked_function{i}():\n      return torch.fill_(x, {i})\n"));
        code.push_str(&format!("    f{i} = fork(__forked_function{i})\n"));
    }
    (0..n).for_each(|i| code.push_str(&format!("    _{i} = torch.wait(f{i})\n")));
    code.push_str("    return x\n");
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1], &[0i64]).expect("it is small");
    let program = program_of(&code, &[], vec![Value::Tensor(x)]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let config = Config {
        strategy: Spec::Dpor,
        atomicity: Atomicity::Op,
        watch: Some(Arc::new(move |progress: &Progress| tell.lock().expect("no panic").push(*progress))),
        ..Config::default()
    };
    assert_eq!(explore(&program, &config).coverage, Coverage::Exhausted);
    let told = told.lock().expect("no panic");
    told.clone()
}

#[test]
fn the_total_of_a_search_is_foreseen() {
    // Every order is another one: 7! = 5040. On a walk down the tree of a search 7, then 6, then 5 … tasks can go on, so that
    // each walk sees all there are; the ways that are explored so far see fewer.
    let told = told(7);
    assert_eq!(told.len(), 5040);
    for (i, progress) in told.iter().enumerate() {
        assert_eq!((progress.stage, progress.done), (Stage::Executions, i as u64 + 1));
        let total = progress.total.expect("an estimate");
        assert!(total >= progress.done as f64, "{progress:?}");
        // What is done and what seems to be left overlap a little, as long as ways are found.
        assert!(progress.done < 320 || (5040.0 * 0.9..5040.0 * 1.1).contains(&total), "{progress:?}");
    }
    assert_eq!(told.last().expect("some").total, Some(5040.0));
}
