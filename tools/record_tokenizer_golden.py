#!/usr/bin/env python3
"""Records prompts and their token ids by the reference: CLIPTokenizer of transformers 5.

    record_tokenizer_golden.py --merges src/models/data/clip_merges.txt \\
        --out tests/data/tokenizer/clip_prompts.json --folders tests/data/tokenizer/folders.json
    record_tokenizer_golden.py --merges src/models/data/clip_merges.txt --all --out /tmp/all.json
    DEDIT_TOKENIZER_GOLDEN=/tmp/all.json test_models --gtest_filter='ClipTokenizer*'

The generator makes 5,000 prompts; the committed file holds every 11th of them, shortened where one
is very long. --all writes all of them. Needs transformers 5 and tokenizers; their versions stand in
the file.
"""

import argparse
import json
import os
import random
import tempfile

import tokenizers
import transformers
from transformers import CLIPTokenizer

N_PROMPTS = 5000
SEED = 20260611

NOUNS = """cat dog fox armchair lighthouse castle spaceship teapot violin mountain waterfall robot astronaut portrait
bookshelf street market garden dragon bicycle bridge cathedral bowl skyline desert iceberg owl orchid lantern""".split()
ADJECTIVES = """red blue golden tiny enormous ornate minimalistic hyperrealistic photorealistic cinematic moody pastel
iridescent weathered baroque isometric low-poly hand-drawn glowing misty symmetrical unreal""".split()
STYLES = """watercolour,oil painting,studio lighting,35mm,f/1.8,8k,4K UHD,trending on artstation,octane render,bokeh,
art nouveau,ukiyo-e,by Alphonse Mucha,by Caspar David Friedrich,in the style of Klimt,Unreal Engine 5,(masterpiece:1.2),
[sketch],{{best quality}},highly detailed,depth of field,award-winning,lo-fi,cel-shaded,#nofilter,@golden_hour""".replace(
    "\n", ""
).split(
    ","
)
SCRIPTS = [
    "Größe über Straße ẞ",
    "naïve café déjà-vu Ångström",
    "Привет мир ЁЛКА",
    "Ελληνικά ΟΔΥΣΣΕΥΣ Σίσυφος",
    "العربية مرحبا ٣٤٥",
    "עברית שָׁלוֹם",
    "हिन्दी नमस्ते ४५",
    "বাংলা ভাষা",
    "ไทย สวัสดี",
    "中文 山水画",
    "日本語 カタカナ ｶﾞｷﾞｸﾞ",
    "한국어 안녕하세요",
    "ភាសាខ្មែរ",
    "မြန်မာ",
    "አማርኛ",
    "ქართული",
    "Հայերեն ԵՒ",
    "İstanbul ıI iİ",
    "Tiếng Việt đẹp",
    "ᏣᎳᎩ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚",
    "Ⅷ ½ ² ①",
    "ﬁne ﬂow ﬀ",
    "ǅ Ǆ ŉ ẖ",
    "ꙮ ꞏ ꟋꟌ",
    "𐐀𐐁 𐵐 𖺠",
    "𞤀𞤁",
    "ᾳ ᾼ Ω K Å",
    "ｆｕｌｌ ＷＩＤＴＨ １２",
    "ᄀ ᅡ ᆨ 각 각",
]
MARKS = (
    "\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0328\u0323\u0331\u0345\u0334\u05b0\u05bc\u064b\u0651\u093c\u0e38\u302a"
)
LATE_MARKS = "\u0897\u08d3\u1ac1\u1abf\u1df6\U00010d24\U0001e2ae\U00011938\U00011935\U00011930\u07fd\u1715"
EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "❤️", "☃", "👨🏿‍🚀", "🧑‍🎨", "1️⃣", "🫠", "🪿", "✨✨"]
ENTITIES = [
    "&amp;",
    "&lt;b&gt;",
    "&quot;x&quot;",
    "&#39;",
    "&nbsp;",
    "&amp;amp;",
    "&eacute;",
    "<b>bold</b>",
    "Ã©",
    "â€™",
]
SPACES = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u0085",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\u180e",
    "\u1680",
    "\x0b",
    "\x1c",
]
CONTRACTIONS = [
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'T",
    "'Re",
    "'VE",
    "'M",
    "'Ll",
    "'D",
    "’s",
    "''s",
    "'",
    "'x",
    "'ss",
    "'lll",
]
PUNCTUATION = list("!?.,;:-_()[]{}<>|/\\\"'`~@#$%^&*+=") + [
    "...",
    "!!!",
    "?!",
    "--",
    "—",
    "…",
    "«»",
    "“”",
    "¿",
    "¡",
    "•",
    "→",
    "©",
    "№",
    "€",
    "<|",
    "|>",
]
CONTROLS = [
    "\x00",
    "\x01",
    "\x07",
    "\x1b[31m",
    "\x7f",
    "\x80",
    "\u200d",
    "\u200e",
    "\u202e",
    "\ufe0f",
    "\ufffd",
    "\ufffe",
    "\U0010ffff",
    "\ue000",
]
SPECIALS = [
    "<|startoftext|>",
    "<|endoftext|>",
    "<|STARTOFTEXT|>",
    "<|EndOfText|>",
    "<|endoftext|",
    "< |endoftext|>",
    "<|endoftext|>>",
    "</w>",
    "<w/>",
    "<|startoftext|>s",
]


