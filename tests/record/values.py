"""Records what PyTorch's operators on numbers, text, lists and dicts give, into model/tests/values.txt.

Each line is the full name of the overload, its arguments, then `=` and the result or `!` and the error, and for a
list or dict that was changed `~` and what it became. Run it with a Python that has PyTorch 2.7.
"""

import json
import math
import pathlib

import torch

inf, nan = math.inf, math.nan


def kind(v):
    if isinstance(v, Any):
        return v.kind
    for python, name in [(bool, "bool"), (int, "int"), (float, "float"), (complex, "complex"), (str, "str"),
                         (torch.Tensor, "Tensor"), (torch.device, "Device")]:
        if isinstance(v, python):
            return name
    if v is None:
        return "NoneType"
    if isinstance(v, list):
        return (kind(v[0]) if v else "int") + "[]"
    if isinstance(v, tuple):
        return "(" + ", ".join(map(kind, v)) + ")"
    key, value = next(iter(v.items()))
    return f"Dict({kind(key)}, {kind(value)})"


class Any:
    """A value passed as another type than its own."""

    def __init__(self, value, kind):
        self.value, self.kind = value, kind


def S(value):
    return Any(value, "Scalar")


def bare(v):
    return v.value if isinstance(v, Any) else v


def text(v):
    if isinstance(v, complex):
        return f"C({v.real!r}, {v.imag!r})"
    if isinstance(v, str):
        return json.dumps(v)
    if isinstance(v, torch.device):
        return "D" + json.dumps(str(v))
    if isinstance(v, torch.Tensor):
        elements = ", ".join(map(text, v.flatten().tolist()))
        return f"T{json.dumps(str(v.dtype)[6:])}[{', '.join(map(str, v.shape))}]({elements})"
    if isinstance(v, list):
        return "[" + ", ".join(map(text, v)) + "]"
    if isinstance(v, tuple):
        return "(" + "".join(text(x) + ", " for x in v) + ")"
    if isinstance(v, dict):
        return "{" + ", ".join(f"{text(k)}: {text(x)}" for k, x in v.items()) + "}"
    return repr(v)


RESULTS = {"aten::divmod": 2, "aten::modf": ["float"] * 2, "aten::frexp": ["float", "int"],
           "aten::partition": ["str"] * 3, "aten::rpartition": ["str"] * 3}


def graph(name, args, returned):
    inputs = ", ".join(f"%a{i} : {kind(a)}" for i, a in enumerate(args))
    call = f"{name}({', '.join(f'%a{i}' for i in range(len(args)))})"
    results = RESULTS.get(name)
    if results == 2:
        results = ["int" if all(isinstance(a, int) for a in args) else "float"] * 2
    if returned == "nothing" or returned == "first":
        head = "" if returned == "nothing" else "%r = "
        return torch._C.parse_ir(f"graph({inputs}):\n  {head}{call}\n  return (%a0)")
    if results:
        typed = ", ".join(f"%r{i} : {t}" for i, t in enumerate(results))
        names = ", ".join(f"%r{i}" for i in range(len(results)))
        return torch._C.parse_ir(f"graph({inputs}):\n  {typed} = {call}\n"
                                 f"  %t : ({', '.join(results)}) = prim::TupleConstruct({names})\n  return (%t)")
    return torch._C.parse_ir(f"graph({inputs}):\n  %r = {call}\n  return (%r)")


def run(name, args, returned):
    g = graph(name, args, returned)
    overload = str(next(iter(g.nodes())).schema()).split("(")[0]
    f = torch._C._create_function_from_graph("f", g)
    try:
        return overload, "= " + text(f(*map(bare, args)))
    except RuntimeError as error:
        message = str(error).strip().splitlines()
        start = next(i for i in reversed(range(len(message))) if message[i].startswith("RuntimeError: "))
        return overload, "! " + json.dumps("\n".join(message[start:])[len("RuntimeError: "):])


