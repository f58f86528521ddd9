//! What PyTorch's own tests assert about forks, waits and awaitables, asserted of the same programs here.
//!
//! Each row is a test of PyTorch 2.7, a program of the same situation as an archive would hold it, and what that test asserts:
//! the result or the error. Each must come out so under every schedule. Where PyTorch's test asserts nothing about effects,
//! the row says what is true of them. `parity.rs` has archives that PyTorch made in these situations; the rows here say in plain
//! code what each is about, and hold the text of its result and of the places that lead to its error.
//!
//! Left out, because no archive can hold them:
//! - eager Python: `test_async_python`, `test_async_future_type_python`, `test_await_python`, `test_await_type_python`,
//!   `test_await_eager_lazy`, `test_eager_await_non_scriptable`, and the waits outside of the interpreter of
//!   `test_await_out_of_interpreter`;
//! - what the compiler of Python source says, which is PyTorch's and done before an archive is written:
//!   `test_async_script_no_script_mod`, `test_no_future_subtype_message`, the rejected half of `test_future_subtyping`,
//!   `test_await_getattr_implicit_convertion` and `test_await_isinstance` (archives hold the waits that it put in),
//!   and that unused forks are removed (`test_async_script_multi_forks`: an archive has the three that are left);
//! - the recording of traces: `test_trace_fork_wait_leaking`, `test_trace_fork_wait_inline_onnx`; of the other tests of
//!   traces, the archive that the trace gives is a row;
//! - PyTorch's passes over graphs, of which an archive shows nothing: `test_trace_fork_wait_inline`; of the tests of freezing,
//!   the module before freezing is a row, with what it writes;
//! - alias queries and texts of graphs, which are `model/tests/alias_cases` and the parser's own tests;
//! - C++ interfaces: `FuturesTest`, `FutureTest`, `TLSFutureCallbacksTest`, `ProfilerDisableInCallbackTest`, `TopologicalMoveTest`;
//! - `rpc`, ONNX, profilers and the static runtime, which are out of scope.

use std::sync::atomic::{AtomicU32, Ordering};

use forkcheck::audit::audit;
use forkcheck::config::Limits;
use forkcheck::execution::Subject;
use forkcheck::machine::{ChildFirst, Machine};
use forkcheck::{Atomicity, Config, text_of};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::types::Type;
use forkcheck_model::value::{List, ListContent, Value};
use forkcheck_scheduler::Tasks;
use forkcheck_tests::archive::program_of;

/// A test of PyTorch, as a program.
struct Row {
    /// The test's name.
    test: &'static str,
    /// The code from `forward` on, indented as methods are; functions follow.
    code: &'static str,
    /// Attributes: declarations, and their values.
    attributes: fn() -> Vec<(&'static str, &'static str, Value)>,
    inputs: fn() -> Vec<Value>,
    expected: Expected,
    /// How many tasks there are, the caller's among them.
    tasks: u32,
    /// Every finding that is an error: kind, target.
    findings: &'static [(&'static str, &'static str)],
}

