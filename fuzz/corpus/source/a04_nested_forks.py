class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.a04_nested_forks.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      _0 = __torch__.a04_nested_forks.node(x, )
      return _0
    a = fork(__forked_function)
    _1 = torch.mul(x, 2)
    def __forked_function0():
      _2 = __torch__.a04_nested_forks.node(_1, )
      return _2
    b = fork(__forked_function0)
    _3 = torch.add(torch.wait(a), torch.wait(b))
    return _3
def node(x: Tensor) -> Tensor:
  def __forked_function():
    _4 = __torch__.a04_nested_forks.leaf(x, 1, )
    return _4
  l = fork(__forked_function)
  _5 = torch.neg(x)
  def __forked_function1():
    _6 = __torch__.a04_nested_forks.leaf(_5, 2, )
    return _6
  r = fork(__forked_function1)
  _7 = torch.mul(torch.wait(l), torch.wait(r))
  return _7
def leaf(x: Tensor,
    k: int) -> Tensor:
  return torch.add(torch.sin(x), k)