def record(name, *args):
    changes = args and isinstance(bare(args[0]), (list, dict))
    try:
        overload, result = run(name, args, "result")
    except RuntimeError as error:
        assert "schema->returns()" in str(error), (name, args, error)
        overload, result = run(name, args, "nothing")
        if result.startswith("= "):
            result = "= None\t~ " + result[2:]
        return emit(overload, args, result)
    if changes and result.startswith("= ") and name not in RESULTS:
        after = run(name, args, "first")[1]
        if after != "= " + text(bare(args[0])):
            result += "\t~ " + after[2:]
    emit(overload, args, result)


LINES = []


def emit(overload, args, result):
    LINES.append("\t".join([overload, *(text(bare(a)) for a in args), result]))


def every(names, *rows):
    for name in names.split():
        for row in rows:
            record(name, *row)


def main():
    arithmetic()
    functions()
    conversions()
    lists()
    dicts()
    strings()
    shown()
    tensors()
    path = pathlib.Path(__file__).parents[2] / "model/tests/values.txt"
    path.write_text("\n".join(dict.fromkeys(LINES)) + "\n")


def arithmetic():
    ints, floats = [(7, 2), (-7, 2), (7, -3), (2**63 - 1, 2)], [(7.5, -2.0), (-7.5, 2.0), (1.0, 0.0), (5.0, inf), (nan, 1.0)]
    mixed = [(7, -2.5), (-7.5, 2)]
    every("aten::add aten::sub aten::mul", *ints, *floats, *mixed, (1 + 2j, 3 - 1j), (1j, 2), (2.5, 1j), (S(2), S(2.5)), (S(2), S(1j)))
    every("aten::div", *ints, *floats, (1 + 2j, 3 - 1j), (1 + 2j, 0j), (7, 0), (S(1), S(0)))
    every("aten::floordiv aten::remainder", *ints[:3], *floats, *mixed, (S(7), S(-2)))
    record("aten::floordiv", 7, 0)
    every("aten::divmod", *ints[:3], *floats[:3], *mixed, (7, 0))
    every("aten::fmod aten::mathremainder", *ints[:3], *floats, *mixed, (7, 0))
    every("aten::pow", (2, -1), (0, -1), (0.0, -1.0), (-8.0, 0.5), (2, 0.5), (2.0, 3), (S(2), S(3)), (S(0), S(-1)), (1 + 2j, 3 - 1j), (1j, 2.0), (2.0, 1j))
    every("aten::neg prim::abs", (3,), (-3.5,), (3 + 4j,), (S(-2),), (-2**63,))
    every("aten::__and__ aten::__or__ aten::__xor__", (6, 3), (-1, 4), (True, False), (True, True))
    every("aten::__lshift__ aten::__rshift__", (-8, 1), (1, 65), (8, 64), (1, -1), (8, -1))
    every("aten::eq aten::ne", (1, 1), (1.0, 1), (2, 2.5), (nan, nan), ("a", "a"), (True, False), (1j, 1j), (2.0, 2 + 0j),
          (torch.device("cpu"), torch.device("cuda:0")), (S(1), S(1.0)))
    every("aten::lt aten::le aten::gt aten::ge", (1, 2), (2.0, 2.0), (1, 2.5), (2.5, 1), (nan, 1.0), ("a", "b"), ("aé", "az"), (S(1), S(1.5)))
    every("aten::__is__ aten::__isnot__", (None, None), (1, None), (1, 1), (2.0, 2.5))
    every("aten::__not__", (True,))
    every("aten::gcd", (0, 0), (-12, 18))
    every("aten::factorial", (-1,), (5,), (25,))
    every("aten::__range_length", (0, 10, 3), (10, 0, -3), (0, 10, 0), (0, 10, -1), (0, 0, 1))
    every("aten::__derive_index", (2, 5, 3))
    every("aten::__round_to_zero_floordiv", (-7, 2))
    every("prim::min prim::max", (1, 2.5), (2.5, 1), (nan, 1.0), (1.0, nan), (3, 2), (S(1), S(2.5)), ([1.0, nan, 2.0],), ([nan, 2.0],), ([3, 1, 2],),
          ([True, False],), ([],), ([1, 2], [1, 3]), ([1, 2, 0], [1, 2]), ([1.0], [1.0]))


