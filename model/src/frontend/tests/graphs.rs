//! Graphs as text: what names become, and where values go.

use super::super::Code;
use super::{compile, compile_files, graph};
use crate::module::ClassKind;
use crate::types::Type;
use crate::value::Value;

/// The graph of `f` in this code.
fn check(text: &str, expected: &str) {
    let code = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(graph(&code, "__torch__.f"), expected.trim_matches('\n'), "{text}");
}

#[test]
fn a_branch_gives_what_it_assigned() {
    check(
        "
def f(x: Tensor, o: Optional[int]) -> Optional[int]:
  if torch.__is__(o, None):
    y : Optional[int] = 3
    z = 1
  else:
    y = o
  return y
",
        "
graph(%x.1 : Tensor,
      %o.1 : int?):
  %0 : NoneType = prim::Constant()
  %y.1 : int = prim::Constant[value=3]()
  %z.1 : int = prim::Constant[value=1]()
  %1 : bool = aten::__is__(%o.1, %0)
  %y.2 : int? = prim::If(%1)
    block0():
      -> (%y.1)
    block1():
      -> (%o.1)
  return (%y.2)",
    );
}

#[test]
fn a_loop_carries_what_was_there_before() {
    check(
        "
def f(x: Tensor, n: int) -> Tensor:
  y = x
  for i in range(n):
    t = torch.mul(y, i)
    y = t
  return y
",
        "
graph(%x.1 : Tensor,
      %n.1 : int):
  %0 : bool = prim::Constant[value=1]()
  %y.2 : Tensor = prim::Loop(%n.1, %0, %x.1)
    block0(%i.1 : int, %y.1 : Tensor):
      %t.1 : Tensor = aten::mul(%y.1, %i.1)
      -> (%0, %t.1)
  return (%y.2)",
    );
}

#[test]
fn a_while_loop_asks_again_at_the_end_and_copies_in_parallel() {
    check(
        "
def f(a: int, b: int) -> int:
  x = a
  y = b
  while torch.lt(x, 9):
    x, y = y, x
  return y
",
        "
graph(%a.1 : int,
      %b.1 : int):
  %0 : int = prim::Constant[value=9223372036854775807]()
  %1 : int = prim::Constant[value=9]()
  %2 : bool = aten::lt(%a.1, %1)
  %x.2 : int, %y.2 : int = prim::Loop(%0, %2, %a.1, %b.1)
    block0(%3 : int, %x.1 : int, %y.1 : int):
      %4 : bool = aten::lt(%y.1, %1)
      -> (%4, %y.1, %x.1)
  return (%y.2)",
    );
}

