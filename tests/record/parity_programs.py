"""The programs of parity.py: what PyTorch's own tests say about forks and awaitables, and what else people write with them."""

from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._awaits import _Await as Await
from torch.jit import Future, fork, wait

PROGRAMS = {}


def program(*inputs, **told):
    """A module that is recorded: its inputs, and what is told of it (see parity.py)."""

    def add(made):
        PROGRAMS[made.__name__] = dict(make=made, inputs=inputs, **told)
        return made

    return add


def x(*sizes):
    """1, 2, 3, ... and each third number negative, so that signs matter."""
    count = torch.arange(1.0, 1.0 + torch.Size(sizes).numel())
    return torch.where(count % 3 == 0, -count, count).reshape(sizes)


# What test/jit/test_async.py is about.


def negated_and_transposed(x: Tensor) -> List[Tensor]:
    return [torch.neg(x), x.t()]


@program(x(3, 3), of="test_async_parsing")
class Parsing(nn.Module):
    def forward(self, x: Tensor) -> List[List[Tensor]]:
        futures = torch.jit.annotate(List[Future[List[Tensor]]], [])
        for _ in range(3):
            futures.append(torch.jit.annotate(Future[List[Tensor]], fork(negated_and_transposed, x)))
        output = torch.jit.annotate(List[List[Tensor]], [])
        for i in range(3):
            output.append(wait(futures[i]))
        return output


def negated_and_itself(x: Tensor) -> Tuple[Tensor, Tensor]:
    return torch.neg(x), x


@program(x(3, 4), of="test_async_script")
def of_a_function(x: Tensor):
    future = fork(negated_and_itself, x)
    direct = negated_and_itself(x)
    return wait(future), direct


@program(x(2, 3), x(3, 2), of="test_async_script_capture")
class Capture(nn.Module):
    __constants__ = ["const"]

    def __init__(self):
        super().__init__()
        self.const = 42
        self.param = nn.Parameter(x(2, 2))

    def all_of(self, a: Tensor, b: Tensor):
        return torch.neg(a), self.param, self.const, torch.neg(b), self.param

    def forward(self, a: Tensor, b: Tensor):
        future = fork(self.all_of, a, b)
        direct = self.all_of(a, b)
        return wait(future), direct


def waiting(x: Tensor):
    future = fork(negated_and_itself, x)
    direct = negated_and_itself(x)
    return wait(future), direct


@program(x(3, 4), of="test_async_script_nested")
def of_a_function_that_forks(x: Tensor):
    return wait(fork(waiting, x))


def with_transposed(x: Tensor) -> Tensor:
    return torch.neg(x).t() + x


@program(x(2, 2), of="test_async_script_multi_waits")
def waited_twice(x: Tensor):
    future = fork(with_transposed, x)
    first = wait(future)
    second = wait(future)
    return first, second


def of_two(x: Tensor, y: Tensor) -> Tensor:
    return torch.neg(x).t() + x + torch.neg(y).t()