def functions():
    for name in "exp log log10 sqrt sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh".split():
        every("aten::" + name, (1,), (0.3,), (-2.0,), (S(0.5),), (1 + 2j,))
    for name in "expm1 log1p erf erfc gamma lgamma fabs degrees radians".split():
        every("aten::" + name, (1,), (0.3,), (-2.5,), (S(0.5),))
    every("aten::angle", (-1,), (1.0,), (1j,), (S(-1.0),), (nan,))
    every("aten::floor aten::ceil", (2,), (2.7,), (-2.7,), (S(2.5),), (nan,), (1e300,), (9.3e18,))
    every("aten::round", (3,), (2.5,), (-0.4,), (S(2.5),))
    every("aten::atan2 aten::copysign", (1, 2), (1.0, -0.0), (1, -2.5), (2.5, -1), )
    every("aten::log", (8, 2), (8.0, 2.0), (8, 2.0), (-1 + 0j, 2), (2j, 2.0), (S(8), S(2)), (0, 2))
    every("aten::polar", (1.0, 2.0), (1, 2), (S(1.0), S(2.0)))
    every("aten::isnan aten::isinf aten::isfinite", (nan,), (-inf,), (1.0,), (complex(1, nan),), (complex(inf, 1),))
    every("aten::frexp", (10.0,), (-0.0,), (inf,), (5e-324,))
    every("aten::modf", (-3.25,), (-inf,), (nan,))
    every("aten::ldexp", (1.5, 3))
    every("aten::sum", ([1, 2, 3],), ([True, True],), ([0.1, 0.2],), ([1j, 2j],), ([],))
    every("aten::any aten::all", ([0, 1],), ([0.0, 0.5],), ([False],), ([],))
    every("aten::any", (["", ""],), (["", "a"],))


def conversions():
    every("aten::Int", *((t,) for t in ["12", "-12", " 12", "12 ", "abc", "", "99999999999999999999", "1_0", "1.5", 2.9, -2.9, 1e30, nan, True, S(2.5)]))
    every("aten::Float", *((t,) for t in ["1e3", "1e3x", "abc", "", "inf", "-Infinity", "nan", " 1.5", "1.5 ", "0x1p3", "1e999", ".5", "1e", True, 3, S(2)]))
    every("aten::Bool", (0.0,), (nan,), (2,))
    every("aten::Complex", (1, 2.0), (True, 2), (2.5, False), (S(2),))
    every("aten::hash", ("abc",), ("abcdefgh",), ("",), (5,), (5.5,), (-0.0,), (True,), ([1],), (1j,), (None,))
    every("aten::device", *((t,) for t in ["cpu", "cuda:1", "bogus", "", "cuda:", "cuda:01", "cuda:a", "cuda:-1"]))
    every("prim::type prim::index", (torch.device("cuda:1"),), (torch.device("cpu"),))
    every("aten::promote_types aten::can_cast", (6, 4), (4, 6), (11, 0))
    every("aten::result_type", (S(1), S(2.0)), (S(1), S(2)))
    every("aten::_infer_size", ([2, 1], [3]), ([2, 4], [3]))
    every("aten::_size_if_not_equal", ([2], [3]), ([2], [2]))
    every("prim::rangelist", (3,), (0,), (-3,))


