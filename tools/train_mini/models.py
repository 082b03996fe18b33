"""The mini architecture: one place that says how big each part is.

Small enough to run in seconds on two CPU cores, yet made only of blocks that
Stable Diffusion 1.x uses, so an engine that runs these files runs the real one.
"""
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

VOCAB, BOS, EOS, MAX_TOKENS, TEXT_WIDTH = 49408, 49406, 49407, 77, 192
LATENT_NOISE = 0.1      # what train_vae.py adds to the latents of std about 1


def new_vae():
    return AutoencoderKL(
        sample_size=256, latent_channels=4, block_out_channels=(16, 32, 64, 128),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1, norm_num_groups=8, mid_block_add_attention=False, force_upcast=False)


def new_text_encoder():
    # Three layers of width 704: the whole folder then stays under 60 MB.
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=VOCAB, max_position_embeddings=MAX_TOKENS, hidden_size=TEXT_WIDTH,
        num_attention_heads=3, num_hidden_layers=3, intermediate_size=704,
        hidden_act="quick_gelu", bos_token_id=BOS, eos_token_id=EOS, pad_token_id=EOS,
        projection_dim=TEXT_WIDTH))


def shrink_vocabulary(text, tokens):
    """Keeps only the embedding rows of `tokens`; returns the map from full ids.

    Nine tenths of the rows would only cost optimizer time.  common.load_text
    puts the trained rows back where CLIP has them.
    """
    kept = text.get_input_embeddings().weight.detach()[tokens].clone()
    text.set_input_embeddings(torch.nn.Embedding.from_pretrained(kept, freeze=False))
    full_to_small = torch.zeros(VOCAB, dtype=torch.long)
    full_to_small[tokens] = torch.arange(len(tokens))
    return full_to_small


def new_unet():
    # attention_head_dim is, for historical reasons, the number of heads: size 32 each.
    return UNet2DConditionModel(
        sample_size=32, in_channels=4, out_channels=4, layers_per_block=1,
        block_out_channels=(64, 128, 192),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=TEXT_WIDTH, attention_head_dim=(2, 4, 6), norm_num_groups=32)


def new_controlnet(unet):
    # Four entries make the three stride-2 stages from 256 pixels to 32 latents.
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 24, 32))


def new_scheduler():
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        timestep_spacing="leading")


def open_tokenizer():
    """open_clip's byte-pair tokenizer, whose vocabulary file the export converts."""
    from open_clip.tokenizer import SimpleTokenizer
    return SimpleTokenizer()


def tokenize(tokenizer, captions):
    """Token ids as diffusers pads them: start, words, then end tokens up to 77."""
    ids = torch.full((len(captions), MAX_TOKENS), EOS)
    ids[:, 0] = BOS
    for row, caption in zip(ids, captions):
        words = tokenizer.encode(caption)[:MAX_TOKENS - 2]
        row[1:1 + len(words)] = torch.tensor(words, dtype=row.dtype)
    return ids
