"""More networks of torchvision and torchaudio, quantized ones and transforms among them: how each is built, and its inputs.

`whole_networks.py --more` makes and compares them. Of the detectors with random weights two differ for want of a difference:
`ssdlite320` gives all boxes one score, and of two boxes of `ssd300` that lie on one another either may be the better by a rounding.
"""

import torch
import torchaudio
import torchvision
from torch import nn

vision, audio, transforms = torchvision.models, torchaudio.models, torchaudio.transforms


def image(side=64):
    return lambda: (torch.randn(1, 3, side, side),)


def video(frames=4, side=64):
    return lambda: (torch.randn(1, 3, frames, side, side),)


def photo():
    return ([torch.rand(3, 80, 96)],)


def wave():
    return (torch.randn(1, 4000),)


def bare(module, name, **more):
    """A network with random weights."""
    return lambda: getattr(module, name)(weights=None, **more)


def dynamic(layer, dtype):
    """A recurrent layer and a linear one, whose activations are quantized as they come."""

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.last = layer(8, 8, 2), nn.Linear(8, 4)

        def forward(self, x):
            y, _ = self.layer(x)
            return self.last(y)

    return lambda: torch.ao.quantization.quantize_dynamic(Recurrent(), {layer, nn.Linear}, dtype=dtype)


def quantized_bags():
    config = {nn.EmbeddingBag: torch.ao.quantization.float_qparams_weight_only_qconfig}
    bags = nn.Sequential(nn.EmbeddingBag(20, 8, mode="sum"))
    return torch.ao.quantization.quantize_dynamic(bags, config, dtype=torch.quint8)


def transducer():
    return audio.emformer_rnnt_model(
        input_dim=8,
        encoding_dim=16,
        num_symbols=20,
        segment_length=4,
        right_context_length=1,
        time_reduction_input_dim=8,
        time_reduction_stride=1,
        transformer_num_heads=2,
        transformer_ffn_dim=16,
        transformer_num_layers=1,
        transformer_dropout=0.0,
        transformer_activation="gelu",
        transformer_left_context_length=2,
        transformer_max_memory_size=0,
        transformer_weight_init_scale_strategy="depthwise",
        transformer_tanh_on_mem=True,
        symbol_embedding_dim=8,
        num_lstm_layers=1,
        lstm_layer_norm=True,
        lstm_layer_norm_epsilon=1e-3,
        lstm_dropout=0.0,
    )


def transducer_inputs():
    numbers = lambda items: torch.tensor(items, dtype=torch.int32)
    return torch.randn(1, 9, 8), numbers([8]), torch.randint(0, 20, (1, 4), dtype=torch.int32), numbers([4])


CLASSIFIERS = (
    "alexnet vgg11 densenet121 efficientnet_b0 regnet_y_400mf shufflenet_v2_x0_5 mnasnet0_5 convnext_tiny swin_t swin_v2_t "
    "resnext50_32x4d mobilenet_v2 wide_resnet50_2 squeezenet1_0"
).split()
SEGMENTATION = "deeplabv3_mobilenet_v3_large fcn_resnet50 lraspp_mobilenet_v3_large".split()
DETECTORS = (
    "maskrcnn_resnet50_fpn keypointrcnn_resnet50_fpn retinanet_resnet50_fpn ssdlite320_mobilenet_v3_large fcos_resnet50_fpn "
    "ssd300_vgg16"
).split()
QUANTIZED = "resnet18 mobilenet_v2 mobilenet_v3_large shufflenet_v2_x0_5 resnext101_32x8d".split()
UNINITIALIZED = {"init_weights": False}
TRANSFORMS = {
    "Spectrogram": lambda: transforms.Spectrogram(64),
    "MelSpectrogram": lambda: transforms.MelSpectrogram(16000, n_fft=128, n_mels=20),
    "MFCC": lambda: transforms.MFCC(16000, n_mfcc=8, melkwargs={"n_fft": 128, "n_mels": 20}),
    "LFCC": lambda: transforms.LFCC(16000, n_lfcc=8, n_filter=20, speckwargs={"n_fft": 128}),
    "Resample": lambda: transforms.Resample(16000, 11025),
    "MuLawEncoding": transforms.MuLawEncoding,
    "AmplitudeToDB": transforms.AmplitudeToDB,
    "Vol": lambda: transforms.Vol(0.5),
    "Fade": lambda: transforms.Fade(10, 20),
    "SpectralCentroid": lambda: transforms.SpectralCentroid(16000, 128),
    "Vad": lambda: transforms.Vad(16000),
}

