"""Makes the networks whose operators decide what we must run, and holds `forkcheck run` to PyTorch's results.

    python whole_networks.py FOLDER [--more] [FORKCHECK]

Needs torch, torchvision and torchaudio, and nothing of it is kept here: the networks are hundreds of megabytes. Each gets a
folder with `model.pt`, `inputs.pt` and `expected.pt`, as the samples have them; with a FORKCHECK command each is run and
compared (1e-4 relative, 3e-5 absolute), and timed beside PyTorch on one thread. `--more` takes the networks of `more_networks.py`,
which nothing was fitted to.
"""

import subprocess
import sys
import time
from pathlib import Path

import torch
import torchaudio
import torchvision

from more_networks import MORE

# What the default generator of a program is seeded with here.
SEED = 0


def image(side=64):
    return torch.randn(1, 3, side, side)


class Recurrent(torch.nn.Module):
    """A recurrent layer alone has a `forward` for each kind of input, and none of that name once it is scripted."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


def lstm():
    return Recurrent(torch.nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True, dropout=0.1))


def gru():
    return Recurrent(torch.nn.GRU(4, 6, 2))


def transformer_layer():
    return torch.nn.TransformerEncoderLayer(8, 2, 16)


def conformer():
    return torchaudio.models.Conformer(
        input_dim=8, num_heads=2, ffn_dim=16, num_layers=2, depthwise_conv_kernel_size=31
    )


def wavernn():
    return torchaudio.models.WaveRNN(
        upsample_scales=[5, 5, 8], n_classes=16, hop_length=200, n_rnn=16, n_fc=16, n_freq=8, n_hidden=8, n_output=8
    )


def wav2vec2():
    return torchaudio.models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(8, 10, 5), (8, 3, 2)],
        extractor_conv_bias=False,
        encoder_embed_dim=16,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=8,
        encoder_pos_conv_groups=2,
        encoder_num_layers=2,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=16,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )


def tacotron2_inputs():
    tokens, mel = torch.randint(0, 148, (1, 7)), torch.randn(1, 80, 9)
    return tokens, torch.tensor([7]), mel, torch.tensor([9])


vision = torchvision.models
NETWORKS = {
    "resnet18": (vision.resnet18, lambda: (image(),)),
    "mobilenet_v3_small": (vision.mobilenet_v3_small, lambda: (image(),)),
    "squeezenet1_1": (vision.squeezenet1_1, lambda: (image(),)),
    "lstm": (lstm, lambda: (torch.randn(3, 5, 4),)),
    "gru": (gru, lambda: (torch.randn(5, 3, 4),)),
    "transformer_encoder_layer": (transformer_layer, lambda: (torch.randn(5, 3, 8),)),
    "multihead_attention": (lambda: torch.nn.MultiheadAttention(8, 2), lambda: (torch.randn(5, 3, 8),) * 3),
    "conformer": (conformer, lambda: (torch.randn(2, 40, 8), torch.tensor([40, 33]))),
    # 5 frames of 200 samples, and the two on each side that the upsampling takes.
    "wavernn": (wavernn, lambda: (torch.randn(1, 1, 1000), torch.randn(1, 1, 8, 9))),
    # Its prenet drops in eval mode, too: equal where PyTorch draws without a vendor's generator, as on AMD.
    "tacotron2": (torchaudio.models.Tacotron2, tacotron2_inputs),
    "wav2vec2_small": (wav2vec2, lambda: (torch.randn(2, 400), torch.tensor([400, 310]))),
    "googlenet": (lambda: vision.googlenet(init_weights=False, aux_logits=False), lambda: (image(),)),
    "fasterrcnn_mbv3": (
        lambda: vision.detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None),
        lambda: ([torch.rand(3, 80, 96)],),
    ),
    "vit_tiny": (lambda: vision.VisionTransformer(32, 8, 2, 2, 16, 32), lambda: (image(32),)),
}


def make(folder, build, inputs):
    """Saves a network, its inputs and its result; gives the time of a call, in seconds."""
    torch.manual_seed(3)
    module, arguments = torch.jit.script(build().eval()), inputs()
    folder.mkdir(parents=True, exist_ok=True)
    torch.jit.save(module, folder / "model.pt")
    torch.save(arguments, folder / "inputs.pt")
    with torch.no_grad():
        torch.manual_seed(SEED)
        result = module(*arguments)
        # The classes of named tuples are made by the compiler, and cannot be saved.
        torch.save(tuple(result) if isinstance(result, tuple) else result, folder / "expected.pt")
        times = []
        for _ in range(10):
            start = time.perf_counter()
            module(*arguments)
            times.append(time.perf_counter() - start)
    return min(times)


def main():
    folder, *command = sys.argv[1:]
    folder, networks = Path(folder), NETWORKS
    if command[:1] == ["--more"]:
        command, networks = command[1:], MORE
    torch.set_num_threads(1)
    wrong = 0
    for name, (build, inputs) in networks.items():
        here = folder / name
        theirs = make(here, build, inputs)
        if not command:
            print(f"{name}: made, {theirs * 1e3:.2f} ms")
            continue
        arguments = [here / "model.pt", "--inputs", here / "inputs.pt", "--expect", here / "expected.pt"]
        start = time.perf_counter()
        run = subprocess.run(
            [*command, "run", *arguments, "--rtol", "1e-4", "--atol", "3e-5"], capture_output=True, text=True
        )
        whole = time.perf_counter() - start
        wrong += run.returncode != 0
        said = "equal" if run.returncode == 0 else f"exit {run.returncode}: {(run.stderr or run.stdout).strip()}"
        print(f"{name}: {said}; PyTorch {theirs * 1e3:.2f} ms a call, ours {whole * 1e3:.2f} ms with loading")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