FIXED = [
    "<|STARTOFTEXT|>!! <|ENDOFTEXT|>'s a<|EndOfText|>>b",
    "\U00011935\U00011930 \U00011935\u0301\u0323 q\u0301\u1abf\u0323",  # unknown to the reference's NFC
    "\ua7cb\ua7da \U00010d50\U00010d4a \U0002ebf0x",  # Unicode 15.1 and 16
    "\u0130 \u03a3\u03a3 \u1e9e",
]


def caption(r):
    words = ["a", r.choice(ADJECTIVES), r.choice(NOUNS)]
    if r.random() < 0.6:
        words += [r.choice(["in", "on", "beside", "under", "with"]), "the", r.choice(ADJECTIVES), r.choice(NOUNS)]
    text = " ".join(words)
    for _ in range(r.randrange(4)):
        text += r.choice([", ", " ", ",", "; "]) + r.choice(STYLES)
    return r.choice([str, str, str.upper, str.title, str.capitalize])(text)


def pieces(r):
    kind = r.randrange(12)
    if kind == 0:
        return r.choice(SCRIPTS)
    if kind == 1:
        return r.choice(EMOJI)
    if kind == 2:
        return r.choice(ENTITIES)
    if kind == 3:
        return "".join(r.choice(SPACES) for _ in range(r.randrange(1, 4)))
    if kind == 4:
        return r.choice(["it", "don", "Tom", "we", "I", "", "!", "é"]) + r.choice(CONTRACTIONS)
    if kind == 5:
        return "".join(r.choice(PUNCTUATION) for _ in range(r.randrange(1, 6)))
    if kind == 6:
        return r.choice(CONTROLS)
    if kind == 7:
        return r.choice(SPECIALS)
    if kind == 8:
        return str(r.randrange(10 ** r.randrange(1, 9))) + r.choice(["", "px", "%", ".5", "x4", "st", "²", "٣"])
    if kind == 9:
        base = r.choice("aeioucnsyAEIOUCNSZΑΙωא한q ")
        return base + "".join(r.choice(MARKS if r.random() < 0.8 else LATE_MARKS) for _ in range(r.randrange(1, 6)))
    if kind == 10:
        return "".join(chr(code_point(r)) for _ in range(r.randrange(1, 5)))
    return r.choice(NOUNS + ADJECTIVES)


def code_point(r):
    while True:
        c = r.choice(
            [r.randrange(0x20, 0x250), r.randrange(0x250, 0x3000), r.randrange(0x110000), r.randrange(0x1F000, 0x1FB00)]
        )
        if not 0xD800 <= c < 0xE000:
            return c


def prompt(i, r):
    if i == 0:
        return ""
    if i % 100 == 1:
        return ", ".join(caption(r) for _ in range(r.randrange(8, 30)))  # past one window
    if i % 250 == 2:
        return "".join(r.choice("abcdeab") for _ in range(r.randrange(100, 1500)))  # one long word
    if i % 5 < 2:
        return caption(r)
    if i % 5 == 2:
        words = caption(r).split(" ")
        for _ in range(r.randrange(1, 4)):
            words.insert(r.randrange(len(words) + 1), pieces(r))
        return " ".join(words)
    return "".join(pieces(r) for _ in range(r.randrange(1, 10)))


