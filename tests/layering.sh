#!/usr/bin/env bash
# A file includes only its own folder or layers below it. Prints each forbidden include.
# Levels as in CONTRIBUTING.md; awk, so that a fresh machine can run it.
set -uo pipefail
cd "$(dirname "$0")/.."

find include src control kernels tools examples -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' |
  sort | xargs awk '
function level(path) {
  if (path ~ /^(tools|examples)\//) return 7
  if (path ~ /^src\/pipeline\//) return 6
  if (path ~ /^control\/annotators\//) return 2
  if (path ~ /^control\//) return 5
  if (path ~ /^src\/(models|schedulers)\//) return 4
  if (path ~ /^src\/nn\//) return 3
  if (path ~ /^src\/(backend|io)\//) return 2
  if (path ~ /^src\/core\//) return 1
  return 0
}
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
function resolve(name, from,   dir) {
  if (name ~ /^dedit\//) return "include/" name
  if (name ~ /^(core|io|backend|nn|models|schedulers|pipeline)\//) return "src/" name
  if (name ~ /^annotators\//) return "control/" name
  if (name ~ /^cpu\/|^cuda\//) return "kernels/" name
  if (name ~ /^(controlnet)/) return "control/" name
  return folder(from) "/" name
}
function fail(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0; bad = 1 }
# Third-party headers have one home each.
/^#include <dnnl/ && FILENAME != "src/backend/cpu/onednn.cpp" { fail("dnnl outside onednn.cpp") }
/^#include <opencv2/ && FILENAME !~ /^(src\/io|control\/annotators)\// { fail("OpenCV outside io and annotators") }
/^#include <(cuda|cublas)/ && FILENAME !~ /^(src\/backend\/cuda\/gpu|kernels\/cuda)\// { fail("the CUDA toolkit outside backend/cuda/gpu and kernels/cuda") }
/^#include <png/ && FILENAME !~ /^src\/io\// { fail("libpng outside io") }
/^#include "/ {
  split($0, part, "\"")
  target = resolve(part[2], FILENAME)
  same = folder(target) == folder(FILENAME)
  if (FILENAME ~ /^kernels\//) {
    if (target !~ /^kernels\//) fail("kernels include only the standard library")
  } else if (FILENAME ~ /^(tools|examples)\//) {
    if (target !~ /^include\// && level(target) != 7) fail("tools include only include/dedit")
  } else if (FILENAME ~ /^src\/backend\/(cpu|cuda)\//) {
    other = FILENAME ~ /^src\/backend\/cpu\// ? "^(src\/backend|kernels)\/cuda\/" : "^(src\/backend|kernels)\/cpu\/"
    if (!same && target !~ /^(src\/core|src\/backend|kernels|include)\//) fail("a backend reaches up")
    if (target ~ other) fail("one backend uses the other")
  } else if (!same && index(folder(FILENAME), folder(target)) != 1 && level(target) >= level(FILENAME)) {
    fail("level " level(FILENAME) " includes level " level(target))
  }
}
END { exit bad }
'
