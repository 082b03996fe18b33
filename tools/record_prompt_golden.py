#!/usr/bin/env python3
"""Records how the web UI's prompt parser reads the cases of the table in tests/data/prompts.

    record_prompt_golden.py --parser REFERENCE --merges src/models/data/clip_merges.txt \\
        --out tests/data/prompts/webui_cases.json

REFERENCE is a Python file that offers the three functions of stable-diffusion-webui 1.10 under
these names: schedule(prompt, steps) (prompt_parser), attention(prompt) (prompt_parser) and
chunks(tokenizer, prompt) (tokenize_line of sd_hijack_clip), each on one prompt. Needs transformers
and lark; the versions stand in the file.
"""

import argparse
import importlib.util
import json
import os
import tempfile

import lark
import transformers
from transformers import CLIPTokenizer

LONG = "cat, " + "dog " * 60
WORDS = [f"{a} {b}" for a in ("red", "old", "tall", "wet") for b in ("house", "car", "tree", "hat")]
CASES = [
    # weights
    ("normal text", 20),
    ("an (important) word", 20),
    ("(unbalanced", 20),
    ("\\(literal\\]", 20),
    ("(unnecessary)(parens)", 20),
    ("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", 20),
    ("", 20),
    ("()", 20),
    ("(word:1.3)", 20),
    ("(word:+1.3)", 20),
    ("(word:-0.5)", 20),
    ("(word: 1.3 )", 20),
    ("(word:.5)", 20),
    ("(word:2.)", 20),
    ("word:1.3", 20),
    ("word:1.3)", 20),
    ("[word:1.3)", 20),
    ("[word]", 20),
    ("[[word]]", 20),
    ("([word])", 20),
    ("(a:1.2)(b:1.2) c", 20),
    ("((a:2) b:0.5)", 20),
    ("a) b] c", 20),
    ("(a [b) c]", 20),
    ("[(a", 20),
    ("a \\\\ b", 20),
    ("a \\b", 20),
    ("(a \\(b\\):1.2)", 20),
    ("a:b:c", 20),
    ("(a:b:1.5)", 20),
    ("(a, b, c:0)", 20),
    ("(größe:1.1) (猫:0.9)", 20),
    ("(a\nb:1.4)", 20),
    # breaks and windows
    ("a BREAK b", 20),
    ("a,BREAK,b", 20),
    ("BREAK", 20),
    ("a BREAK BREAK (b:1.2)", 20),
    ("aBREAK BREAKb BREAK_ a-BREAK-b", 20),
    ("cat " * 75, 20),
    ("cat " * 76, 20),
    ("cat " * 160, 20),
    ("cat " * 70 + ", " + "dog " * 5, 20),
    ("cat " * 54 + ", " + "dog " * 21, 20),
    ("cat " * 55 + ", " + "dog " * 21, 20),
    ("cat " * 74 + ", (dog:1.2)", 20),
    ("cat " * 75 + ", dog", 20),
    ("(" + "cat, " * 60 + ":1.1)", 20),
    (", ".join(WORDS * 4), 20),
    (LONG + "BREAK (" + LONG + ":0.8)", 20),
    # schedules
    ("a [b:3]", 10),
    ("a [b: 3]", 10),
    ("a [[[b]]:2]", 10),
    ("[(a:2):3]", 10),
    ("a [b : c : 1] d", 10),
    ("a[b:[c:d:2]:1]e", 10),
    ("a [unbalanced", 10),
    ("a [b:.5] c", 10),
    ("a [{b|d{:.5] c", 10),
    ("((a][:b:c [d:3]", 10),
    ("[a|(b:1.1)]", 10),
    ("[fe|]male", 10),
    ("[fe|||]male", 10),
    ("[a::4] b", 10),
    ("[:a:4] b", 10),
    ("[a:b:0]", 10),
    ("[a:b:-2]", 10),
    ("[a:b:99]", 10),
    ("[a:b:1.5]", 10),
    ("[a:b:2e0]", 10),
    ("[a:b:c:2]", 10),
    ("[a|b:2]", 10),
    ("[[a|b]:[c|d]:2] e", 4),
    ("a | [b:c:2]", 10),
    ("\\[a:b:2\\] [c:d:2]", 10),
    ("[a:b:2] \\", 10),
    # odd ones of every kind
    ("a (b:1.1:1.2) c", 10),
    ("((a:1.2):1.3)", 10),
    ("(a:1.3) (b", 10),
    ("[a:b]", 10),
    ("[a:b:c:d:2]", 10),
    ("[a:b:0.999]", 10),
    ("[a:b:1.0]", 10),
    ("[a:b:10]", 10),
    ("[a:b:9]", 10),
    ("[a:b:0.05]", 10),
    ("[(a:1.2)|(b:0.8)|c]", 7),
    ("[|a]", 5),
    ("[a|]", 5),
    ("[]", 5),
    ("[:]", 5),
    ("[::3]", 5),
    ("[a: b :3]", 5),
    ("[a:b: 3 ] c", 6),
    ("[ a : b : 0.5 ]", 6),
    ("(a [b:c:2] d:1.4)", 6),
    ("[a [b|c]:d:3]", 6),
    ("[[a:b:1]:[c:d:3]:2]", 6),
    ("a\\:b (c\\:d:1.2)", 10),
    ("\\[a:b:2]", 10),
    ("[a\\|b|c]", 4),
    ("(a:1,2)", 10),
    ("(a:1e1)", 10),
    ("(a:-1)", 10),
    ("(:1.3)", 10),
    ("(a:1.3 ) b", 10),
    ("a BREAK BREAK b", 10),
    ("a BREAKb", 10),
    ("(a BREAK b:1.2)", 10),
    ("aBREAK b", 10),
    ("a\tb\n\nc", 10),
    ("😀 (cat:1.2)", 10),
    ("(((((a)))))", 10),
    ("[[[[a]]]]", 10),
    ("a (b) [c] {d} <e>", 10),
    ("<lora:x:1>", 10),
    (
        "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75]"
        "[ in foreground::0.6][: in background:0.25] [shoddy:masterful:0.5]",
        100,
    ),
]


