class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.b12_write_through_views.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      _0 = __torch__.b12_write_through_views.scribble
      return _0(x, )
    f = fork(__forked_function)
    y = torch.mul(x, 1)
    return torch.add(torch.wait(f), y)
def scribble(x: Tensor) -> Tensor:
  _1 = torch.fill_(torch.select(x, 0, 0), 1.5)
  _2 = torch.mul_(torch.select(torch.t(x), 0, 1), 3.)
  _3 = torch.select(torch.slice(x, 0, 1), 1, 2)
  _4 = torch.neg_(_3)
  _5 = torch.select(torch.view(x, [-1]), 0, 8)
  _6 = torch.zero_(_5)
  return torch.sum(x)
