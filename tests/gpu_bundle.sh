#!/usr/bin/env bash
# Makes one file that checks and measures dedit on a machine with a GPU and little else: programs
# with the shared libraries they need (a bare machine's C library included), small data, scripts.
# Runs where there is no GPU, on a build with CUDA.
#
#   tests/gpu_bundle.sh [--build DIR] [--limit-mb 60] OUT.tar.xz|OUT.tar.zst|OUT.tar.gz
#
# There: tar xf OUT.tar.xz && bash dedit-gpu/tests/gpu.sh --report report
#
# OpenCV reads pictures through GDAL, GDCM and OpenEXR as well, whose libraries are larger than all
# the rest; in the bundle stubs that answer nothing stand in their place, so that its programs read
# PNG, JPEG, WebP and TIFF only.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

die() { echo "gpu_bundle.sh: $1" >&2; exit "${2:-1}"; }

build=$root/build/ci
limit_mb=60
out=
while [[ $# -gt 0 ]]; do
  case $1 in
    --build) build=$(cd "$2" && pwd); shift 2 ;;
    --limit-mb) limit_mb=$2; shift 2 ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $1" 2 ;;
    *) out=$1; shift ;;
  esac
done
case $out in
  *.tar.xz) compress=(xz -6 --lzma2=preset=6,dict=128MiB) ;;  # finds the kernels of each program
  *.tar.zst) compress=(zstd -q -15 --long=27 -T0) ;;          # again in the next
  *.tar.gz) compress=(gzip -9) ;;
  *) die "the output must be named .tar.xz, .tar.zst or .tar.gz, not '$out'" 2 ;;
esac
command -v "${compress[0]}" >/dev/null || die "${compress[0]} is not installed"

programs=(dedit tests/test_cuda tests/test_gpu tests/make_golden_model bench/bench_gpu)
# Libraries of the C library, which only go together; and those that only a driver can bring.
glibc='^(ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl|libmvec)\.so'
drivers='^(libcuda|libnvidia|libcublas|libcudnn|libcudart)'
stubbed='^(libgdal|libgdcm|libOpenEXR|libIlmImf|libGLX|libGL|libEGL)'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$work/dedit-gpu
mkdir -p "$top"/{bin,lib,glibc,tests,tools,bench,examples}

copy_programs() {
  local program
  for program in "${programs[@]}"; do
    [[ -x $build/$program ]] ||
      die "$build/$program is not there: cmake --build DIR --target gpu_bundle_parts, with CUDA"
    cp "$build/$program" "$top/bin/"
    strip "$top/bin/${program##*/}"
  done
}

# Symbols of shared library $1 that a copied program or library asks for, as "type size name version".
wanted_symbols() {
  nm -D --undefined-only "$top"/bin/* "$top"/lib/* 2>/dev/null |
    sed -n 's/^ *[UwWv] \([^@]*\).*/\1/p' | sort -u >"$work/undefined"
  readelf -W --dyn-syms "$1" | awk 'NR == FNR { wanted[$1] = 1; next }
    $7 != "UND" && ($4 == "FUNC" || $4 == "OBJECT") {
      n = split($8, part, /@+/)
      if (part[1] in wanted) print $4, $3, part[1], (n > 1 ? part[2] : "-") }' "$work/undefined" - | sort -u
}

# A library named as $1 whose functions return 0.
make_stub() {
  local name=${1##*/} asm=$work/stub.s map=$work/stub.map
  wanted_symbols "$1" >"$work/symbols"
  awk '{ kind = $1 == "FUNC" ? "function" : "object"
         print ($1 == "FUNC" ? ".text" : ".data")
         printf ".globl \"%s\"\n.type \"%s\",@%s\n\"%s\":\n", $3, $3, kind, $3
         if ($1 == "FUNC") print "xorl %eax, %eax\nret"
         else printf ".size \"%s\", %d\n.zero %d\n", $3, $2, $2 }
       END { print ".section .note.GNU-stack,\"\",@progbits" }' "$work/symbols" >"$asm"
  awk '$4 != "-" { of[$4] = of[$4] " \"" $3 "\";" }
       END { for (v in of) print v " { global:" of[v] " };" }' "$work/symbols" >"$map"
  local versions=()
  [[ -s $map ]] && versions=(-Wl,--version-script="$map")
  "${CC:-cc}" -shared -nostdlib -Wl,-soname,"$name" "${versions[@]}" -o "$top/lib/$name" "$asm"
}

needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# Copies what the programs need, library by library, so that what only a stubbed one needs stays.
copy_libraries() {
  local queue=("$top"/bin/*) file name path
  declare -A seen=()
  local stubs=()
  # Where this machine finds each: of all programs, since ldd follows the whole tree.
  for file in "$top"/bin/*; do ldd "$file" || true; done |
    awk '$3 ~ /^\// { print $1, $3 } $1 ~ /^\// { n = split($1, p, "/"); print p[n], $1 }' |
    sort -u >"$work/where"
  while [[ ${#queue[@]} -gt 0 ]]; do
    file=${queue[0]}
    queue=("${queue[@]:1}")
    for name in $(needs "$file"); do
      [[ -n ${seen[$name]:-} || $name =~ $drivers ]] && continue
      seen[$name]=1
      path=$(awk -v n="$name" '$1 == n { print $2; exit }' "$work/where")
      [[ -n $path ]] || die "$name, which ${file##*/} needs, is not found here"
      if [[ $name =~ $stubbed ]]; then
        stubs+=("$path")
      elif [[ $name =~ $glibc ]]; then
        cp -L "$path" "$top/glibc/$name"
      else
        cp -L "$path" "$top/lib/$name"
        strip --strip-unneeded "$top/lib/$name" 2>/dev/null || true
        queue+=("$top/lib/$name")
      fi
    done
  done
  for path in "${stubs[@]}"; do make_stub "$path"; done
}

copy_data() {
  cp "$root"/tests/{gpu.sh,latents_difference.py} "$top/tests/"
  cp -r "$root/tests/data" "$top/tests/data"
  rm -rf "$top"/tests/data/{annotators,canny,compare,schedulers}  # of tests that stay here
  cp -r "$root/bench/rivals" "$root/bench/shapes" "$top/bench/"
  cp "$root/tools/make_random_sd15.py" "$top/tools/"
  cp -r "$root/examples/pictures" "$top/examples/"
  find "$top" -name __pycache__ -prune -exec rm -rf {} +
  {
    echo "commit: $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
    echo "glibc: $(getconf GNU_LIBC_VERSION 2>/dev/null | tr -d 'a-z ')"
    "$build/dedit" --version
  } >"$top/BUILD"
}

copy_programs
copy_libraries
copy_data
mkdir -p "$(dirname "$out")"
tar -C "$work" --owner=0 --group=0 --sort=name -cf - dedit-gpu | "${compress[@]}" >"$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
echo "$out: $((bytes / 1000)) kB; unpacked $(du -sk "$top" | cut -f1) kB:"
(cd "$top" && du -sk -- * | sort -rn)
if [[ $bytes -gt $((limit_mb * 1000000)) ]]; then
  die "the bundle has $((bytes / 1000000)) MB, more than $limit_mb"
fi
