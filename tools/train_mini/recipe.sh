#!/usr/bin/env bash
# Trains the mini model from nothing and exports it.  Resumable: run it again
# with the same work folder and it goes on where it stopped.
#
#   recipe.sh EMOJI WORK OUT
#
# EMOJI  folder with captions.json, LICENSE.noto-emoji and the 256x256 pictures
#        (in it or in emoji256/ below it)
# WORK   folder for checkpoints, latents and logs
# OUT    folder to export the model to
#
# Settings come from the environment; the defaults are the small CPU run.  For a
# big GPU see README.md.
set -euo pipefail
[ $# -eq 3 ] || { sed -n '2,15p' "$0"; exit 2; }
emoji=$1 work=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
py=${PYTHON:-python3}
device=${DEVICE:-cpu} threads=${THREADS:-1}
# Single-threaded copies whose weights are averaged: see common.py.
train=("$py" -m torch.distributed.run --standalone --nproc-per-node "${PROCESSES:-2}")
export OMP_NUM_THREADS=$threads
common=(--device "$device" --threads "$threads" --work "$work")
mkdir -p "$work"

"${train[@]}" "$here/train_vae.py" "${common[@]}" --emoji "$emoji" \
    --minutes "${VAE_MINUTES:-0}" --crop "${VAE_CROP:-128}" \
    --steps "${VAE_STEPS:-7000}" --batch "${VAE_BATCH:-8}" --lr "${VAE_LR:-1e-3}" --whole-share 0.2

[ -f "$work/latents.json" ] || "$py" "$here/encode_latents.py" "${common[@]}" --emoji "$emoji" \
    --emoji-set "${EMOJI_SET:-everyday}" --limit "${LIMIT:-0}" --pictures "${PICTURES:-14000}" \
    --free "${FREE:-4000}" --variety "${VARIETY:-0.5}" --two-share "${TWO_SHARE:-0.08}"

# The learning rate stays up (--decay 0): the U-Net goes on learning in the next step.
"${train[@]}" "$here/train_unet.py" "${common[@]}" ${COMPILE:+--compile} --decay 0 --minutes "${UNET_MINUTES:-0}" \
    --steps "${UNET_STEPS:-1000}" --batch "${UNET_BATCH:-16}" --lr "${UNET_LR:-1.5e-3}"

# ControlNet, U-Net and text encoder together, half of the pictures with lines.
"${train[@]}" "$here/train_controlnet.py" "${common[@]}" ${COMPILE:+--compile} --unlock --decay 0.3 \
    --minutes "${CONTROL_MINUTES:-0}" --steps "${CONTROL_STEPS:-6000}" --batch "${CONTROL_BATCH:-16}" \
    --lr "${CONTROL_LR:-1.2e-3}"

# A better decoder for the same latents: optional, and last as nothing depends on it.
if [ "${DECODER_STEPS:-0}" -gt 0 ]; then
    "${train[@]}" "$here/train_vae.py" "${common[@]}" --emoji "$emoji" --decoder-only --init "$work/vae.pt" \
        --steps "$DECODER_STEPS" --batch "${VAE_BATCH:-8}" --lr "${DECODER_LR:-3e-4}" --whole-share 0.5
fi

"$py" "$here/export.py" --work "$work" --emoji "$emoji" --out "$out"
"$py" "$here/sample_sheet.py" --model "$out" --out "$work/samples.png" \
    --emoji "$emoji" --limit "${LIMIT:-0}" --held-out 4 --device "$device"
"$py" "$here/sample_sheet.py" --model "$out" --out "$work/control.png" \
    --emoji "$emoji" --limit "${LIMIT:-0}" --control 6 --device "$device"
