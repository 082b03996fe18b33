#!/usr/bin/env bash
# Checks and measures dedit on this machine's GPU, and writes one report as text and JSON. Runs from
# a bundle (tests/gpu_bundle.sh) or from a source tree with a build. Without a GPU it runs what
# needs none and lists the rest as not run.
#
#   tests/gpu.sh [--report DIR] [--build DIR] [--stages LIST] [--minutes N] [--python PROGRAM]
#                [--work DIR] [--model DIR --control DIR]
#
#   machine    GPU, driver, what programs say of them
#   cpu        the kernels in the tests' emulator; the tiny model's edit on the CPU
#   tests      kernels, operations, networks and pipeline on the GPU
#   tiny       the tiny model's edit: CPU and GPU agree, same bytes twice
#   agree      the 20-step canny edit of Stable Diffusion 1.5's size: GPU f32 and CPU f32 latents
#              within 1e-4; bf16 and f16 no further off than the CPU's bf16; same bytes twice
#   bench      dedit's times (bench_gpu)
#   memcheck, racecheck   compute-sanitizer on the small tests, without CUDA graphs
#   rivals     PyTorch's times beside dedit's (bench/rivals/measure_gpu.py), in the time that is left
#
# Ends with 1 if a check failed. --work keeps the weights that are made on the spot (2.9 GB).
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
all_stages=machine,cpu,tests,tiny,agree,bench,memcheck,racecheck,rivals

report=$PWD/gpu-report
build=$root/build/ci
stages=$all_stages
minutes=9
python=python3
work=
model=
control=
die() { echo "gpu.sh: $1" >&2; exit 2; }
while [[ $# -gt 0 ]]; do
  case $1 in
    --report) report=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    --stages) stages=$2; shift 2 ;;
    --minutes) minutes=$2; shift 2 ;;
    --python) python=$2; shift 2 ;;
    --work) work=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --control) control=$2; shift 2 ;;
    -h | --help) sed -n '2,23s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown argument $1; see --help" ;;
  esac
done
for name in ${stages//,/ }; do
  [[ ,$all_stages, == *,$name,* ]] || die "stage $name is none of $all_stages"
done

mkdir -p "$report" || die "$report cannot be made"
report=$(cd "$report" && pwd)
rm -f "$report"/*.log "$report"/*.json "$report/report.txt"
weights_job=
scratch=
[[ -n $work ]] || work=$(mktemp -d) scratch=$work
trap '[[ -z $weights_job ]] || kill "$weights_job" 2>/dev/null; [[ -z $scratch ]] || rm -rf "$scratch"' EXIT
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$root" || exit 2  # test_gpu finds its data from here

# --- programs ------------------------------------------------------------------------------------

loader=()  # in front of a program of ours
find_programs() {
  if [[ -d $root/bin && -d $root/glibc ]]; then
    bin=$root/bin
    if ! "$bin/dedit" --version >/dev/null 2>&1; then
      # This machine's C library is too old: the bundle's, and the driver from where it lies here.
      local places=$root/glibc:$root/lib
      places+=:$(ldconfig -p 2>/dev/null | sed -n 's|.*libcuda.so.1 .*=> \(.*\)/[^/]*|\1|p' | sort -u | paste -sd:)
      places+=:/usr/lib64:/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/local/cuda/lib64
      loader=("$root/glibc/ld-linux-x86-64.so.2" --library-path "$places")
    fi
  else
    bin=$work/bin
    mkdir -p "$bin"
    build=$(cd "$build" 2>/dev/null && pwd) ||
      die "no build in $build: cmake --preset ci && cmake --build --preset ci --target all gpu_bundle_parts"
    local program
    for program in dedit tests/test_cuda tests/test_gpu tests/make_golden_model bench/bench_gpu; do
      [[ -x $build/$program ]] && ln -sf "$build/$program" "$bin/"
    done
  fi
}

# A library that programs look for, where a machine has it with its Python only.
find_cublas() {
  ldconfig -p 2>/dev/null | grep -q 'libcublasLt\.so\.13' && return
  local file
  for file in /usr/local/cuda/lib64/libcublasLt.so.13 \
    $("$python" -c 'import glob, sys
for p in sys.path: print(*glob.glob(p + "/nvidia/**/libcublasLt.so.13", recursive=True))' 2>/dev/null); do
    if [[ -e $file ]]; then
      export DEDIT_CUBLASLT=$file
      return
    fi
  done
}