#[test]
fn closures_capture_in_the_order_of_first_use() {
    check(
        "
def f(x: Tensor, y: Tensor, k: int) -> Tensor:
  _0 = __torch__.g
  def __forked_function():
    def __forked_function0():
      return torch.add(y, 2)
    _1 = fork(__forked_function0)
    return _0(torch.add(x, k), torch.wait(_1), 7, )
  a = fork(__forked_function)
  return torch.wait(a)
def g(x: Tensor, y: Tensor, n: int) -> Tensor:
  return x
",
        "
graph(%x.1 : Tensor,
      %y.1 : Tensor,
      %k.1 : int):
  %0 : int = prim::Constant[value=2]()
  %1 : int = prim::Constant[value=7]()
  %a.1 : Future[Tensor] = prim::fork_0(%y.1, %0, %x.1, %k.1, %1)
  %2 : Tensor = aten::wait(%a.1)
  return (%2)
with prim::fork_0 = graph(%y.1 : Tensor,
      %0 : int,
      %x.1 : Tensor,
      %k.1 : int,
      %5 : int):
  %2 : int = prim::Constant[value=1]()
  %1 : Future[Tensor] = prim::fork_0(%y.1, %0)
  %3 : Tensor = aten::add(%x.1, %k.1, %2)
  %4 : Tensor = aten::wait(%1)
  %7 : Function = prim::Constant[name=\"g\"]()
  %6 : Tensor = prim::CallFunction(%7, %3, %4, %5)
  return (%6)
with prim::fork_0 = graph(%y.1 : Tensor,
      %0 : int):
  %1 : int = prim::Constant[value=1]()
  %2 : Tensor = aten::add(%y.1, %0, %1)
  return (%2)",
    );
}

#[test]
fn an_awaitable_is_a_lazy_sibling_of_a_fork() {
    check(
        "
def f(x: Tensor) -> Tensor:
  def __awaitable_function():
    return torch.neg(x)
  a = awaitable(__awaitable_function)
  return ops.prim.awaitable_wait(a)
",
        "
graph(%x.1 : Tensor):
  %a.1 : Await(Tensor) = prim::awaitable_0(%x.1)
  %0 : Tensor = prim::awaitable_wait(%a.1)
  return (%0)
with prim::awaitable_0 = graph(%x.1 : Tensor):
  %0 : Tensor = aten::neg(%x.1)
  return (%0)",
    );
}

#[test]
fn objects_are_made_entered_and_changed() {
    check(
        "
class C:
  n : int
  def __init__(self: __torch__.C, n: int=4) -> NoneType:
    self.n = n
    return None
  def __enter__(self: __torch__.C) -> int:
    return self.n
  def __exit__(self: __torch__.C, t: Any, v: Any, b: Any) -> NoneType:
    return None
def f(k: int) -> int:
  c = __torch__.C.__new__(__torch__.C)
  _0 = (c).__init__()
  with c as m:
    c.n = k
  return torch.add(m, c.n)
",
        "
graph(%k.1 : int):
  %0 : int = prim::Constant[value=4]()
  %c.1 : __torch__.C = prim::CreateObject()
  %1 : NoneType = prim::CallMethod[name=\"__init__\"](%c.1, %0)
  %m.1 : int = prim::Enter(%c.1)
   = prim::SetAttr[name=\"n\"](%c.1, %k.1)
   = prim::Exit(%c.1)
  %2 : int = prim::GetAttr[name=\"n\"](%c.1)
  %3 : int = aten::add(%m.1, %2)
  return (%3)",
    );
}

#[test]
fn values_are_converted_as_the_schema_lets_them() {
    check(
        "
def f(x: Tensor, s: Scalar, t: Tuple[int, int]) -> int:
  a = torch.sum(x, 1)
  b = torch.zeros(2, 3)
  c = torch.view(x, t)
  d = torch.select(x, 0, x)
  e = annotate(float, s)
  print(a, \"b\")
  ops.prim.RaiseException(\"no\", \"builtins.ValueError\")
  return annotate(int, x)
",
        "
graph(%x.1 : Tensor,
      %s.1 : Scalar,
      %t.1 : (int, int)):
  %0 : int = prim::Constant[value=1]()
  %2 : bool = prim::Constant[value=0]()
  %3 : NoneType = prim::Constant()
  %4 : int = prim::Constant[value=2]()
  %5 : int = prim::Constant[value=3]()
  %10 : int = prim::Constant[value=0]()
  %12 : str = prim::Constant[value=\"b\"]()
  %13 : str = prim::Constant[value=\"no\"]()
  %14 : str = prim::Constant[value=\"builtins.ValueError\"]()
  %1 : int[] = prim::ListConstruct(%0)
  %a.1 : Tensor = aten::sum(%x.1, %1, %2, %3)
  %6 : int[] = prim::ListConstruct(%4, %5)
  %b.1 : Tensor = aten::zeros(%6, %3, %3, %3, %3)
  %7 : int, %8 : int = prim::TupleUnpack(%t.1)
  %9 : int[] = prim::ListConstruct(%7, %8)
  %c.1 : Tensor = aten::view(%x.1, %9)
  %11 : int = aten::IntImplicit(%x.1)
  %d.1 : Tensor = aten::select(%x.1, %10, %11)
  %e.1 : float = aten::Float(%s.1)
   = prim::Print(%a.1, %12)
   = prim::RaiseException(%13, %14)
  %15 : int = aten::IntImplicit(%x.1)
  return (%15)",
    );
}

#[test]
fn an_unknown_operator_gets_everything_and_may_give_anything() {
    check(
        "
def f(x: Tensor) -> Tensor:
  a, b = ops.mine.split(x, k=2)
  return torch.add(a, ops.mine.one(b))
",
        "
graph(%x.1 : Tensor):
  %0 : int = prim::Constant[value=2]()
  %3 : int = prim::Constant[value=1]()
  %1 : Any = mine::split(%x.1, %0)
  %a.1 : Any, %b.1 : Any = prim::TupleUnpack(%1)
  %2 : Any = mine::one(%b.1)
  %4 : Tensor = aten::add(%a.1, %2, %3)
  return (%4)",
    );
}

fn declared() -> Code {
    compile_files(
        "#### __torch__/m.py
class M(Module):
  __parameters__ = [\"w\", ]
  __buffers__ = [\"b\", ]
  __annotations__ = []
  __annotations__[\"0\"] = __torch__.m.P
  w : Tensor
  b : Tensor
  k : Final[Tuple[int, List[float]]] = (1, [0.5])
  c : Final[__torch__.m.E] = __torch__.m.E.A
  u : Final[str] = CONSTANTS.c0
  def forward(self: __torch__.m.M, x: Tensor, n: int=3) -> str:
    return self.u
class P(NamedTuple):
  x : Tensor
  n : Optional[int]
class E(Enum):
  A = \"a\"
class I(ModuleInterface):
  def forward(self, x: Tensor, n: int) -> str:
    pass
def use(m: __torch__.m.I, p: __torch__.m.P) -> str:
  return (m).forward((p).x, 1, )
def start(m: __torch__.m.M, p: __torch__.m.P) -> str:
  return __torch__.m.use(m, p, )
",
    )
    .unwrap()
}

#[test]
fn classes_keep_what_they_declare() {
    let code = declared();
    let module = &code.classes["__torch__.m.M"];
    let names: Vec<&str> = module.attributes.iter().map(|attribute| &*attribute.name).collect();
    assert_eq!(names, ["0", "w", "b"]);
    assert_eq!(module.attributes[0].ty, Type::named("__torch__.m.P"));
    assert_eq!(module.kind, ClassKind::Module { parameters: vec!["w".into()], buffers: vec!["b".into()] });
    assert!(matches!(&module.constants["c"], Value::Enum(member) if &*member.name == "A"));
    assert!(matches!(&module.constants["k"], Value::Tuple(items) if items.len() == 2));
    let forward = &code.functions[module.methods["forward"].0 as usize];
    assert!(matches!(forward.params[2].default, Some(Value::Int(3))));
    assert_eq!(code.classes["__torch__.m.I"].kind, ClassKind::Interface);
}

#[test]
fn a_module_stands_for_an_interface() {
    let code = declared();
    assert!(graph(&code, "__torch__.m.use").contains("prim::CallMethod[name=\"forward\"](%m.1, %"));
    assert!(graph(&code, "__torch__.m.M.forward").contains("prim::Constant[value=\"\\303\\251\"]"));
}

#[test]
fn without_debug_records_a_place_is_in_the_code_file() {
    let code = compile("def f(x: Tensor) -> Tensor:\n  return torch.neg((x))\n").unwrap();
    let span = code.functions[0].graph.body.nodes[0].span.as_ref().unwrap();
    assert_eq!((span.to_string().as_str(), span.text()), ("code/__torch__.py:2:9", "torch.neg((x))"));
}

#[test]
fn a_default_may_stand_in_the_table_of_constants() {
    let code = compile(
        "def f(a: int,\n    b: str=CONSTANTS.c0) -> str:\n  return b\ndef g() -> str:\n  return __torch__.f(1, )\n",
    )
    .unwrap();
    let default = code.functions[0].params[1].default.as_ref();
    assert!(matches!(default, Some(Value::Str(text)) if &**text == "é"), "{default:?}");
    assert!(graph(&code, "__torch__.g").contains("\"\\303\\251\""));
}

#[test]
fn a_default_in_the_table_is_there_and_of_the_parameter_s_type() {
    let error = |code: &str| compile(code).unwrap_err().to_string();
    let found = error("def f(a: int=CONSTANTS.c0) -> int:\n  return a\n");
    assert!(found.contains("line 1: expected `int` in the table of constants, found `str`"), "{found}");
    let found = error("def f(a: int=CONSTANTS.c7) -> int:\n  return a\n");
    assert!(found.contains("line 1: expected `int` in the table of constants, found nothing"), "{found}");
}

#[test]
fn a_string_was_written_byte_by_byte() {
    // The two bytes of é, in octal; what is no UTF-8 stays as it is.
    let code = compile("def f(a: str=\"\\303\\251\",\n    b: str=\"é\",\n    c: str=\"\\303\") -> str:\n  return a\n")
        .unwrap();
    let default = |i: usize| match &code.functions[0].params[i].default {
        Some(Value::Str(text)) => text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!([default(0), default(1), default(2)], ["é", "é", "\u{c3}"]);
}
