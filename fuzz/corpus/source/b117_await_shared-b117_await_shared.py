class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.b117_await_shared.M,
    x: Tensor) -> Tensor:
    y = torch.add(x, 0)
    def __awaitable_function():
      _0 = __torch__.b117_await_shared.lazy(y, )
      return _0
    a = awaitable(__awaitable_function)
    def __forked_function():
      _1 = __torch__.b117_await_shared.work(a, )
      return _1
    f = fork(__forked_function)
    z = torch.mul(y, 2)
    return torch.add(torch.wait(f), z)
def lazy(y: Tensor) -> Tensor:
  _2 = torch.add_(y, 1)
  return torch.mul(y, 10)
def work(a: Await[Tensor]) -> Tensor:
  return ops.prim.awaitable_wait(a)