has() { [[ -x $bin/$1 ]]; }
ours() { "${loader[@]}" "$bin/$1" "${@:2}"; }

# --- stages --------------------------------------------------------------------------------------

begun=$SECONDS
deadline=$((begun + minutes * 60))
results=$work/results
: >"$results"
failures=0

# record passed|failed|measured|not-run NAME TEXT
record() {
  [[ $1 == failed ]] && failures=$((failures + 1))
  printf '%s\t%s\t%s\t%s\n' "$1" "$stage/$2" "$((SECONDS - begun))" "${3//[$'\t\n']/ }" >>"$results"
  printf '%-8s %s: %s\n' "$1" "$stage/$2" "$3"
}

# limited LOG COMMAND: in the stage's time. The last lines of a log are for record().
limited() {
  local log=$report/$1.log left=$((stage_end - SECONDS))
  shift
  if [[ $left -lt 2 ]]; then
    echo "no time was left" >"$log"
    return 124
  fi
  if [[ $1 == ours ]]; then set -- "${loader[@]}" "$bin/$2" "${@:3}"; fi
  timeout -k 5 "$left" "$@" >"$log" 2>&1
}
last_line() { tail -n "${2:-1}" "$report/$1.log" 2>/dev/null | tr '\n' ' ' | cut -c1-400; }

# check NAME COMMAND: passed where it ends with 0.
check() {
  local name=$1 status=0 from=$SECONDS
  shift
  limited "$stage-$name" "$@" || status=$?
  judge "$name" "$status" "$((SECONDS - from))"
}

# check_tests NAME COMMAND: the same of a program of tests, if some ran and none lacked a GPU.
check_tests() {
  local name=$1 status=0 from=$SECONDS why
  shift
  limited "$stage-$name" "$@" || status=$?
  why=$(untested "$report/$stage-$name.log")
  if [[ $status -eq 0 && -n $why ]]; then
    record failed "$name" "$why"
    return 1
  fi
  judge "$name" "$status" "$((SECONDS - from))"
}

# untested LOG: why a program of tests that ended with 0 has proved nothing; empty if it has.
untested() {
  local passed skipped
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$1" | tail -n 1)
  skipped=$(grep -c 'no GPU: ' "$1")
  if [[ $skipped -gt 0 ]]; then
    echo "$skipped tests were skipped; $(grep -m 1 -o 'no GPU: .*' "$1")"
  elif [[ ${passed:-0} -eq 0 ]]; then
    echo "no test was run"
  fi
}

# judge NAME STATUS SECONDS
judge() {
  if [[ $2 -eq 0 ]]; then
    record passed "$1" "$3 s; $(last_line "$stage-$1")"
  elif [[ $2 -eq 124 || $2 -eq 137 ]]; then
    record failed "$1" "not done in time; $(last_line "$stage-$1")"
  else
    record failed "$1" "status $2; $(last_line "$stage-$1" 3)"
  fi
  return "$2"
}

# run_stage NAME SECONDS NEEDS_GPU
run_stage() {
  stage=$1
  [[ ,$stages, == *,$stage,* ]] || return 0
  if [[ $3 == gpu && -n $no_gpu ]]; then
    record not-run all "$no_gpu"
    return 0
  fi
  stage_end=$((SECONDS + $2))
  [[ $stage_end -gt $deadline ]] && stage_end=$deadline
  if [[ $((stage_end - SECONDS)) -lt 3 ]]; then
    record failed all "the $minutes minutes were over"
    return 0
  fi
  "stage_$stage"
}