def prompts():
    return [prompt(i, random.Random(SEED * 100003 + i)) for i in range(N_PROMPTS)]


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]


def vocabulary(merges):
    letters = byte_alphabet()
    return [
        *letters,
        *(c + "</w>" for c in letters),
        *(m.replace(" ", "") for m in merges),
        "<|startoftext|>",
        "<|endoftext|>",
    ]


def ids(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def padded(tokenizer, text, length=77):
    return tokenizer(text, padding="max_length", max_length=length, truncation=True)["input_ids"]


def meta():
    return {
        "script": "tools/record_tokenizer_golden.py",
        "seed": SEED,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def record_prompts(merges, everything):
    tokenizer = CLIPTokenizer(
        vocab={t: i for i, t in enumerate(vocabulary(merges))}, merges=[tuple(m.split(" ")) for m in merges]
    )
    texts = prompts()
    if not everything:
        texts = [t[:400] if i % 40 else t for i, t in enumerate(texts)][
            ::11
        ]  # 11 has no factor in common with the generator's cycles
    texts += FIXED
    rows = [{"text": t, "ids": ids(tokenizer, t)} for t in texts]
    for i in range(0, len(rows), 25):
        rows[i]["padded"] = padded(tokenizer, rows[i]["text"])
    # Bytes that are no UTF-8, as Python replaces them.
    ill_formed = [
        "ff",
        "6180",
        "c3",
        "c0af",
        "e0809f",
        "eda080",
        "f09f9880f09f98",
        "f4908080",
        "61e282",
        "f8888080",
        "c328",
        "e28061",
    ]
    for text in ill_formed:
        rows.append({"bytes": text, "ids": ids(tokenizer, bytes.fromhex(text).decode("utf-8", "replace"))})
    return {**meta(), "rows": rows, "blocks": record_blocks(tokenizer)}


BLOCK = 0x400


def fnv1a(numbers):
    h = 0xCBF29CE484222325
    for n in numbers:
        h = (h ^ n) * 0x100000001B3 % 2**64
    return f"{h:016x}"


def record_blocks(tokenizer):
    """Hashes of the ids of all characters but most of the long runs of ideographs and Hangul syllables.

    In two surroundings: the first tells the classes (letter, number, space, other) and cases apart, the second how the
    character combines with marks before and after it.
    """
    blocks = []
    ranges = [(0, 0x3800), (0x9C00, 0xB000), (0xD400, 0xD800), (0xF800, 0x17400), (0x18400, 0x20400)]
    ranges += [(0x2A400, 0x2B000), (0x2E800, 0x30400), (0x31000, 0x32400), (0xE0000, 0xE0400)]
    for first in [b for start, end in ranges for b in range(start, end, BLOCK)]:
        characters = [chr(c) for c in range(first, first + BLOCK) if not 0xD800 <= c < 0xE000]
        classes = " ".join(f"a{c}!" for c in characters)
        marks = " ".join(f"q\u0308{c}\u0323\u0301" for c in characters)
        blocks.append([first, fnv1a(ids(tokenizer, classes)), fnv1a(ids(tokenizer, marks))])
    return blocks


def token(content, **flags):
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **flags}


def config_token(content, **flags):
    return {"__type": "AddedToken", **token(content, **flags)}


def record_folders(merges):
    """Settings of checkpoints in every form that is found, on a small vocabulary with its own ids."""
    merges = merges[:60]
    vocab = {t: (i * 5 + 3) % 574 for i, t in enumerate(vocabulary(merges))}
    assert len(vocab) == 574 and len(set(vocab.values())) == 574
    base = {"vocab.json": vocab, "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}
    tokenizer_json = {
        "version": "1.0",
        "added_tokens": [{"id": vocab["<|endoftext|>"], **token("<|endoftext|>", special=True, normalized=False)}],
        "model": {"type": "BPE", "vocab": vocab, "merges": [m.split(" ") for m in merges]},
    }
    sd15_names = {
        k: config_token(v)
        for k, v in (("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>"))
    }
    sd15_map = {k: {x: y for x, y in v.items() if x != "__type"} for k, v in sd15_names.items()}
    folders = {
        "bare": {},
        "sd15": {
            "tokenizer_config.json": {**sd15_names, "pad_token": "<|endoftext|>", "model_max_length": 77},
            "special_tokens_map.json": {**sd15_map, "pad_token": "<|endoftext|>"},
        },
        "sd2": {
            "tokenizer_config.json": {**sd15_names, "pad_token": "<|endoftext|>", "model_max_length": 77},
            "special_tokens_map.json": {**sd15_map, "pad_token": "!"},
        },
        "resaved": {
            "tokenizer_config.json": {
                "bos_token": "<|startoftext|>",
                "eos_token": "<|endoftext|>",
                "unk_token": "<|endoftext|>",
                "pad_token": "!",
                "model_max_length": 20,
                "added_tokens_decoder": {
                    str(vocab["!"]): token("!", normalized=False, special=True),
                    str(vocab["<|startoftext|>"]): token("<|startoftext|>", special=True),
                    str(vocab["<|endoftext|>"]): token("<|endoftext|>", normalized=False, special=True),
                },
            },
            "special_tokens_map.json": {"pad_token": "?"},
        },
        "inversion": {
            "added_tokens.json": {"<Cat-Toy>": 575, "<other>": 574, "<Cat-Toy>_1": 576},
            "tokenizer_config.json": {"pad_token": "<pad>", "additional_special_tokens": ["<Extra>"]},
        },
        "strips": {
            "tokenizer_config.json": {
                "added_tokens_decoder": {
                    "574": token("<left>", lstrip=True),
                    "575": token("<right>", rstrip=True, normalized=False),
                    "576": token("word", single_word=True),
                    "577": token("<both>", lstrip=True, rstrip=True, special=True),
                }
            }
        },
        "tokenizer_json": {"vocab.json": None, "merges.txt": None, "tokenizer.json": tokenizer_json},
        "tokenizer_json_first": {"merges.txt": "a b c\n", "tokenizer.json": tokenizer_json},
    }
    texts = [
        "",
        "a photo of a cat!",
        "Hello <|endoftext|> there <|ENDOFTEXT|> <|StartOfText|><|startoftext|>",
        "!!! wow!? é",
        "a <cat-toy> and <Cat-Toy>_1 <OTHER> <other>s <Extra> <extra> <pad>",
        "x  <left> y <right>  z <BOTH> w  <both>  <left> ",
        "a word, words, sword WORD. word",
        "ein längerer Satz " * 12,
    ]
    recorded = {}
    for name, changes in folders.items():
        files = {k: v for k, v in {**base, **changes}.items() if v is not None}
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                with open(os.path.join(folder, file), "w", encoding="utf-8") as f:
                    f.write(content if isinstance(content, str) else json.dumps(content))
            tokenizer = CLIPTokenizer.from_pretrained(folder)
        length = tokenizer.model_max_length if tokenizer.model_max_length < 1e6 else 77
        recorded[name] = {
            "changes": changes,
            "begin": tokenizer.bos_token_id,
            "end": tokenizer.eos_token_id,
            "pad": tokenizer.pad_token_id,
            "max_length": length,
            "rows": [{"text": t, "ids": ids(tokenizer, t), "padded": padded(tokenizer, t, length)} for t in texts],
        }
    return {**meta(), "base": base, "folders": recorded}


def write(path, content):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(content, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merges", required=True, help="src/models/data/clip_merges.txt")
    parser.add_argument("--out", help="prompts and ids")
    parser.add_argument("--all", action="store_true", help="all 5,000 prompts instead of a share of them")
    parser.add_argument("--folders", help="tokenizer folders and what the reference makes of them")
    args = parser.parse_args()
    with open(args.merges, encoding="utf-8") as f:
        merges = f.read().rstrip("\n").split("\n")
    if args.out:
        write(args.out, record_prompts(merges, args.all))
    if args.folders:
        write(args.folders, record_folders(merges))


if __name__ == "__main__":
    main()