def lists():
    every("aten::__getitem__ aten::select", ([1, 2], 1), ([1, 2], -2), ([1], 3), ([1], -2))
    every("aten::_set_item", ([1, 2], -1, 9), ([1], 3, 5))
    every("aten::append", ([1], 2))
    every("aten::extend aten::add aten::add_", ([1], [2, 3]))
    every("aten::insert", *(([1, 2, 3], i, 9) for i in [0, 1, 5, -1, -5]))
    every("aten::pop", ([1, 2, 3], 0), ([1, 2, 3], -1), ([1], 3), ([], -1))
    every("aten::remove", ([1, 2, 1], 1), ([1, 2], 7), (["a"], "b"), ([True], True), ([2.5], 2.5), ([torch.tensor(1)], torch.tensor(1)))
    every("aten::Delete", ([1, 2, 3], -1), ([1], 5))
    every("aten::clear aten::reverse aten::copy aten::list aten::len", ([1, 2, 3],))
    every("aten::slice", *(([1, 2, 3, 4], *s) for s in [(3, 1, -1), (None, None, -2), (-3, 2**63 - 1, 1), (2, 0, -1), (100, -100, -1), (0, 2, 0), (1, None, 2)]))
    every("aten::mul", ([1, 2], 2), (2, [1, 2]), ([1, 2], -2), ([1], 0))
    every("aten::mul_", ([1, 2], 2))
    every("aten::eq aten::ne", ([1, 2], [1, 2]), ([nan], [nan]), (["a"], ["b"]), ([True], [True]), ([1], [1, 2]),
          ([torch.tensor(1)], [torch.tensor(1.0)]), ([torch.tensor([1, 2])], [torch.tensor([1, 2])]), ([torch.zeros(0)], [torch.zeros(0)]))
    every("aten::index aten::count", ([1, 2, 1], 1), ([1.0, nan], nan), (["a"], "b"), ([torch.tensor(1), torch.tensor(2)], torch.tensor(2)))
    every("aten::__contains__", ([1, 2], 2), ([1.0, nan], nan), (["a"], "a"))
    every("aten::sorted", ([2.0, nan, 1.0, 3.0],), (["b", "é", "a"],), ([True, False],), ([(2, "a"), (1, "b"), (1, "a")],), ([torch.tensor(2), torch.tensor(1)],),
          ([torch.tensor([2, 1]), torch.tensor([1, 3])],), ([[2], [1]],), ([1j, 2j],))
    for reverse in (True, False):
        every("aten::sort", ([2.0, nan, 1.0, 3.0, -0.0, 0.0], reverse), ([3, 1, 2], reverse), (["b", "a"], reverse), ([(1, "b"), (1, "a"), (0, "z")], reverse),
              ([(i * 7) % 23 for i in range(23)], reverse))


def dicts():
    d = {"b": 1, "a": 2, "c": 3}
    every("aten::__getitem__ aten::pop aten::Delete aten::get aten::__contains__", (d, "a"), (d, "z"), ({1: 1}, 2), ({1.5: 1}, 1.5), ({True: 1}, False), ({1j: 1}, 2j))
    every("aten::get aten::pop aten::setdefault", (d, "a", 7), (d, "z", 7))
    every("aten::_set_item", (d, "a", 9), (d, "z", 9), ({0.0: 1}, -0.0, 5))
    every("aten::popitem aten::items aten::keys aten::values aten::clear aten::copy aten::dict aten::len", (d,))
    record("aten::popitem", Any({}, "Dict(str, int)"))
    every("aten::update", (d, {"z": 4, "a": 3}))
    every("aten::dict", ([("a", 1), ("b", 5), ("a", 2)],))