stage_machine() {
  record measured host "$(uname -sr), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
  [[ -e $root/BUILD ]] && record measured bundle "$(tr '\n' ';' <"$root/BUILD")"
  [[ ${#loader[@]} -gt 0 ]] && record measured loader "this C library is too old: the bundle's is used"
  [[ -n ${DEDIT_CUBLASLT:-} ]] && record measured cublaslt "$DEDIT_CUBLASLT"
  if [[ -z $no_gpu ]]; then
    record measured gpu "$(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader 2>&1 | head -n 1)"
  fi
  check version ours dedit --version
}

tiny_edit() { # NAME OPTIONS: a canny edit of the tiny model
  local name=$1
  shift
  limited "$stage-$name" ours dedit canny --model "$tiny" --control-model "$tiny-controlnet" \
    --image examples/pictures/apple.png --width 128 --height 128 --prompt "a green apple" --steps 4 \
    --seed 3 --save-latents "$work/$name.safetensors" -o "$work/$name.png" "$@"
}

prepare_tiny() {
  tiny=$work/models/sd15
  [[ -d $tiny ]] || ours make_golden_model tests/data/golden/sd15.json "$work/models" >/dev/null
}

stage_cpu() {
  # A sixth of them: the rest is for ctest, which has more time.
  check_tests kernels env GTEST_TOTAL_SHARDS=6 GTEST_SHARD_INDEX=0 "${loader[@]}" "$bin/test_cuda" --gtest_brief=1
  prepare_tiny
  if tiny_edit tiny-cpu --device cpu --precision exact && [[ -s $work/tiny-cpu.png ]]; then
    record passed edit "the tiny model's canny edit"
  else
    record failed edit "$(last_line "$stage-tiny-cpu" 3)"
  fi
}

# same NAME FILE FILE
same() {
  if cmp -s "$2" "$3"; then record passed "$1" "same bytes"; else record failed "$1" "the bytes differ"; fi
}

# latents NAME FILE REFERENCE BOUND: "rms" of the difference in $rms
latents() {
  local text max
  rms=
  if ! text=$("$python" tests/latents_difference.py "$2" "$3" 2>&1); then
    record failed "$1" "$text"
    return
  fi
  max=$(sed 's/.*"max": \([^,}]*\).*/\1/' <<<"$text")
  rms=$(sed 's/.*"rms": \([^,}]*\).*/\1/' <<<"$text")
  if awk -v a="$max" -v b="$4" 'BEGIN { exit !(a <= b) }'; then
    record passed "$1" "max $max, rms $rms; at most $4"
  else
    record failed "$1" "max $max, rms $rms; more than $4"
  fi
}

stage_tests() {
  has test_gpu || { record not-run all "this build has no test_gpu"; return; }
  check_tests gpu env DEDIT_DEVICE=cuda "${loader[@]}" "$bin/test_gpu" --gtest_brief=1 --gtest_filter=-Cpu/*
}

stage_tiny() {
  prepare_tiny
  tiny_edit tiny-f32 --device cpu --precision exact || { record failed cpu "$(last_line tiny-tiny-f32 3)"; return; }
  local dtype
  for dtype in f32 bf16 f16; do
    if tiny_edit "gpu-$dtype" --device cuda --dtype "$dtype" && tiny_edit "gpu-$dtype-again" --device cuda --dtype "$dtype"; then
      same "$dtype-twice" "$work/gpu-$dtype.png" "$work/gpu-$dtype-again.png"
      case $dtype in f32) bound=1e-4 ;; f16) bound=0.02 ;; *) bound=0.1 ;; esac
      latents "$dtype" "$work/gpu-$dtype.safetensors" "$work/tiny-f32.safetensors" "$bound"
    else
      record failed "$dtype" "$(last_line "tiny-gpu-$dtype" 3)"
    fi
  done
}

# Weights of the size of Stable Diffusion 1.5, made in the background from the start.
start_weights() {
  [[ -n $model ]] && return
  [[ ,$stages, =~ ,(agree|bench|rivals), && -z $no_gpu ]] || return
  model=$work/sd15 control=$work/sd15-cn
  [[ -e $work/sd15.done ]] && return
  ("$python" tools/make_random_sd15.py --layout diffusers --dtype f16 --out "$model" \
    --controlnet "$control" >"$report/weights.log" 2>&1 && touch "$work/sd15.done") &
  weights_job=$!
}
wait_for_weights() {
  if [[ -n $weights_job ]]; then
    wait "$weights_job"
    weights_job=
  fi
  [[ -e $model/model_index.json && -e $control/config.json ]] && return
  record failed weights "$(tail -n 2 "$report/weights.log" 2>/dev/null | tr '\n' ' ')"
  return 1
}

edit() { # NAME OPTIONS: the 20-step canny edit at 512x512
  local name=$1
  shift
  limited "$stage-$name" ours dedit canny -v --model "$model" --control-model "$control" --image "$work/picture.png" \
    --prompt "a watercolour of a living room" --scheduler ddim --steps 20 --seed 1 --width 512 \
    --height 512 --fit crop --save-latents "$work/$name.safetensors" -o "$work/$name.png" "$@"
}

stage_agree() {
  wait_for_weights || return
  cp examples/pictures/coffee.png "$work/picture.png"
  edit cpu-f32 --device cpu --precision exact || { record failed cpu-f32 "$(last_line agree-cpu-f32 3)"; return; }
  record measured cpu-f32 "$((SECONDS - begun)) s since the start"
  local dtype cpu_rms=
  if edit cpu-bf16 --device cpu --dtype bf16; then
    latents cpu-bf16 "$work/cpu-bf16.safetensors" "$work/cpu-f32.safetensors" 1
    cpu_rms=$rms
  fi
  for dtype in f32 bf16 f16; do
    if ! edit "gpu-$dtype" --device cuda --dtype "$dtype"; then
      record failed "$dtype" "$(last_line "agree-gpu-$dtype" 3)"
      continue
    fi
    latents "$dtype" "$work/gpu-$dtype.safetensors" "$work/cpu-f32.safetensors" \
      "$([[ $dtype == f32 ]] && echo 1e-4 || echo 1)"
    if [[ $dtype != f32 && -n $cpu_rms && -n $rms ]]; then
      # Both round to the type at the same places, in other orders of summation.
      if awk -v a="$rms" -v b="$cpu_rms" 'BEGIN { exit !(a <= 1.25 * b) }'; then
        record passed "$dtype-as-cpu" "rms $rms, the CPU's bf16 $cpu_rms"
      else
        record failed "$dtype-as-cpu" "rms $rms is over 1.25 times the CPU's bf16, $cpu_rms"
      fi
    fi
    record measured "$dtype-picture" "$(ours dedit compare "$work/cpu-f32.png" "$work/gpu-$dtype.png" 2>&1 | grep -i psnr | head -n 1)"
  done
  edit gpu-again --device cuda --dtype bf16 && same bf16-twice "$work/gpu-bf16.png" "$work/gpu-again.png"
}

stage_bench() {
  has bench_gpu || { record not-run all "this build has no bench_gpu"; return; }
  wait_for_weights || return
  check times ours bench_gpu --model "$model" --control "$control" --shapes bench/shapes/sd15_512.json \
    --sdxl-shapes bench/shapes/sdxl_1024.json --json "$report/bench.json" || return
  # What is aimed at on an H100 or H200.
  record measured aims "$("$python" -c 'import json, sys
figures = json.load(open(sys.argv[1]))["figures"]
for name, aim in (("step", 9), ("edit_step", 13), ("decode", 10), ("start", 5000)):
    ms = 1e3 * figures.get(name, float("nan"))
    print(f"{name} {ms:.2f} ms, aim {aim}{str() if ms <= aim else chr(33)};", end=" ")' "$report/bench.json" 2>&1)"
}

sanitized() {
  local tool log=$report/$stage-small.log
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null) ||
    { record not-run all "compute-sanitizer is not on this machine"; return; }
  has test_gpu || { record not-run all "this build has no test_gpu"; return; }
  # Whether it works here at all: on some virtual machines it does not.
  limited "$stage-small" "$tool" --tool "$1" "${loader[@]}" "$bin/test_gpu" '--gtest_filter=Kernel/Elementwise*/f32'
  if grep -qi 'not supported' "$log"; then
    record not-run all "$(grep -i 'not supported' "$log" | head -n 1)"
    return
  fi
  check_tests small env DEDIT_CUDA_GRAPHS=0 DEDIT_DEVICE=cuda "$tool" --tool "$1" --error-exitcode 9 \
    "${@:2}" "${loader[@]}" "$bin/test_gpu" --gtest_brief=1 '--gtest_filter=Kernel/*:Gpu/*'
}
stage_memcheck() { sanitized memcheck --leak-check no; }
stage_racecheck() { sanitized racecheck; }

stage_rivals() {
  "$python" -c 'import torch; assert torch.cuda.is_available()' >/dev/null 2>&1 ||
    { record not-run all "$python has no torch that sees a GPU"; return; }
  local ours_too=()
  if has bench_gpu && wait_for_weights; then
    printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' "${loader[@]}" "$bin/bench_gpu")" >"$work/bench_gpu"
    chmod +x "$work/bench_gpu"
    ours_too=(--bench "$work/bench_gpu" --model "$model" --control "$control")
  fi
  check times "$python" bench/rivals/measure_gpu.py "${ours_too[@]}" --python "$python" \
    --total $((stage_end - SECONDS - 3)) --json "$report/rivals.json"
}

# --- the report ----------------------------------------------------------------------------------

json_text() { sed 's/\\/\\\\/g; s/"/\\"/g; s/[[:cntrl:]]/ /g' <<<"$1" | sed 's/.*/"&"/'; }

write_report() {
  local status name seconds text separator=
  {
    echo "dedit on a GPU: $(date -u +%Y-%m-%dT%H:%MZ), $((SECONDS - begun)) s"
    echo "$(grep -c ^passed "$results") passed, $(grep -c ^failed "$results") failed, $(grep -c ^not-run "$results") not run"
    while IFS=$'\t' read -r status name seconds text; do
      printf '%-8s %s: %s\n' "$status" "$name" "$text"
    done <"$results"
    for name in bench-times rivals-times; do
      [[ -s $report/$name.log ]] && printf '\n%s\n\n' "--- $name" && cat "$report/$name.log"
    done
  } >"$report/report.txt"
  {
    printf '{"seconds": %d, "failures": %d, "results": [' $((SECONDS - begun)) "$failures"
    while IFS=$'\t' read -r status name seconds text; do
      printf '%s\n {"status": "%s", "name": "%s", "at": %d, "text": %s}' "$separator" "$status" "$name" \
        "$seconds" "$(json_text "$text")"
      separator=,
    done <"$results"
    printf ']'
    for name in bench rivals; do
      [[ -s $report/$name.json ]] && printf ',\n"%s": ' "$name" && cat "$report/$name.json"
    done
    echo '}'
  } >"$report/report.json"
}

find_programs
find_cublas
[[ -d /usr/local/nvidia/bin ]] && PATH=$PATH:/usr/local/nvidia/bin
# A GPU that the driver's tool lists and dedit does not see is for the checks to fail on.
no_gpu=
if ! timeout 20 nvidia-smi -L 2>/dev/null | grep -q '^GPU' && ! ours dedit --version 2>/dev/null | grep -q '^cuda:0'; then
  no_gpu="this machine has no GPU: $(ours dedit --version 2>&1 | sed -n 's/^GPU: //p')"
  echo "$no_gpu; what needs none is run"
fi
start_weights
run_stage machine 20 any
run_stage cpu 90 any
run_stage tests 100 gpu
run_stage tiny 40 gpu
run_stage agree 150 gpu
run_stage bench 90 gpu
run_stage memcheck 90 gpu
run_stage racecheck 90 gpu
run_stage rivals 600 gpu
write_report
echo
sed -n 2p "$report/report.txt"
echo "report: $report/report.txt, $report/report.json"
[[ $failures -eq 0 ]]