/// What PyTorch's test asserts.
enum Expected {
    /// The result, as it is printed without white space.
    Gives(&'static str),
    /// What the error says, and the lines that lead to it, outermost first: each wait and each fork on the way.
    Raises(&'static str, &'static [&'static str]),
}

use Expected::{Gives, Raises};

/// A new tensor, which is no other: each has numbers of its own.
fn tensor(items: &[f32]) -> Value {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let mut allocator = Allocator::new(0, Memory::unlimited()).at(MADE.fetch_add(2, Ordering::Relaxed));
    Value::Tensor(Tensor::from_vec(&mut allocator, &[items.len() as i64], items).expect("a few elements"))
}

fn none() -> Vec<(&'static str, &'static str, Value)> {
    Vec::new()
}

fn a_list() -> Vec<Value> {
    let items = vec![tensor(&[3.0, 4.0])];
    let mut allocator = Allocator::new(0, Memory::unlimited()).at(1 << 20);
    vec![Value::List(List::new(&mut allocator, ListContent { item: Type::Tensor, items }))]
}

/// The whole code of the archive.
fn code(row: &Row) -> String {
    let declared: String = (row.attributes)().iter().map(|(name, ty, _)| format!("  {name} : {ty}\n")).collect();
    // A text that continues on the next line begins without that line's indentation.
    format!("class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n{declared}  {}", row.code)
}

#[test]
fn every_program_does_what_pytorchs_test_asserts() {
    let wrong: Vec<String> = ROWS.iter().filter_map(|row| check(row).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// `test_multiple_compilation_units`: many modules whose class has one name neither meet nor slow each other down.
#[test]
fn forty_modules_of_one_class_name_stay_apart() {
    let code = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  n : int\n  \
                def forward(self: __torch__.M, x: Tensor) -> Tensor:\n    return torch.add(x, self.n)\n";
    let programs: Vec<_> = (0..40).map(|n| program_of(code, &[("n", Value::Int(n))], vec![tensor(&[0.5])])).collect();
    for (n, program) in programs.iter().enumerate() {
        let mut machine = Machine::new(program, Atomicity::Op, Limits::default(), Tasks::new());
        machine.run(&mut ChildFirst);
        let result = machine.into_result().expect("it ends").expect("it adds");
        let Value::Tensor(result) = result else { panic!("{result:?}") };
        assert_eq!(result.to_vec::<f32>(), [n as f32 + 0.5]);
    }
}

fn check(row: &Row) -> Result<(), String> {
    let code = code(row);
    let attributes: Vec<(&str, Value)> = (row.attributes)().into_iter().map(|(name, _, value)| (name, value)).collect();
    let program = || program_of(&code, &attributes, (row.inputs)());
    let complaint = |what: &str, found: &dyn std::fmt::Debug| Err(format!("{}: {what}: found {found:?}", row.test));

    let first = program();
    let mut machine = Machine::new(&first, Atomicity::Op, Limits::default(), Tasks::new());
    machine.run(&mut ChildFirst);
    if machine.task_count() != row.tasks {
        return complaint("tasks", &machine.task_count());
    }
    match (machine.into_result(), &row.expected) {
        (Some(Ok(value)), Gives(text)) if text_of(&value).split_whitespace().collect::<String>() == **text => {}
        (Some(Err(raised)), Raises(text, trail)) if raised.message.contains(text) => {
            let told = first.error_text(&raised);
            let lines: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("    ")).collect();
            if lines != **trail {
                return complaint("trail", &told);
            }
        }
        (result, _) => return complaint("result", &result.map(|result| result.map(|value| text_of(&value)))),
    }
    // The same outcome under every schedule, unless a finding says why not.
    for atomicity in [Atomicity::Op, Atomicity::Split] {
        let report = audit(&program(), &Config { atomicity, ..Config::default() });
        let outcomes = report.outcomes.as_ref().expect("it was run");
        let errors = report.findings.iter().filter(|finding| finding.severity == "error");
        let found: Vec<(&str, &str)> = errors.map(|finding| (finding.kind, finding.target.as_str())).collect();
        if found != row.findings {
            return complaint("findings", &found);
        }
        if !outcomes.complete || (row.findings.is_empty() && outcomes.distinct != 1) {
            return complaint("outcomes", &outcomes.distinct);
        }
    }
    Ok(())
}

const X: fn() -> Vec<Value> = || vec![tensor(&[3.0, 4.0])];

const ROWS: &[Row] = &[
    Row {
        test: "test_async_parsing",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[List[Tensor], List[Tensor], List[Tensor]]:
    futures = annotate(List[Future[List[Tensor]]], [])
    for _0 in range(3):
      def __forked_function():
        return __torch__.bar(x, )
      future = fork(__forked_function)
      _1 = torch.append(futures, future)
    output = annotate(List[List[Tensor]], [])
    for i in range(3):
      _2 = torch.append(output, torch.wait(futures[i]))
    return (output[0], output[1], output[2])
def bar(x: Tensor) -> List[Tensor]:
  return [torch.add(x, 1)]
",
        attributes: none,
        inputs: X,
        expected: Gives("([45[CPUFloatType{2}]],[45[CPUFloatType{2}]],[45[CPUFloatType{2}]])"),
        tasks: 4,
        findings: &[],
    },
    Row {
        test: "test_async_script",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tuple[Tensor, Tensor], Tuple[Tensor, Tensor]]:
    def __forked_function():
      return __torch__.foo(x, )
    future = fork(__forked_function)
    outputs = __torch__.foo(x, )
    return (outputs, torch.wait(future))
def foo(x: Tensor) -> Tuple[Tensor, Tensor]:
  return (torch.neg(x), x)
",
        attributes: none,
        inputs: X,
        expected: Gives("((-3-4[CPUFloatType{2}],34[CPUFloatType{2}]),(-3-4[CPUFloatType{2}],34[CPUFloatType{2}]))"),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_async_script_capture",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tensor, Tensor]:
    def __forked_function():
      return (self).foo(x, )
    future = fork(__forked_function)
    return ((self).foo(x, ), torch.wait(future))
  def foo(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.add(torch.add(x, self.weight), self.const)
",
        attributes: || vec![("weight", "Tensor", tensor(&[1.0, 2.0])), ("const", "int", Value::Int(42))],
        inputs: X,
        expected: Gives("(4648[CPUFloatType{2}],4648[CPUFloatType{2}])"),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_async_script_nested",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tuple[Tensor, Tensor], Tuple[Tensor, Tensor]]:
    def __forked_function():
      return __torch__.wait_script(x, )
    future = fork(__forked_function)
    return (__torch__.wait_script(x, ), torch.wait(future))
def wait_script(x: Tensor) -> Tuple[Tensor, Tensor]:
  def __forked_function():
    return __torch__.foo(x, )
  future = fork(__forked_function)
  return (torch.neg(x), torch.wait(future))
def foo(x: Tensor) -> Tensor:
  return torch.neg(x)
",
        attributes: none,
        inputs: X,
        expected: Gives(
            "((-3-4[CPUFloatType{2}],-3-4[CPUFloatType{2}]),(-3-4[CPUFloatType{2}],-3-4[CPUFloatType{2}]))",
        ),
        tasks: 4,
        findings: &[],
    },
    Row {
        test: "test_async_script_multi_waits",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.foo(x, )
    fut = fork(__forked_function)
    x1 = torch.wait(fut)
    x2 = torch.wait(fut)
    return torch.add(x1, x2)
def foo(x: Tensor) -> Tensor:
  return torch.add(torch.neg(torch.t(x)), x)
",
        attributes: none,
        inputs: X,
        expected: Gives("00[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_async_script_multi_forks",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    def __forked_function():
      return __torch__.foo1(x, )
    f1 = fork(__forked_function)
    def __forked_function0():
      return __torch__.foo2(x, torch.neg(x), )
    f2 = fork(__forked_function0)
    def __forked_function1():
      return __torch__.foo2(torch.neg(x), x, )
    f3 = fork(__forked_function1)
    return (torch.wait(f3), torch.wait(f1), torch.wait(f2))
def foo1(x: Tensor) -> Tensor:
  return torch.add(torch.neg(torch.t(x)), x)
def foo2(x: Tensor, y: Tensor) -> Tensor:
  return torch.add(torch.neg(torch.t(x)), torch.mul(y, 2))
",
        attributes: none,
        inputs: X,
        expected: Gives("(912[CPUFloatType{2}],00[CPUFloatType{2}],-9-12[CPUFloatType{2}])"),
        tasks: 4,
        findings: &[],
    },
    Row {
        test: "test_async_kwargs",
        code: "\
  def forward(self: __torch__.M, x: Tensor, y: Tensor) -> List[Tensor]:
    def __forked_function():
      return __torch__.foo(x, y, )
    a = fork(__forked_function)
    def __forked_function0():
      return __torch__.foo(x2=y, x1=x)
    b = fork(__forked_function0)
    def __forked_function1():
      return __torch__.foo(x, x2=y)
    c = fork(__forked_function1)
    return [torch.wait(a), torch.wait(b), torch.wait(c)]
def foo(x1: Tensor, x2: Tensor) -> Tensor:
  return torch.sub(torch.mul(x1, 2), x2)
",
        attributes: none,
        inputs: || vec![tensor(&[3.0]), tensor(&[4.0])],
        expected: Gives("[2[CPUFloatType{1}],2[CPUFloatType{1}],2[CPUFloatType{1}]]"),
        tasks: 4,
        findings: &[],
    },
    Row {
        // Two forks, of a traced module and of a builtin; one `neg` outside, one in each.
        test: "test_async_script_trace",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    def __forked_function():
      return (self).traced(x, )
    future1 = fork(__forked_function)
    def __forked_function0():
      return torch.neg(x)
    future2 = fork(__forked_function0)
    x0 = torch.wait(future1)
    return (torch.neg(x0), x0, torch.wait(future2))
  def traced(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.neg(x)
",
        attributes: none,
        inputs: X,
        expected: Gives("(34[CPUFloatType{2}],-3-4[CPUFloatType{2}],-3-4[CPUFloatType{2}])"),
        tasks: 3,
        findings: &[],
    },
    Row {
        test: "test_async_script_error (one level)",
        code: "\
  def forward(self: __torch__.M, x: Tensor, y: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.foo(x, y, )
    fut = fork(__forked_function)
    return torch.wait(fut)
def foo(x: Tensor, y: Tensor) -> Tensor:
  return torch.add(torch.t(x), y)
",
        attributes: none,
        inputs: || vec![tensor(&[1.0, 2.0, 3.0]), tensor(&[1.0, 2.0])],
        expected: Raises(
            "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
            &["torch.wait(fut)", "fork(__forked_function)", "torch.add(torch.t(x), y)"],
        ),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_async_script_error (two levels)",
        code: "\
  def forward(self: __torch__.M, x: Tensor, y: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.wait_script(x, y, )
    fut = fork(__forked_function)
    return torch.wait(fut)
def wait_script(x: Tensor, y: Tensor) -> Tensor:
  def __forked_function():
    return __torch__.foo(x, y, )
  fut = fork(__forked_function)
  return torch.wait(fut)
def foo(x: Tensor, y: Tensor) -> Tensor:
  return torch.add(torch.t(x), y)
",
        attributes: none,
        inputs: || vec![tensor(&[1.0, 2.0, 3.0]), tensor(&[1.0, 2.0])],
        expected: Raises(
            "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
            &[
                "torch.wait(fut)",
                "fork(__forked_function)",
                "torch.wait(fut)",
                "fork(__forked_function)",
                "torch.add(torch.t(x), y)",
            ],
        ),
        tasks: 3,
        findings: &[],
    },
    Row {
        // Gradients are off outside: they are off in the body, and after the wait.
        test: "test_async_grad_guard_no_grad",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[bool, bool, bool]:
    _0 = torch.set_grad_enabled(False)
    before = torch.is_grad_enabled()
    def __forked_function():
      return torch.is_grad_enabled()
    fut = fork(__forked_function)
    inside = torch.wait(fut)
    return (before, inside, torch.is_grad_enabled())
",
        attributes: none,
        inputs: X,
        expected: Gives("(False,False,False)"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // Gradients are on outside: they are on in the body, and after the wait.
        test: "test_async_grad_guard_with_grad",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[bool, bool, bool]:
    _0 = torch.set_grad_enabled(True)
    before = torch.is_grad_enabled()
    def __forked_function():
      return torch.is_grad_enabled()
    fut = fork(__forked_function)
    inside = torch.wait(fut)
    return (before, inside, torch.is_grad_enabled())
",
        attributes: none,
        inputs: X,
        expected: Gives("(True,True,True)"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // One fork, one wait, two `neg` in the subgraph.
        test: "test_trace_fork_wait",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    def __forked_function():
      return (torch.neg(x), torch.neg(x))
    fut = fork(__forked_function)
    vals = torch.wait(fut)
    a, b, = vals
    return (a, b, torch.sub(x, 1))
",
        attributes: none,
        inputs: X,
        expected: Gives("(-3-4[CPUFloatType{2}],-3-4[CPUFloatType{2}],23[CPUFloatType{2}])"),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_trace_fork_wait_list_modulecalls",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    futures = (self).add_one(x, )
    results = annotate(List[Tensor], [])
    for i in range(torch.len(futures)):
      _0 = torch.append(results, torch.wait(futures[i]))
    return torch.sum(torch.stack(results))
  def add_one(self: __torch__.M, x: Tensor) -> List[Future[Tensor]]:
    def __forked_function():
      return torch.add(x, 1)
    a = fork(__forked_function)
    def __forked_function0():
      return torch.add(x, 1)
    b = fork(__forked_function0)
    return [a, b]
",
        attributes: none,
        inputs: X,
        expected: Gives("18[CPUFloatType{}]"),
        tasks: 3,
        findings: &[],
    },
    Row {
        test: "test_trace_modulecalls_with_different_output_types",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    y, fut, = (self).different(x, )
    return torch.add(y, torch.wait(fut))
  def different(self: __torch__.M, x: Tensor) -> Tuple[Tensor, Future[Tensor]]:
    def __forked_function():
      return torch.add(x, 1)
    return (torch.sub(x, 1), fork(__forked_function))
",
        attributes: none,
        inputs: X,
        expected: Gives("68[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // A future of an int is one of anything.
        test: "test_future_subtyping (accepted)",
        code: "\
  def forward(self: __torch__.M, x: int) -> int:
    def __forked_function():
      return torch.add(x, 1)
    fut = fork(__forked_function)
    return unchecked_cast(int, __torch__.any_wait(fut, ))
def any_wait(fut: Future[Any]) -> Any:
  return torch.wait(fut)
",
        attributes: none,
        inputs: || vec![Value::Int(5)],
        expected: Gives("6"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // The body is run once, by whoever waits.
        test: "test_script",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __awaitable_function():
      return torch.add(torch.mul(x, 2), 1)
    aw = awaitable(__awaitable_function)
    y = torch.neg(x)
    z = ops.prim.awaitable_wait(aw)
    return torch.add(torch.add(y, z), ops.prim.awaitable_wait(aw))
",
        attributes: none,
        inputs: X,
        expected: Gives("1114[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_nowait",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    aw = ops.prim.awaitable_nowait(x)
    return torch.add(ops.prim.awaitable_wait(aw), 1)
",
        attributes: none,
        inputs: X,
        expected: Gives("45[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_nowait_class",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    c = __torch__.C.__new__(__torch__.C)
    _0 = (c).__init__(x, x, )
    aw = ops.prim.awaitable_nowait(c)
    got = ops.prim.awaitable_wait(aw)
    return torch.add(got.a, got.b)
class C:
  a : Tensor
  b : Tensor
  def __init__(self: __torch__.C, a: Tensor, b: Tensor) -> NoneType:
    self.a = a
    self.b = b
    return None
",
        attributes: none,
        inputs: X,
        expected: Gives("68[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_await_class_arg and test_await_class_return",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    c = __torch__.C.__new__(__torch__.C)
    _0 = (c).__init__(x, torch.mul(x, 2), )
    def __awaitable_function():
      return __torch__.gap(c, )
    aw = awaitable(__awaitable_function)
    got = ops.prim.awaitable_wait(aw)
    return torch.add(got.a, got.b)
class C:
  a : Tensor
  b : Tensor
  def __init__(self: __torch__.C, a: Tensor, b: Tensor) -> NoneType:
    self.a = a
    self.b = b
    return None
def gap(c: __torch__.C) -> __torch__.C:
  d = __torch__.C.__new__(__torch__.C)
  _1 = (d).__init__(torch.neg(c.a), c.b, )
  return d
",
        attributes: none,
        inputs: X,
        expected: Gives("34[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_awaitable_to_await and test_await_func_arg",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __awaitable_function():
      return torch.mul(x, 3)
    return __torch__.main(x, awaitable(__awaitable_function), )
def main(x: Tensor, aw: Await[Tensor]) -> Tensor:
  return torch.add(ops.prim.awaitable_wait(aw), x)
",
        attributes: none,
        inputs: X,
        expected: Gives("1216[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_await_nested",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __awaitable_function():
      return __torch__.inner(x, )
    outer = awaitable(__awaitable_function)
    return ops.prim.awaitable_wait(ops.prim.awaitable_wait(outer))
def inner(x: Tensor) -> Await[Tensor]:
  y = torch.mul(x, 10)
  def __awaitable_function():
    return torch.add(y, 1)
  return awaitable(__awaitable_function)
",
        attributes: none,
        inputs: X,
        expected: Gives("3141[CPUFloatType{2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_await_multiout_save",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __awaitable_function():
      return __torch__.gap(x, )
    aw = awaitable(__awaitable_function)
    n, items, t, = ops.prim.awaitable_wait(aw)
    return torch.add(torch.add(torch.stack(items), t), n)
def gap(x: Tensor) -> Tuple[int, List[Tensor], Tensor]:
  return (1, [x, torch.neg(x)], torch.mul(x, 2))
",
        attributes: none,
        inputs: X,
        expected: Gives("101345[CPUFloatType{2,2}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        test: "test_jit_trace (awaitable)",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __awaitable_function():
      return torch.neg(x)
    aw = awaitable(__awaitable_function)
    return torch.sum(ops.prim.awaitable_wait(aw))
",
        attributes: none,
        inputs: X,
        expected: Gives("-7[CPUFloatType{}]"),
        tasks: 1,
        findings: &[],
    },
    Row {
        // The forked and called module only reads what freezing folds away.
        test: "test_freeze_module_with_fork",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return (self).sub(x, )
    fut = fork(__forked_function)
    y_hat = (self).sub(x, )
    y = torch.wait(fut)
    return torch.add(y_hat, y)
  def sub(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.add(torch.mul(self.a, self.b), x)
",
        attributes: || vec![("a", "Tensor", tensor(&[2.0, 2.0])), ("b", "Tensor", tensor(&[3.0, 3.0]))],
        inputs: X,
        expected: Gives("1820[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // Two levels; the attribute is assigned after the wait, by the caller, so nothing races.
        test: "test_freeze_module_with_nested_fork",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return (self).sub(x, )
    fut = fork(__forked_function)
    y_hat = (self).sub(x, )
    y = torch.wait(fut)
    _0 = (self).assign(torch.add(y_hat, y), )
    return torch.add(torch.add(y_hat, y), self.c)
  def assign(self: __torch__.M, c: Tensor) -> NoneType:
    self.c = c
    return None
  def sub(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return (self).leaf(x, )
    fut = fork(__forked_function)
    y_hat = (self).leaf(x, )
    y = torch.wait(fut)
    return torch.add(y_hat, y)
  def leaf(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.add(torch.mul(self.a, self.b), x)
",
        attributes: || {
            let of = |x: f32| tensor(&[x, x]);
            vec![("a", "Tensor", of(2.0)), ("b", "Tensor", of(3.0)), ("c", "Tensor", of(0.0))]
        },
        inputs: X,
        expected: Gives("7280[CPUFloatType{2}]"),
        tasks: 4,
        findings: &[],
    },
    Row {
        // An attribute handed to a fork is not written there: sharper than freezing, which keeps it.
        test: "test_freeze_module_with_fork2",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    a = self.a
    def __forked_function():
      return __torch__.foo(a, )
    fut = fork(__forked_function)
    y_hat = __torch__.foo(self.b, )
    y = torch.wait(fut)
    return torch.add(y_hat, y)
def foo(x: Tensor) -> Tensor:
  return torch.mul(x, 2)
",
        attributes: || vec![("a", "Tensor", tensor(&[2.0, 2.0])), ("b", "Tensor", tensor(&[3.0, 3.0]))],
        inputs: X,
        expected: Gives("1010[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        test: "test_freeze_module_with_fork_calling_module_method",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    b = self.b
    def __forked_function():
      return (self).foo(b, )
    fut = fork(__forked_function)
    y_hat = (self).foo(self.b, )
    y = torch.wait(fut)
    return torch.add(y_hat, y)
  def foo(self: __torch__.M, x: Tensor) -> Tensor:
    return torch.mul(x, self.a)
",
        attributes: || vec![("a", "Tensor", tensor(&[2.0, 2.0])), ("b", "Tensor", tensor(&[3.0, 3.0]))],
        inputs: X,
        expected: Gives("1212[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // The forked module writes a buffer while the caller's call of the same method writes it, too.
        test: "test_freeze_module_with_interface_and_fork",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return (self).sub(x, )
    fut = fork(__forked_function)
    y_hat = (self).sub(x, )
    y = torch.wait(fut)
    return torch.add(y_hat, y)
  def sub(self: __torch__.M, x: Tensor) -> Tensor:
    _0 = torch.select(self.b, 0, 0)
    _1 = torch.add_(_0, 3)
    return torch.add(self.b, 2)
",
        attributes: || vec![("b", "Tensor", tensor(&[1.5, 0.0]))],
        inputs: X,
        expected: Gives("164[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[("attribute-mutation", "self.b"), ("parent-mutation", "self.b")],
    },
    Row {
        test: "test_trace_fork_join_and_module",
        code: "\
  def forward(self: __torch__.M, x: List[Tensor]) -> Tensor:
    futures = annotate(List[Future[Tensor]], [])
    for i in range(2):
      def __forked_function():
        return (self).layer(x[0], i, )
      _0 = torch.append(futures, fork(__forked_function))
    results = annotate(List[Tensor], [])
    for j in range(torch.len(futures)):
      _1 = torch.append(results, torch.wait(futures[j]))
    return torch.stack(results)
  def layer(self: __torch__.M, x: Tensor, i: int) -> Tensor:
    return torch.mul(torch.neg(x), torch.add(i, 1))
",
        attributes: none,
        inputs: a_list,
        expected: Gives("-3-4-6-8[CPUFloatType{2,2}]"),
        tasks: 3,
        findings: &[],
    },
    Row {
        // A direct call and a fork of one function.
        test: "TestJit.test_profiler",
        code: "\
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.other_fn(x, )
    fut = fork(__forked_function)
    y = torch.mul(__torch__.other_fn(x, ), torch.add(x, 4))
    return torch.add(y, torch.wait(fut))
def other_fn(x: Tensor) -> Tensor:
  return torch.mul(torch.neg(x), 2)
",
        attributes: none,
        inputs: X,
        expected: Gives("-48-72[CPUFloatType{2}]"),
        tasks: 2,
        findings: &[],
    },
    Row {
        // Only what the callee writes is reported: the second argument.
        test: "test_recursive_calls",
        code: "\
  def forward(self: __torch__.M, x: Tensor, y: Tensor) -> Tensor:
    a = torch.add(x, 1)
    def __forked_function():
      return __torch__.foo(a, y, )
    fut = fork(__forked_function)
    return torch.wait(fut)
def foo(x: Tensor, y: Tensor) -> Tensor:
  return __torch__.bar(x, y, )
def bar(x: Tensor, y: Tensor) -> Tensor:
  _0 = torch.add_(y, 1)
  return torch.add(x, y)
",
        attributes: none,
        inputs: || vec![tensor(&[1.0]), tensor(&[2.0])],
        expected: Gives("5[CPUFloatType{1}]"),
        tasks: 2,
        findings: &[("input-mutation", "input y")],
    },
    Row {
        // Two forks of a product of what no argument gives; a launcher that counts sees both.
        test: "InterpreterTest.runAsyncBasicTest",
        code: "\
  def forward(self: __torch__.M) -> Tensor:
    r1 = torch.ones([100, 100], dtype=None, layout=None, device=None, pin_memory=None)
    r2 = torch.full([100, 100], 2., dtype=6)
    def __forked_function():
      return torch.mm(r1, r1)
    a = fork(__forked_function)
    def __forked_function0():
      return torch.mm(r2, r2)
    b = fork(__forked_function0)
    return torch.sum(torch.add(torch.wait(a), torch.wait(b)))
",
        attributes: none,
        inputs: Vec::new,
        // 10 000 elements, each 100 · 1 · 1 + 100 · 2 · 2.
        expected: Gives("5e+06[CPUFloatType{}]"),
        tasks: 3,
        findings: &[],
    },
];