def strings():
    for name, rows in {
        "upper": [("aéß",)], "lower": [("ABÉ",)], "title": [("hello world it's 3x",)], "capitalize": [("hELLO wORLD",), ("",)], "swapcase": [("aBc1",)],
        "isupper": [("AB1",), ("1",), ("Ab",)], "islower": [("ab1",), ("",)], "isalpha": [("",), ("ab",), ("é",)], "isdigit": [("",), ("12",), ("1a",)],
        "isdecimal": [("12",)], "isnumeric": [("12",)], "isalnum": [("a1",), ("a_",)], "isspace": [(" \t\n\v\f\r",), ("",)],
        "isidentifier": [("a1_",), ("1a",), ("ab",), ("",)], "isprintable": [("a b~",), ("a\nb",), ("",), ("\x7f",)],
        "istitle": [("Hello World",), ("Hello world",), ("",), ("A1b",), ("A1B",), ("1",)],
        "split": [("a,b,,c", ",", -1), ("a,b,,c", ",", 1), ("a,b", ",", 0), ("", ",", -1), ("abc", "", -1)],
        "rsplit": [("a b  c", " ", -1), ("a,b,,c", ",", 1), ("a,b,,c", ",", 2), ("", ",", -1), ("a,b", ",", 0), ("aaa", "aa", -1)],
        "splitlines": [("a\nb\r\nc\rd\n", False), ("a\nb\r\n", True), ("", False), ("\n\n", False)],
        "join": [(", ", ["a", "b"]), (", ", ["a"])],
        "strip": [("  ab \n", " \n\t\f\v"), ("xxabxx", "x"), ("xxx", "x"), ("abc", "")], "lstrip": [("xxabxx", "x")], "rstrip": [("xxabxx", "x")],
        "startswith": [("abc", "b", 1, -1), ("abc", "", 0, -1), ("abc", "", 5, -1), ("abc", "c", -1, -1), ("abc", "abc", 0, 2), ("abc", "c", 2, 1)],
        "endswith": [("abc", "bc", 0, -1), ("abc", "b", 0, 2), ("abc", "b", 0, -2), ("abc", "abcd", 0, -1), ("abc", "", 0, -1)],
        "find": [("abcabc", "c", 0, -1), ("abcabc", "c", 3, -1), ("abcabc", "c", 0, 2), ("abcabc", "x", 0, -1), ("abcabc", "", 0, -1), ("abcabc", "c", -2, -1), ("abcabc", "c", 10, -1)],
        "rfind": [("abcabc", "c", 0, -1), ("abcabc", "c", 0, 5), ("abcabc", "a", 4, -1), ("abcabc", "", 0, -1), ("abcabc", "bc", -5, -1)],
        "index": [("abcabc", "c", 0, -1), ("abcabc", "x", 0, -1)], "rindex": [("abcabc", "c", 0, -1), ("abcabc", "x", 0, -1)],
        "count": [("aaaa", "aa", 0, -1), ("abab", "b", 0, 3), ("abab", "b", 2, -1), ("abab", "b", -2, -1), ("abab", "b", 10, -1)],
        "replace": [("aaaa", "a", "b", -1), ("aaaa", "a", "b", 2), ("aaaa", "aa", "b", -1), ("aaaa", "a", "b", 0), ("abc", "", "-", 2), ("aa", "a", "aa", -1)],
        "center": [("ab", 7, "*"), ("abc", 6, "*"), ("ab", 1, "*"), ("ab", 7, "**")], "ljust": [("ab", 5, "*"), ("ab", 5, "")], "rjust": [("ab", 5, "*")],
        "zfill": [("-5", 4), ("", 2), ("5", -1)], "expandtabs": [("a\tb\tcc\td", 8), ("a\tb", 0), ("ab\n\tc", 4), ("abcdefgh\tc", 4), ("a\tb", -1)],
        "partition": [("a,b,c", ","), ("abc", ","), ("abc", "")], "rpartition": [("a,b,c", ","), ("abc", ","), ("abc", "")],
        "add": [("a", "b")], "len": [("aé日",)], "__getitem__": [("abc", -1), ("abc", 3), ("abc", -4)],
        "slice": [("abcdef", 1, 5, 2), ("abcdef", -3, None, 1), ("abcdef", None, None, -1), ("abcdef", 5, 1, 1), ("abc", 0, 3, 0)],
        "list": [("abc",)], "ord": [("a",), ("é",), ("",)], "chr": [(97,), (65536,), (-1,), (2000000,)],
        "hex": [(255,), (-255,)], "oct": [(8,), (-8,)], "bin": [(5,), (-5,), (0,)],
    }.items():
        every("aten::" + name, *rows)
    for s in ["a b  c", " a  b ", "", "a\tb\nc"]:
        record("aten::split", s, None, -1)
    record("aten::split", " a  b c", None, 1)


