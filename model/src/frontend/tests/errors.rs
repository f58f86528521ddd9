//! Wrong code is refused when it is loaded, with the record, the line and what was expected.

use super::compile;

/// The error of a function with this body; its parameters are `x: Tensor, n: int, f: Future[int], b: bool`.
fn check(body: &str, expected: &str) {
    let text = format!(
        "class M(Module):\n  w : Tensor\n  def g(self: __torch__.M, k: int=3) -> int:\n    return k\ndef h(m: __torch__.M, \
         x: Tensor, n: int, f: Future[int], b: bool) -> Tensor:\n  {}\n",
        body.replace('\n', "\n  ")
    );
    match compile(&text) {
        Ok(_) => assert_eq!("no error", expected, "{body}"),
        Err(error) => assert_eq!(error.to_string(), format!("record code/__torch__.py, line {expected}"), "{body}"),
    }
}

#[test]
fn names() {
    check("return y", "6: unknown name `y`");
    check("return __torch__.nothing(x)", "6: unknown function `__torch__.nothing`");
    check("return frobnicate(x)", "6: unknown name `frobnicate`, called with 1 arguments");
    check("return annotate(__torch__.N, x)", "6: unknown class `__torch__.N`");
    check("return torch.frobnicate(x)", "6: unknown operator `aten::frobnicate`");
    check("return ops.prim.frobnicate(x)", "6: unknown operator `prim::frobnicate`");
    check("return CONSTANTS.c7", "6: constant 7 of a table of 1");
    check("return m.v", "6: `__torch__.M` has no attribute `v`");
    check("return (m).k()", "6: `__torch__.M` has no method `k`");
    check("y = fork(x)\nreturn x", "6: expected a closure to fork, found `x`");
    check("if b:\n  y = x\nelse:\n  pass\nreturn y", "10: unknown name `y`");
    // These stand for numbers.
    for name in ["nan", "inf", "nanj", "infj"] {
        check(&format!("{name} = x\nreturn x"), "6: expected a name or an attribute to assign to");
        check(&format!("{name} : Tensor = x\nreturn x"), "6: expected a name or an attribute to assign to");
    }
}

#[test]
fn types() {
    check("return n", "6: expected a tensor, found `int` (the result of `h`)");
    check(
        "return torch.neg(f)",
        "6: no overload of `aten::neg` takes (Future[int]); the first of 6 says: argument `self`: expected a tensor, found `Future[int]`",
    );
    check(
        "return torch.relu(f)",
        "6: no overload of `aten::relu` takes (Future[int]); the first of 2 says: argument `self`: expected a tensor, found `Future[int]`",
    );
    check("y = torch.wait(x)\nreturn x", "6: `aten::wait`: argument `self`: expected a future, found `Tensor`");
    check("return torch.wait(f)", "6: expected a tensor, found `int` (the result of `h`)");
    check("m.w = n\nreturn x", "6: expected a tensor, found `int` (attribute `w`)");
    check("y = (m).g(b)\nreturn x", "6: expected `int`, found `bool` (argument `k` of `__torch__.M.g`)");
    check("y = (m).g(1, 2)\nreturn x", "6: `__torch__.M.g`: expected at most 2 arguments, found 3");
    check("y = (m).g(j=1)\nreturn x", "6: `__torch__.M.g`: unexpected argument `j`");
    check("return x(n)", "6: cannot call a value of type `Tensor`");
    check("y = [n, b]\nreturn x", "6: items of the list are `int` and `bool`");
    check("a, b, = (x, x, x)\nreturn a", "6: expected 2 values, found 3");
    check("return ((x, x))[2]", "6: index 2 of a tuple of 2 items");
    check("if f:\n  pass\nelse:\n  pass\nreturn x", "6: expected `bool`, found `Future[int]` (the condition)");
    check(
        "if b:\n  y = x\nelse:\n  y = n\nreturn y",
        "10: `y` is `Tensor` in one branch of the `if` and `int` in the other",
    );
    check("y = n\nfor i in range(n):\n  y = x\nreturn x", "7: expected `int`, found `Tensor` (`y` in the loop)");
    check("with m:\n  y = x\nreturn y", "6: expected a context manager, found `__torch__.M`");
    check("return x\nreturn x", "6: expected `return` only at the end of a function");
}

