//! Forms that archives in the wild have, one program a lesson.

use forkcheck::config::Limits;
use forkcheck::parallel;
use forkcheck_model::operators::value_text;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;

/// What `forward` gives for `x`, an f32 tensor of the sizes 1 2 with the elements 1 2, as text without line breaks.
fn run(code: &str) -> String {
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1, 2], &[1f32, 2.0]).unwrap();
    let program = program_of(code, &[], vec![Value::Tensor(x)]);
    match parallel::run(&program, &Limits::default(), 1).result.expect("it ends") {
        Ok(value) => value_text(&value, &Memory::unlimited()).unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        Err(raised) => raised.message,
    }
}

/// The same of a body that names its result `y`.
fn run_body(body: &str) -> String {
    let lines: String = body.lines().map(|line| format!("    {line}\n")).collect();
    run(&format!(
        "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n{lines}    return y\n"
    ))
}

#[test]
fn a_network_that_was_saved_on_a_gpu_runs_where_its_tensors_are() {
    let body = r#"z = torch.zeros([1, 2], dtype=6, layout=0, device=torch.device("cuda:0"), pin_memory=False)
z1 = torch.to(z, dtype=6, layout=0, device=torch.device("cuda:0"), pin_memory=False, non_blocking=False, copy=False)
y = torch.add(torch.to(x, torch.device("cuda:0"), 6, False, False), z1)"#;
    assert_eq!(run_body(body), "1 2 [ CPUFloatType{1,2} ]");
}

#[test]
fn sizes_were_a_property_once() {
    let body = "_0 = torch.slice(ops.prim.shape(x), 0, 2, 1)
a, b, = _0
y = torch.view(x, [torch.sub(ops.prim.ndim(x), a), b])";
    assert_eq!(run_body(body), "1 2 [ CPUFloatType{1,2} ]");
}

#[test]
fn a_number_may_stand_before_a_tensor() {
    // 3 - 1 and 3 - 2, where 2 is less than the tensor's element: nowhere.
    let body = "y = torch.mul(torch.sub(3, x), torch.ge(1, x))";
    assert_eq!(run_body(body), "2 0 [ CPUFloatType{1,2} ]");
}

#[test]
fn a_named_tuple_is_an_instance_of_its_type() {
    let code = r#"class P(NamedTuple):
  a : Tensor
  b : Optional[Tensor]
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    p = __torch__.P(x, None, )
    if isinstance(p, __torch__.P):
      y = p.a
    else:
      ops.prim.RaiseException("AssertionError: ")
      y = uninitialized(Tensor)
    return y
"#;
    assert_eq!(run(code), "1 2 [ CPUFloatType{1,2} ]");
}

#[test]
fn what_a_network_says_to_a_profiler_is_not_in_its_way() {
    let body = r#"record = ops.profiler._record_function_enter_new("layer", None)
handle = annotate(Optional[__torch__.torch.classes.profiler._RecordFunction], record)
if torch.__isnot__(handle, None):
  y = torch.add(x, 1)
else:
  ops.prim.RaiseException("AssertionError: ")
  y = uninitialized(Tensor)
ops.profiler._record_function_exit(record)"#;
    assert_eq!(run_body(body), "2 3 [ CPUFloatType{1,2} ]");
}