def of_three(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return torch.neg(z).t() + y.t() + x


# The two forks that nobody waits for are not in the archive.
@program(x(3, 3), x(3, 3) * 2, x(3, 3) - 4, tasks=4, of="test_async_script_multi_forks")
def some_waited(x: Tensor, y: Tensor, z: Tensor):
    f = fork(with_transposed, x)
    g = fork(of_two, x, y)
    h = fork(of_three, x, y, z)
    unused = fork(with_transposed, y)
    ignored = fork(of_two, y, z)
    return wait(f), wait(g), wait(h)


def weighted(a: Tensor, b: Tensor, scale: float = 2.0, times: int = 1) -> Tensor:
    return (scale * a + b) * times


@program(x(3), x(3) + 5, of="test_async_kwargs")
def keywords(a: Tensor, b: Tensor):
    return [
        wait(fork(weighted, a, b)),
        wait(fork(weighted, a, b=b)),
        wait(fork(weighted, a=a, b=b)),
        wait(fork(weighted, b=b, a=a)),
        wait(fork(weighted, a, b, times=3)),
        wait(fork(weighted, times=2, b=b, scale=0.5, a=a)),
        wait(fork(weighted, b, a, 3.0, 4)),
    ]


def twice_and(a, b):
    return 2 * a + b


@program(x(3), x(3) + 5, trace=True, of="test_async_kwargs")
def traced_keywords(a, b):
    return (
        wait(fork(twice_and, a, b)),
        wait(fork(twice_and, a, b=b)),
        wait(fork(twice_and, a=a, b=b)),
        wait(fork(twice_and, b=b, a=a)),
    )


class NegatedAndItself(nn.Module):
    def forward(self, x):
        return torch.neg(x), x


class ForksATrace(nn.Module):
    def __init__(self):
        super().__init__()
        self.traced = torch.jit.trace(NegatedAndItself(), x(3, 3))

    def forward(self, x: Tensor) -> Tuple[List[Tensor], Tuple[Tensor, Tensor], Tensor]:
        pair = fork(self.traced, x)
        single = fork(torch.neg, x)
        both = wait(pair)
        return ([both[0], wait(single)], both, both[1])


@program(x(3, 3), trace=True, tasks=3, of="test_async_script_trace")
class TraceOfAScript(nn.Module):
    def __init__(self):
        super().__init__()
        self.module = torch.jit.script(ForksATrace())

    def forward(self, x):
        y = self.module(x)
        return torch.neg(x), y[0][0], y[0][1], y[1][0], y[1][1], y[2]


@program(x(3, 3), of="test_async_script_trace")
class ScriptOfATrace(ForksATrace):
    pass


def of_another_shape(x: Tensor) -> Tensor:
    return x.t() + x


def waits_for_another_shape(x: Tensor) -> Tensor:
    return wait(fork(of_another_shape, x))


@program(x(3, 4), raises=True, of="test_async_script_error")
def fails_in_a_fork(x: Tensor):
    return wait(fork(of_another_shape, x))


@program(x(3, 4, 5), raises=True, of="test_async_script_error")
def fails_two_forks_down(x: Tensor):
    return wait(fork(waits_for_another_shape, x))


@program(x(3, 4), raises=True, tasks=4, of="test_async_script_error")
def fails_in_the_second_of_two_forks(x: Tensor):
    f = fork(waits_for_another_shape, x)
    return wait(fork(with_transposed, x[:3, :3])) + wait(f)


def is_on(x: Tensor) -> bool:
    return torch.is_grad_enabled()


@program(x(3), of="test_async_grad_guard_with_grad")
def grad_mode_is_inherited(x: Tensor):
    before = torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    f = fork(is_on, x)
    on = wait(f), torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    g = fork(is_on, x)
    off = wait(g), torch.is_grad_enabled()
    torch.set_grad_enabled(before)
    return on, off


@program(x(3), of="test_async_grad_guard_no_grad")
def grad_mode_of_the_fork(x: Tensor):
    torch.set_grad_enabled(True)
    with torch.no_grad():
        f = fork(is_on, x)
        inside = torch.is_grad_enabled()
    after = torch.is_grad_enabled()
    waited = wait(f)
    torch.set_grad_enabled(False)
    return inside, after, waited


def both_negated(x):
    return x.neg(), x.neg() + 1


@program(x(3, 4), trace=True, of="test_trace_fork_wait")
def traced_fork(x):
    both = wait(fork(both_negated, x))
    return both[0], both[1], x - 1


def one_more(x):
    return x + torch.ones(x.size())


class ListOfFutures(nn.Module):
    def forward(self, x):
        return [fork(one_more, each) for each in [x, x, x]]


@program(x(2, 2), trace=True, of="test_trace_fork_wait_list_modulecalls")
class TracedListOfFutures(nn.Module):
    def __init__(self):
        super().__init__()
        self.futures = ListOfFutures()

    def forward(self, x):
        first, second, third = [future.wait() for future in self.futures(x)]
        return x + first + second + third


class ItselfAndAFuture(nn.Module):
    def forward(self, x):
        return x, fork(one_more, x)


@program(x(2, 2), trace=True, of="test_trace_modulecalls_with_different_output_types")
class TracedTensorAndFuture(nn.Module):
    def __init__(self):
        super().__init__()
        self.both = ItselfAndAFuture()

    def forward(self, x):
        y, future = self.both(x)
        return y + wait(future)


def next_int(x: int) -> int:
    return x + 1


def any_of(future: Future[Any]) -> Any:
    return wait(future)


@program(5, of="test_future_subtyping")
def future_of_anything(x: int) -> Any:
    return any_of(fork(next_int, x))


class ReluAndNegated(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x), torch.neg(x)


@program(x(3, 4), trace=True, of="test_trace_fork_join_and_module")
class TracedMembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([ReluAndNegated() for _ in range(2)])

    def forward(self, x):
        futures = [fork(layer, x) for layer in self.layers]
        return torch.stack([wait(future)[0] for future in futures])


def doubled_negative(x):
    return x.neg() * 2


TRACED_DOUBLED = torch.jit.trace(doubled_negative, x(3))


@program(x(3), trace=True, of="TestJit.test_profiler")
def trace_of_traces(x):
    future = fork(TRACED_DOUBLED, x)
    return TRACED_DOUBLED(x) * (x + 4) + wait(future)


def adds_into_second(x: Tensor, y: Tensor) -> Tensor:
    y.add_(1)
    return x + y


def hands_on(x: Tensor, y: Tensor) -> Tensor:
    return adds_into_second(x, y)


@program(x(2), x(2), findings=["input-mutation input y"], of="test_recursive_calls")
def only_what_the_callee_writes(x: Tensor, y: Tensor):
    a = x + 1
    return wait(fork(hands_on, a, y))


@program(of="InterpreterTest.runAsyncBasicTest")
def without_arguments():
    a = torch.full([20, 20], 0.5)
    b = torch.ones([20, 20])
    f = fork(torch.mm, a, a)
    g = fork(torch.mm, b, b)
    return wait(f) + wait(g)


# What test/jit/test_await.py is about.


class Pair:
    def __init__(self, a: Tensor, b: Tensor):
        self.a = a
        self.b = b

    def sum(self) -> Tensor:
        return self.a + self.b


def three_more(z: int) -> int:
    return z + 3


@program(x(2), of="test_script")
def awaited_int(x: Tensor):
    later: Await[int] = torch.jit._awaitable(three_more, 99)
    a = torch.eye(2)
    return a + torch.jit._awaitable_wait(later) + x


@program(x(2), of="test_nowait")
def awaited_at_once(x: Tensor):
    later = torch.jit._awaitable_nowait(13)
    return torch.eye(2) + torch.jit._awaitable_wait(later) + x


@program(x(2), of="test_nowait_class")
def awaited_object(x: Tensor):
    later = torch.jit._awaitable_nowait(Pair(x, x * 2))
    return torch.jit._awaitable_wait(later).sum() + x


def first_of(pair: Pair) -> Tensor:
    return pair.a


def scaled(pair: Pair) -> Pair:
    return Pair(pair.a * 2, pair.b * 3)


@program(x(2), of="test_await_class_arg")
def awaitable_of_an_object(x: Tensor):
    later = torch.jit._awaitable(first_of, Pair(x, x))
    return torch.eye(2) + torch.jit._awaitable_wait(later) + x


@program(x(2), of="test_await_class_return")
def awaitable_that_gives_an_object(x: Tensor):
    later: Await[Pair] = torch.jit._awaitable(scaled, Pair(x, x))
    return torch.jit._awaitable_wait(later).sum() + x


@program(x(2), eager=False, of="test_await_getattr_implicit_convertion")
def attributes_of_an_awaitable(x: Tensor):
    later: Await[Pair] = torch.jit._awaitable(scaled, Pair(x, x))
    a = later.a
    s = later.sum()
    return a + s + x


def an_awaitable_already(pair: Pair) -> Await[Tensor]:
    return torch.jit._awaitable_nowait(3 * pair.a)


def awaitable_of_an_awaitable(x: Tensor) -> Await[Await[Tensor]]:
    return torch.jit._awaitable(an_awaitable_already, Pair(2 * x, x))


@program(x(2), of="test_await_nested")
def awaited_twice(x: Tensor) -> Tensor:
    return torch.jit._awaitable_wait(torch.jit._awaitable_wait(awaitable_of_an_awaitable(x)))


def doubled_next(x: Tensor) -> Tensor:
    return 2 * (x + 1)


@program(x(2), of="test_await_isinstance")
def asked_whether_awaitable(x: Tensor) -> Tensor:
    later = torch.jit._awaitable(doubled_next, x)
    if torch.jit.is_scripting():
        assert isinstance(later, torch.jit._Await)
    return torch.jit._awaitable_wait(later)


def bent(x: Tensor) -> Tensor:
    return torch.relu(x) + torch.sin(x)


@program(x(2), x(2) * 2, trace=True, of="test_jit_trace")
def traced_awaitable(x, y):
    later = torch.jit._awaitable(doubled_next, x)
    return bent(y) + torch.jit._awaitable_wait(later)


def hundredfold(x: Tensor) -> Tuple[Tensor, List[Tensor]]:
    return 100 * x, [x * i for i in range(5)]


@program(x(2), of="test_await_multiout_save")
def awaitable_of_a_tuple_with_a_list(x: Tensor) -> Tensor:
    later = torch.jit._awaitable(hundredfold, x)
    z = bent(x)
    (_, items) = torch.jit._awaitable_wait(later)
    return items[3] + z


def three_times(later: Await[Tensor]) -> Tensor:
    return 3 * torch.jit._awaitable_wait(later)


@program(x(2), of="test_await_func_arg")
def awaitable_as_an_argument(x: Tensor) -> Tensor:
    later = torch.jit._awaitable(doubled_next, x)
    return three_times(later) + x


# What awaits it is Python, and no part of the archive.
@program(x(2), eager=False, tasks=1, of="test_await_out_of_interpreter")
def awaitable_is_returned(x: Tensor) -> Await[Tensor]:
    return torch.jit._awaitable(doubled_next, x)


# What test/jit/test_freezing.py is about: each as it is, and frozen.


class ProductAndSum(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.full([2, 2], 2.0)
        self.b = torch.full([2, 2], 3.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.a * self.b + x


@program(x(2, 2), freeze=True, of="test_freeze_module_with_fork")
class ForkedAndCalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.sub = ProductAndSum()

    def forward(self, x: Tensor) -> Tensor:
        future = fork(self.sub.forward, x)
        return self.sub(x) + wait(future)


class ForkedAndCalledAndMore(ForkedAndCalled):
    def __init__(self):
        super().__init__()
        self.c = torch.ones(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        future = fork(self.sub.forward, x)
        return self.sub(x) + wait(future) + self.c


@program(x(2, 2), freeze=True, of="test_freeze_module_with_nested_fork")
class AssignedAfterTheWait(nn.Module):
    def __init__(self):
        super().__init__()
        self.sub = ForkedAndCalledAndMore()
        self.d = 1

    def forward(self, x: Tensor) -> Tensor:
        future = fork(self.sub.forward, x)
        y = self.sub(x)
        z = wait(future)
        self.d = 2
        return y * z + self.d


def doubled(x: Tensor) -> Tensor:
    return x * 2


@program(x(2), freeze=True, of="test_freeze_module_with_fork2")
class AttributesAreArguments(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = x(2, 2)
        self.b = x(2, 2) + 1

    def forward(self, x: Tensor) -> Tensor:
        future = fork(doubled, self.a)
        return doubled(self.b) + wait(future)


@program(x(2), freeze=True, of="test_freeze_module_with_fork_calling_module_method")
class AttributeOfOneTheArgumentOfTheOther(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = x(2, 2)
        self.b = x(2, 2) + 1

    @torch.jit.export
    def times_a(self, x: Tensor) -> Tensor:
        return x * self.a

    @torch.jit.export
    def times_b(self, x: Tensor) -> Tensor:
        return x * self.b

    def forward(self, x: Tensor) -> Tensor:
        future = fork(self.times_a, self.b)
        return self.times_b(self.a) + wait(future)


@torch.jit.interface
class OneTensor(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Grows(nn.Module):
    def __init__(self):
        super().__init__()
        self.b = torch.tensor([1.5])

    def forward(self, x: Tensor) -> Tensor:
        self.b[0] += 3.2
        return self.b


class Stays(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.tensor([0.5])

    def forward(self, x: Tensor) -> Tensor:
        return self.a


class ThroughAnInterface(nn.Module):
    proxy: OneTensor

    def __init__(self):
        super().__init__()
        self.proxy = Stays()
        self.sub = Grows()

    def forward(self, x: Tensor) -> Tensor:
        y = self.proxy(x)
        z = self.sub(x)
        return y + z


GROWTH = ["attribute-mutation self.test.sub.b", "parent-mutation self.test.sub.b"]


@program(x(2), freeze=True, findings=GROWTH, of="test_freeze_module_with_interface_and_fork")
class ForkedThroughAnInterface(nn.Module):
    def __init__(self):
        super().__init__()
        self.test = ThroughAnInterface()

    def forward(self, x: Tensor) -> Tensor:
        future = fork(self.test.forward, x)
        y = self.test(x)
        return y + wait(future)


# What else people write: what is forked.


@program(x(3))
def of_builtins(x: Tensor):
    f = fork(torch.relu, x)
    g = fork(torch.add, x, 2)
    h = fork(torch.clamp, x, min=-1.0, max=2.0)
    k = fork(torch.sum, x, dim=[0], keepdim=True)
    return wait(f) + wait(g) + wait(h) + wait(k)


class Scaled(nn.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor, plus: float = 1.0) -> Tensor:
        return x * self.factor + plus


@program(x(3))
class MembersInALoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Scaled(1.0), Scaled(2.0), Scaled(3.0)])

    def forward(self, x: Tensor) -> Tensor:
        futures: List[Future[Tensor]] = []
        for i, layer in enumerate(self.layers):
            futures.append(fork(layer, x, plus=float(i)))
        results: List[Tensor] = []
        for future in futures:
            results.append(wait(future))
        return torch.stack(results)


@program(x(3))
class MembersOfADict(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({"a": Scaled(1.0), "b": Scaled(2.0)})

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        futures: Dict[str, Future[Tensor]] = {}
        for name, layer in self.layers.items():
            futures[name] = fork(layer, x)
        return {name: wait(future) for name, future in futures.items()}


@program(x(2, 3))
class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.net, x)
        g = fork(self.net.forward, x + 1)
        return wait(f) - wait(g)


@program(x(3))
class CalledThroughAnInterface(nn.Module):
    layer: OneTensor

    def __init__(self):
        super().__init__()
        self.layer = Stays()

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.layer.forward, x)
        return wait(f) + self.layer(x)


class Forks(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Scaled(2.0)

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.inner, x)
        return self.inner(x, 5.0) + wait(f)


@program(x(3), tasks=4)
class ForksThatFork(nn.Module):
    def __init__(self):
        super().__init__()
        self.script = torch.jit.script(Forks())

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.script, x)
        return self.script(x) * wait(f)


class Exported(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = x(3)

    @torch.jit.export
    def other(self, x: Tensor, times: int = 2) -> Tensor:
        f = fork(self.helper, x, times)
        return wait(f) + self.w

    def helper(self, x: Tensor, times: int) -> Tensor:
        return x * times

    @torch.jit.ignore
    def in_python(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.unused
    def never(self, x: Tensor) -> Tensor:
        return self.in_python(x)

    def forward(self, x: Tensor) -> Tensor:
        return x


@program(x(3), 3, method="other")
class AnExportedMethod(Exported):
    pass


@program(x(3))
class CallsAnExportedMethod(Exported):
    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.other, x, times=5)
        return wait(f)


class Asserts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2, "two dimensions, not " + str(x.dim())
        return x.mm(x.t())


@program(x(3), raises=True)
class AssertionInAFork(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Asserts()

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.inner, x)
        y = x + 1
        return wait(f) + y


class Overflown(Exception):
    pass


def refuses(x: Tensor) -> Tensor:
    if bool(x.sum() > -100):
        raise Overflown("too much of it")
    return x


@program(x(3), raises=True)
def own_exception(x: Tensor):
    return wait(fork(refuses, x))


def past_the_end(items: List[Tensor], i: int) -> Tensor:
    return items[i]


@program(x(3), raises=True)
def index_error(x: Tensor):
    f = fork(past_the_end, [x, x], 2)
    return wait(f)


def of_key(items: Dict[str, Tensor], key: str) -> Tensor:
    return items[key]


@program(x(3), raises=True)
def key_error(x: Tensor):
    return wait(fork(of_key, {"a": x}, "b"))


def divided(a: int, b: int) -> int:
    return a // b


@program(7, 0, raises=True)
def division_by_zero(a: int, b: int):
    return wait(fork(divided, a, b))


# The second one that fails is the first to be waited for.
@program(x(3, 4), raises=True, tasks=3)
def the_first_that_is_waited_for(x: Tensor):
    f = fork(refuses, x)
    g = fork(of_another_shape, x)
    y = wait(g)
    return wait(f) + y


@program(x(3, 4), raises=True)
class FailsInALayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return wait(fork(self.layer, x))


# Where futures go.


class Futures(NamedTuple):
    first: Future[Tensor]
    count: int
    second: Future[Tensor]


@program(x(3))
def futures_in_a_named_tuple(x: Tensor):
    both = Futures(fork(doubled, x), 7, fork(bent, x))
    return wait(both.first) * both.count + wait(both.second)


@program(x(3), True)
def future_or_none(x: Tensor, begin: bool):
    future: Optional[Future[Tensor]] = None
    if begin:
        future = fork(doubled, x)
    y = x + 1
    if future is not None:
        y = y + wait(future)
    return y


@program(x(3), False)
def no_future_begun(x: Tensor, begin: bool):
    future: Optional[Future[Tensor]] = None
    if begin:
        future = fork(doubled, x)
    if future is None:
        return x
    else:
        return wait(future)


def waits_for(future: Future[Tensor], y: Tensor) -> Tensor:
    return wait(future) + y


@program(x(3))
def future_as_an_argument_of_a_fork(x: Tensor):
    f = fork(doubled, x)
    g = fork(waits_for, f, x)
    h = fork(waits_for, g, x)
    return wait(h) + wait(f)


@program(x(3))
def future_is_returned(x: Tensor) -> Future[Tensor]:
    return fork(doubled, x)


@program(x(3))
def futures_are_returned(x: Tensor):
    return [fork(doubled, x), fork(bent, x)], fork(next_int, 4)


def forks_and_returns(x: Tensor) -> Future[Tensor]:
    return fork(doubled, x)


@program(x(3), eager=False, tasks=3)
def future_of_a_future(x: Tensor):
    outer = fork(forks_and_returns, x)
    return wait(wait(outer))


@program(x(3))
def dict_of_futures(x: Tensor):
    futures: Dict[int, Future[Tensor]] = {}
    for i in range(3):
        futures[i] = fork(weighted, x, x, scale=float(i))
    total = torch.zeros(3)
    for i in [2, 0, 1]:
        total = total * 2 + wait(futures[i])
    return total


@program(x(3))
def methods_of_futures(x: Tensor):
    f = fork(doubled, x)
    return f.wait() + fork(bent, x).wait()


class HoldsAFuture:
    def __init__(self, future: Future[Tensor]):
        self.future = future

    def get(self) -> Tensor:
        return wait(self.future)


@program(x(3))
def future_in_an_object(x: Tensor):
    held = HoldsAFuture(fork(doubled, x))
    return held.get() + held.get()


# Where forks stand.


@program(x(3), 4)
def forks_in_a_while_loop(x: Tensor, count: int):
    futures: List[Future[Tensor]] = []
    while len(futures) < count:
        if len(futures) % 2 == 0:
            futures.append(fork(doubled, x))
        else:
            futures.append(fork(bent, x))
    total = x
    while len(futures) > 0:
        total = total + wait(futures.pop())
    return total


@program(x(3))
def forks_in_a_comprehension(x: Tensor):
    futures = [fork(weighted, x, x, times=i) for i in range(3)]
    return torch.stack([wait(future) for future in futures])


@program(x(3))
def pipeline(x: Tensor):
    f = fork(doubled, x)
    for i in range(3):
        f = fork(doubled, wait(f))
    return wait(f)


def fibonacci(n: int) -> int:
    a, b = 0, 1
    for i in range(n):
        a, b = b, a + b
    return a


@program(6)
def ints_and_continue(n: int):
    total = 0
    for i in range(n):
        if i == 2:
            continue
        if i == 5:
            break
        total += wait(fork(fibonacci, i))
    return total


def early(x: Tensor, n: int) -> Tensor:
    if n == 0:
        return x
    f = fork(doubled, x)
    if n == 1:
        return wait(f)
    return wait(f) + x


@program(x(3), tasks=6)
def early_returns(x: Tensor):
    return [wait(fork(early, x, i)) for i in range(3)]


@program(x(3))
def without_gradients(x: Tensor):
    with torch.no_grad():
        f = fork(is_on, x)
        g = fork(doubled, x)
        inside = wait(f)
    return inside, wait(g)


def records(x: Tensor) -> Tensor:
    with torch.autograd.profiler.record_function("inside"):
        return x * 3


@program(x(3))
def named_ranges(x: Tensor):
    with torch.autograd.profiler.record_function("outside"):
        f = fork(records, x)
    return wait(f)


# What forks get and give.


def many_types(
    a: int, b: float, c: bool, d: str, e: List[int], f: Dict[str, float], g: Tuple[int, str], h: Optional[int]
):
    return a + len(d), b * 2, not c, d + g[1], e + [a], f["k"], h is None


@program(3, 2.5, True, "word")
def values_of_many_types(a: int, b: float, c: bool, d: str):
    future = fork(many_types, a, b, c, d, [1, 2], {"k": 0.5}, (4, "end"), None)
    return wait(future)


def complex_square(z: complex) -> complex:
    return z * z


@program(1 + 2j)
def complex_numbers(z: complex):
    return wait(fork(complex_square, z))


def gives_nothing(x: Tensor) -> None:
    y = x + 1


@program(x(3))
def fork_of_nothing(x: Tensor):
    f = fork(gives_nothing, x)
    wait(f)
    return x


class Sizes(NamedTuple):
    rows: int
    columns: int = 3


def sizes_of(x: Tensor) -> Sizes:
    return Sizes(rows=x.size(0), columns=x.size(1))


@program(x(2, 3), eager=False)
def named_tuple_comes_back(x: Tensor):
    sizes = wait(fork(sizes_of, x))
    return torch.ones(sizes.columns, sizes.rows)


def sum_of(pair: Pair) -> Tensor:
    return pair.sum()


@program(x(3))
def object_goes_in_and_out(x: Tensor):
    pair = wait(fork(scaled, Pair(x, x + 1)))
    return wait(fork(sum_of, pair))


def sum_of_keyword(x: Tensor, *, scale: float, shift: Optional[Tensor]) -> Tensor:
    y = x * scale
    if shift is not None:
        y = y + shift
    return y


@program(x(3))
def keyword_only(x: Tensor):
    f = fork(sum_of_keyword, x, scale=2.0, shift=x)
    g = fork(sum_of_keyword, x, shift=None, scale=0.5)
    return wait(f) + wait(g)


def rebinds(x: Tensor) -> Tensor:
    for i in range(3):
        x = x * 2
    return x


@program(x(3))
def argument_is_rebound(x: Tensor):
    f = fork(rebinds, x)
    x = x + 1
    return wait(f) + x


@program(x(3, 4))
def views_go_in(x: Tensor):
    f = fork(doubled, x[0])
    g = fork(doubled, x[:, 1:3].t())
    h = fork(torch.sum, x.view(4, 3))
    return wait(f), wait(g), wait(h)


class Mode(Enum):
    ADD = 1
    MULTIPLY = 2


def in_mode(x: Tensor, mode: Mode) -> Tensor:
    if mode == Mode.ADD:
        return x + mode.value
    return x * mode.value


@program(x(3))
def enums(x: Tensor):
    return wait(fork(in_mode, x, Mode.ADD)) + wait(fork(in_mode, x, mode=Mode.MULTIPLY))


@program(x(3, 4))
def of_functional(x: Tensor):
    f = fork(F.softmax, x, dim=1)
    g = fork(F.elu, x)
    h = fork(F.pad, x, [1, 1], value=2.0)
    k = fork(F.layer_norm, x, [4])
    return wait(f), wait(g), wait(h), wait(k)


@program(x(3, 4))
def of_builtins_with_several_results(x: Tensor):
    f = fork(torch.max, x, dim=1)
    g = fork(torch.sort, x, dim=0, descending=True)
    h = fork(torch.split, x, 2, dim=1)
    return wait(f)[0], wait(g)[1], wait(h)[1]


@program(x(3), False)
def one_of_two_forks(x: Tensor, first: bool):
    if first:
        future = fork(doubled, x)
    else:
        future = fork(bent, x)
    return wait(future)


@program(x(3), True)
def conditional_fork(x: Tensor, first: bool):
    future = fork(doubled, x) if first else fork(bent, x)
    return wait(future)


@program(x(3), eager=False, tasks=2)
def method_of_an_object(x: Tensor):
    pair = Pair(x, x)
    return wait(fork(pair.sum))


@program(x(3, 3), unable=True)
class Autocast(nn.Module):
    def product(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return torch.mm(x, x)

    def forward(self, x: Tensor):
        return wait(fork(self.product, x)), torch.mm(x, x)


@program(x(3, 3), eager=False, tasks=2, unable=True)
class AutocastAround(nn.Module):
    def forward(self, x: Tensor):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            f = fork(torch.mm, x, x)
            y = wait(f)
        return y


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = Scaled(2.0)
        self.b = self.a
        self.w = nn.Parameter(x(3))
        self.v = self.w

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.a, x, 1.0)
        g = fork(self.b, x, 2.0)
        return wait(f) * self.w + wait(g) * self.v


@program(x(3), freeze=True)
class SharedMember(Layers):
    pass


# What is written.


class Counts(nn.Module):
    items: List[int]
    cache: Dict[str, int]

    def __init__(self):
        super().__init__()
        self.n = 0
        self.register_buffer("seen", torch.zeros(3))
        self.items = []
        self.cache = {}

    def counted(self, x: Tensor) -> Tensor:
        self.n += 1
        return x * 2

    def kept(self, x: Tensor) -> Tensor:
        self.seen.copy_(x)
        return x * 2

    def appended(self, x: Tensor, i: int) -> Tensor:
        self.items.append(i)
        return x * 2

    def cached(self, x: Tensor) -> Tensor:
        self.cache["n"] = x.size(0)
        return x * 2


@program(x(3), findings=["attribute-mutation self.n"])
class WritesAnInt(Counts):
    def forward(self, x: Tensor):
        f = fork(self.counted, x)
        return wait(f), self.n


@program(x(3), findings=["attribute-mutation self.seen"])
class WritesABuffer(Counts):
    def forward(self, x: Tensor):
        f = fork(self.kept, x)
        return wait(f), self.seen


@program(x(3), findings=["attribute-mutation self.items"])
class WritesAList(Counts):
    def forward(self, x: Tensor):
        f = fork(self.appended, x, 1)
        g = fork(self.appended, x, 2)
        return wait(f) + wait(g), self.items


@program(x(3), findings=["attribute-mutation self.cache"])
class WritesADict(Counts):
    def forward(self, x: Tensor):
        return wait(fork(self.cached, x)), self.cache["n"]


def in_place(x: Tensor) -> Tensor:
    return x.mul_(2)


@program(x(3), findings=["input-mutation local x"])
def writes_what_was_made_for_it(x: Tensor):
    f = fork(in_place, x + 1)
    y = wait(f)
    y += 1
    return y


@program(x(3), findings=["input-mutation input x"])
def writes_its_input(x: Tensor):
    return wait(fork(in_place, x))


@program(x(3, 4), findings=["input-mutation input x"])
def writes_rows_of_its_input(x: Tensor):
    f = fork(in_place, x[0])
    g = fork(in_place, x[1])
    return wait(f) + wait(g), x


def fills_an_element(x: Tensor, i: int) -> Tensor:
    x[i] = 7.0
    return x


@program(x(3), findings=["input-mutation input x"])
def caller_writes_meanwhile(x: Tensor):
    f = fork(fills_an_element, x, 0)
    x[1] = 5.0
    wait(f)
    return x


@program(x(3))
def caller_writes_before_and_after(x: Tensor):
    y = x.clone()
    y.add_(1)
    f = fork(doubled, y)
    z = wait(f)
    y.zero_()
    return y + z


def appends(items: List[int], i: int) -> int:
    items.append(i)
    return len(items)


@program(3, findings=["input-mutation local items"])
def list_as_an_argument(n: int):
    items = [n]
    f = fork(appends, items, 1)
    return wait(f), items


def prints(x: Tensor) -> Tensor:
    print("shape", x.size(0))
    return x


@program(x(3), findings=["output stdout"])
def prints_in_a_fork(x: Tensor):
    return wait(fork(prints, x))


# Random numbers, and layers that know of training.


def drawn(x: Tensor) -> Tensor:
    return x + torch.rand(3)


@program(x(3), findings=["global-state global RNG"])
def draws_in_a_fork(x: Tensor):
    y = wait(fork(drawn, x))
    return y, torch.rand(2)


def seeded(x: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    return x + torch.randn(3)


@program(x(3), findings=["global-state global RNG"])
def seeds_in_a_fork(x: Tensor):
    f = fork(seeded, x, 1)
    y = wait(f)
    g = fork(seeded, x, 1)
    return y - wait(g), y


STATISTICS = [
    "attribute-mutation self.norm.num_batches_tracked",
    "attribute-mutation self.norm.running_mean, self.norm.running_var",
]


@program(x(4, 3), train=True, findings=STATISTICS)
class NormInTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = wait(fork(self.norm, x))
        return y + self.norm.running_mean


@program(x(4, 3), freeze=True)
class NormInEvaluation(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.norm, x)
        g = fork(self.drop, x)
        return wait(f) + wait(g)


@program(x(4, 3), train=True, findings=["global-state global RNG"])
class DropoutInTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return wait(fork(self.drop, x))


@program(x(1, 1, 6, 6), freeze=True)
class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(1, 2, k, padding=k // 2) for k in (1, 3)])
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        futures = [fork(conv, x) for conv in self.convs]
        return self.norm(torch.cat([wait(future) for future in futures], 1))


@program(x(3, 2, 4), freeze=True)
class RecurrentDirections(nn.Module):
    def __init__(self):
        super().__init__()
        self.ahead = nn.LSTM(4, 3)
        self.back = nn.LSTM(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        f = fork(self.ahead, x)
        g = fork(self.back, x.flip(0))
        return torch.cat([wait(f)[0], wait(g)[0].flip(0)], 2)


# Traces.


class TracedLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])

    def forward(self, x):
        f = torch.jit.fork(self.layers[0], x)
        g = torch.jit.fork(self.layers[1], x)
        return wait(f) * wait(g)


@program(x(2, 3), trace=True)
class TracedLinear(TracedLayers):
    pass


@program(x(3), trace=True)
def traced_nested_forks(x):
    def inner(x):
        f = fork(lambda y: y * 3, x)
        return wait(f) + x

    f = fork(inner, x)
    g = fork(lambda y, z: y - z, x, x * 2)
    return wait(f) + wait(g)


@program(x(3), trace=True, findings=["input-mutation input x"])
def traced_write(x):
    f = fork(in_place, x)
    return wait(f) + x


@program(x(3), trace=True)
class TracedDict(nn.Module):
    def forward(self, x):
        futures = {"a": fork(doubled, x), "b": fork(bent, x)}
        return wait(futures["a"]) - wait(futures["b"])


@program(x(3, 5), trace=(x(3, 4),), raises=True)
class TracedFailure(nn.Module):
    def forward(self, x):
        f = fork(with_a_row, x)
        return wait(f)


def with_a_row(x):
    return x + torch.ones(4)