def shown():
    values = [1, 1.0, -0.0, -2.5, 1e10, 9.2e18, -2.0**63, 2.0**63, 1e20, 0.1, 1e-7, 123456789.123, 1 / 3, 5e-324, nan, inf, -inf, True, None, "a'b", 1 + 2j, 1.5 - 2j,
              [1, 2], [1.5], ["a", "b"], [], (1,), (1, 2.5, "x", None), {"a": 1.5}, {1: [True]}, torch.device("cuda:1"), torch.arange(3), [torch.tensor(3)]]
    every("aten::str", *((v,) for v in values))
    every("aten::format", ("a {} b {}", 1, 2.5), ("{} {}", 1), ("{}", 1, 2), ("{:.2f}", 1.0), ("{0} {1}", 1, 2), ("{{}}", 1), ("abc", 1), ("{}{}", (1, "a"), torch.zeros(2, 2)))
    every("aten::percentFormat", ("%d %s", (1, "a")), ("%d", 1.5), ("%d", 1e20), ("%f", 1.5), ("%f", 2), ("%F", 12345.678), ("%f", 1e20), ("%f", nan), ("%E", inf),
          ("%e", 12345.678), ("%E", 3), ("%g", 1.0), ("%.2f", 1.5), ("%5d", 3), ("%c", "a"), ("%c", 97), ("%c", "ab"), ("%c", 1.5), ("%x", 255), ("%%", ()), ("%d%%", (1,)),
          ("%", ()), ("%s", [1, 2]), ("%s", torch.arange(2)), ("%d", "a"), ("%f", None), ("%d %d", 1), ("%s", (1, 2)), ("%s %s", (1.0, [1.5])), ("%r", "a"), ("é%sé", "é"))


def tensors():
    """Tensors as text: every branch of the choice of a number format."""
    f = torch.float32
    rows = [torch.tensor(3), torch.tensor(2.5), torch.tensor(True), torch.zeros(0), torch.zeros(2, 0), torch.zeros(2, 0, 3), torch.tensor([1.5, 2.25]),
            torch.tensor([1e10, 1.0]), torch.tensor([123456.5, 1.0]), torch.tensor([123456.5, 99999.25]), torch.tensor([1e-5, 2e-5]), torch.tensor([1e-3, 1e3 + 0.5]),
            torch.tensor([0.5, 0.25]), torch.tensor([nan, 1.0, inf]), torch.tensor([nan, -inf]), torch.tensor([nan, 1.5, -inf]), torch.tensor([1e200, 1.5e-200], dtype=torch.float64),
            torch.tensor([-5, 300]), torch.tensor([2**40, 1]), torch.tensor([True, False]), torch.tensor([1.5, -2.5], dtype=torch.float16), torch.tensor([1.5, 1e30], dtype=torch.bfloat16),
            torch.tensor([200, 3], dtype=torch.uint8), torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3) * 12345.678, torch.arange(40).reshape(2, 20) * 1000,
            torch.arange(60.0).reshape(2, 30) * 111111.5, torch.arange(8).reshape(2, 2, 2), torch.arange(12.0).reshape(2, 3, 1, 2) / 8,
            torch.cat([torch.full((1, 1, 2), 1e7 + 0.5), torch.ones(1, 1, 2), torch.full((1, 1, 2), 1234567.0)]), torch.tensor([[1e-4, 1.5]]), torch.tensor([[123456.5]]),
            torch.tensor([[0.0, -0.0]]), torch.tensor([99999.5, 0.5]), torch.zeros(1, 1, 1), torch.arange(64.0, dtype=f).reshape(2, 1, 32) * 4321.5]
    every("aten::str", *((t,) for t in rows))



if __name__ == "__main__":
    main()
