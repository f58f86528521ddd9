class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  def forward(self: __torch__.a13_raise.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.a13_raise.checked(x, )
    f = fork(__forked_function)
    y = torch.add(x, 1)
    return torch.add(torch.wait(f), y)
def checked(x: Tensor) -> Tensor:
  if bool(torch.lt(torch.min(x), 0)):
    ops.prim.RaiseException("negative value in x", "builtins.ValueError")
  else:
    pass
  return torch.sqrt(x)
