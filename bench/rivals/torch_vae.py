"""Stable Diffusion's VAE in plain PyTorch, see torch_networks.py."""

import torch.nn.functional as F
from torch import nn

from torch_networks import Attention, Block, Resnet

EPS = 1e-6  # of all its norms


class VaeMiddleAttention(Attention):
    """One head over all pixels, with its norm and the sum with its input."""

    def __init__(self, n, groups):
        super().__init__(n, n, 1, bias=True)
        self.group_norm = nn.GroupNorm(groups, n, EPS)

    def forward(self, x):
        tokens = self.group_norm(x).permute(0, 2, 3, 1).flatten(1, 2)
        y = super().forward(tokens)
        return x + y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class VaeMiddle(nn.Module):
    def __init__(self, n, groups):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(n, n, 0, groups, EPS) for _ in range(2))
        self.attentions = nn.ModuleList([VaeMiddleAttention(n, groups)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class VaeEncoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        widths, groups = c["block_out_channels"], c["norm_num_groups"]
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.down_blocks, n = nn.ModuleList(), widths[0]
        for level, width in enumerate(widths):
            resample = "vae_down" if level + 1 < len(widths) else ""
            self.down_blocks.append(Block([n] + [width] * (c["layers_per_block"] - 1), width, 0,
                                          groups, EPS, resample))
            n = width
        self.mid_block = VaeMiddle(n, groups)
        self.conv_norm_out = nn.GroupNorm(groups, n, EPS)
        self.conv_out = nn.Conv2d(n, 2 * c["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x, _ = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class VaeDecoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        widths, groups = c["block_out_channels"][::-1], c["norm_num_groups"]
        self.conv_in = nn.Conv2d(c["latent_channels"], widths[0], 3, padding=1)
        self.mid_block = VaeMiddle(widths[0], groups)
        self.up_blocks, n = nn.ModuleList(), widths[0]
        for level, width in enumerate(widths):
            resample = "up" if level + 1 < len(widths) else ""
            self.up_blocks.append(Block([n] + [width] * c["layers_per_block"], width, 0, groups,
                                        EPS, resample))
            n = width
        self.conv_norm_out = nn.GroupNorm(groups, n, EPS)
        self.conv_out = nn.Conv2d(n, c["out_channels"], 3, padding=1)

    def forward(self, z):
        z = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            z, _ = block(z)
        return self.conv_out(F.silu(self.conv_norm_out(z)))


class Vae(nn.Module):
    def __init__(self, c):
        super().__init__()
        z = c["latent_channels"]
        self.encoder, self.decoder = VaeEncoder(c), VaeDecoder(c)
        self.quant_conv = nn.Conv2d(2 * z, 2 * z, 1)
        self.post_quant_conv = nn.Conv2d(z, z, 1)

    def encode(self, x):
        """[B, 3, H, W] -> moments of the latents [B, 8, H/8, W/8]"""
        return self.quant_conv(self.encoder(x))

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))