#[test]
fn what_is_right_is_not_refused() {
    for body in [
        "y = (m).g()\nreturn x",
        "y = n\ny = x\nreturn y",
        "y = custom\nreturn x",
        "y = annotate(List[int], [])\nz = torch.append(y, annotate(int, x))\nreturn x",
        "a, b = ops.custom.thing(x, n)\nreturn torch.add(a, b)",
        "a = ops.custom.thing(x, k=n)\nreturn (a).method(x)",
    ] {
        let expected = if body.contains("= custom\n") { "6: unknown name `custom`" } else { "no error" };
        check_or_none(body, expected);
    }
}

fn check_or_none(body: &str, expected: &str) {
    if expected != "no error" {
        return check(body, expected);
    }
    let text = format!(
        "class M(Module):\n  def g(self: __torch__.M, k: int=3) -> int:\n    return k\ndef h(m: __torch__.M, x: Tensor, n: int) \
         -> Tensor:\n  {}\n",
        body.replace('\n', "\n  ")
    );
    compile(&text).unwrap_or_else(|error| panic!("{body}: {error}"));
}

#[test]
fn recursion() {
    let refused = |text: &str, expected: &str| {
        assert_eq!(compile(text).unwrap_err().to_string(), format!("record code/__torch__.py, line {expected}"));
    };
    let call = |name: &str, to: &str| format!("def {name}(x: int) -> int:\n  return __torch__.{to}(x, )\n");
    refused(&call("f", "f"), "1: function `__torch__.f` calls itself; recursion is not supported");
    refused(
        &(call("f", "g") + &call("g", "h") + &call("h", "f")),
        "1: function `__torch__.f` calls itself; recursion is not supported",
    );
    let forked = "def f(x: int) -> int:\n  def c():\n    return __torch__.f(x, )\n  y = fork(c)\n  return x\n";
    refused(forked, "1: function `__torch__.f` calls itself; recursion is not supported");
    let chain: String = (0..500).map(|i| call(&format!("f{i}"), &format!("f{}", i + 1))).collect();
    compile(&(chain + "def f500(x: int) -> int:\n  return x\n")).expect("a long chain is no cycle");
}

#[test]
fn declarations() {
    let refused = |text: &str, expected: &str| {
        assert_eq!(compile(text).unwrap_err().to_string(), format!("record code/__torch__.py, {expected}"));
    };
    refused("class A(B):\n  pass\n", "line 1: unknown kind of class `B`");
    refused("class A:\n  pass\nclass A:\n  pass\n", "line 3: class `A` is defined twice");
    refused("class A:\n  x : int\n  x : int\n", "line 3: attribute `x` is declared twice");
    refused("class A:\n  x : B\n", "line 2: unknown type `B`");
    refused("def f(x) -> int:\n  return 1\n", "line 1: expected a type for parameter `x`");
    refused("def f():\n  return 1\n", "line 1: function `f` does not declare its result");
    refused("x = 1\n", "line 1: expected a class or a function");
}

#[test]
fn types_do_not_grow_without_measure() {
    let refused = |line: &str| {
        let lines: String =
            (0..5000).map(|i| format!("  a{} = {}\n", i + 1, line.replace('#', &format!("a{i}")))).collect();
        let error = compile(&format!("def f(a0: Tensor) -> int:\n{lines}  return 1\n")).unwrap_err().to_string();
        assert!(error.ends_with("a value whose type has more than 1000 parts"), "{error}");
    };
    refused("(#, #)");
    refused("[#]");
    refused("{1: #}");
    refused("ops.prim.awaitable_nowait(#)");
}