MORE = {
    **{name: (bare(vision, name), image()) for name in CLASSIFIERS},
    "inception_v3": (bare(vision, "inception_v3", **UNINITIALIZED), image(96)),
    "maxvit_t": (bare(vision, "maxvit_t"), image(224)),
    **{name: (bare(vision.segmentation, name, weights_backbone=None), image()) for name in SEGMENTATION},
    **{name: (bare(vision.detection, name, weights_backbone=None), photo) for name in DETECTORS},
    **{name: (bare(vision.video, name), video()) for name in ("r3d_18", "mc3_18", "r2plus1d_18", "swin3d_t")},
    **{name: (bare(vision.video, name), video(16, 224)) for name in ("s3d", "mvit_v1_b")},
    "raft_small": (
        bare(vision.optical_flow, "raft_small"),
        lambda: (torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128)),
    ),
    **{f"quantized {name}": (bare(vision.quantization, name, quantize=True), image()) for name in QUANTIZED},
    "quantized googlenet": (bare(vision.quantization, "googlenet", quantize=True, **UNINITIALIZED), image()),
    "quantized inception_v3": (bare(vision.quantization, "inception_v3", quantize=True, **UNINITIALIZED), image(96)),
    "dynamic LSTM": (dynamic(nn.LSTM, torch.qint8), lambda: (torch.randn(5, 2, 8),)),
    "dynamic GRU": (dynamic(nn.GRU, torch.qint8), lambda: (torch.randn(5, 2, 8),)),
    "float16 LSTM": (dynamic(nn.LSTM, torch.float16), lambda: (torch.randn(5, 2, 8),)),
    "quantized EmbeddingBag": (quantized_bags, lambda: (torch.randint(0, 20, (3, 4)),)),
    "ConvTasNet": (
        lambda: audio.ConvTasNet(2, 16, 32, 3, 16, 32, 2, 1),
        lambda: (torch.randn(2, 1, 400),),
    ),
    "Wav2Letter": (lambda: audio.Wav2Letter(10, "mfcc", 13), lambda: (torch.randn(1, 13, 200),)),
    "Emformer": (
        lambda: audio.Emformer(16, 2, 32, 2, 4, right_context_length=1),
        lambda: (torch.randn(2, 9, 16), torch.tensor([8, 6])),
    ),
    "RNNT": (transducer, transducer_inputs),
    **{name: (build, wave) for name, build in TRANSFORMS.items()},
    "GriffinLim": (lambda: transforms.GriffinLim(64, n_iter=4, rand_init=False), lambda: (torch.rand(1, 33, 20),)),
    "TimeStretch": (
        lambda: transforms.TimeStretch(n_freq=33, fixed_rate=1.2),
        lambda: (torch.randn(1, 33, 20, dtype=torch.complex64),),
    ),
    "ComputeDeltas": (transforms.ComputeDeltas, lambda: (torch.randn(1, 4, 20),)),
    "SlidingWindowCmn": (lambda: transforms.SlidingWindowCmn(cmn_window=5), lambda: (torch.randn(1, 20, 4),)),
    "FrequencyMasking": (lambda: transforms.FrequencyMasking(5), lambda: (torch.randn(1, 20, 30),)),
    "Transformer": (
        lambda: nn.Transformer(16, 2, 2, 2, 32, batch_first=True),
        lambda: (torch.randn(2, 5, 16), torch.randn(2, 4, 16)),
    ),
    "TransformerEncoder with padding": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2),
        lambda: (torch.randn(2, 5, 16), None, torch.tensor([[False] * 5, [False] * 3 + [True] * 2])),
    ),
}