def load(path):
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_tokenizer(merges_path):
    with open(merges_path, encoding="utf-8") as f:
        merges = f.read().splitlines()
    merges = [m for m in merges if m and not m.startswith("#version")]
    letters = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars = [chr(c) for c in letters] + [chr(256 + i) for i in range(256 - len(letters))]
    tokens = chars + [c + "</w>" for c in chars] + ["".join(m.split()) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "vocab.json"), "w", encoding="utf-8") as f:
            json.dump({t: i for i, t in enumerate(tokens)}, f)
        with open(os.path.join(d, "merges.txt"), "w", encoding="utf-8") as f:
            f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
        return CLIPTokenizer.from_pretrained(d)


def record(reference, tokenizer, prompt, steps):
    schedule = reference.schedule(prompt, steps)
    windows = []
    for ids, weights in reference.chunks(tokenizer, schedule[0][1]):
        n = 77 - next(i for i in range(77) if all(t == ids[-1] for t in ids[i:]))
        windows.append({"ids": ids[1 : 77 - n], "weights": weights[1 : 77 - n]})
    return {
        "prompt": prompt,
        "steps": steps,
        "emphasis": reference.attention(schedule[0][1]),
        "windows": windows,  # without begin, end and padding
        "schedule": [{"until": until, "prompt": text} for until, text in schedule],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parser", required=True)
    parser.add_argument("--merges", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    reference = load(args.parser)
    tokenizer = make_tokenizer(args.merges)
    with open(args.out, "w", encoding="utf-8") as f:
        header = {
            "made_by": "tools/record_prompt_golden.py",
            "reference": "stable-diffusion-webui 1.10",
            "transformers": transformers.__version__,
            "lark": lark.__version__,
        }
        f.write(json.dumps(header)[:-1] + ', "cases": [\n')
        rows = [json.dumps(record(reference, tokenizer, *case)) for case in CASES]
        f.write(",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    main()
