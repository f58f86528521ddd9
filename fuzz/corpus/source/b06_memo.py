class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : NoneType
  memo : Optional[Tensor]
  def forward(self: __torch__.b06_memo.M,
    x: Tensor,
    y: Tensor) -> Tensor:
    def __forked_function():
      return (self).lookup(x, )
    f = fork(__forked_function)
    def __forked_function0():
      return (self).lookup(y, )
    g = fork(__forked_function0)
    _0 = torch.add(torch.wait(f), torch.wait(g))
    return _0
  def lookup(self: __torch__.b06_memo.M,
    x: Tensor) -> Tensor:
    memo = self.memo
    if torch.__is__(memo, None):
      m0 = torch.sum(x, [0])
      self.memo = m0
      m = m0
    else:
      m = unchecked_cast(Tensor, memo)
    return torch.sub(x, m)
