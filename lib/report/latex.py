"""Text, tables and figures as LaTeX that any engine compiles, whatever strangers wrote into them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

# Escaped by ourselves: of pylatexenc's 1,553 letters 337 become commands that, by their names, LaTeX lacks without
# further packages or encodings (Cyrillic, eth, thorn, ogonek, ...): told from a list of its commands, not compiled.
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\`{}", "[": "{[}", "*": "{*}",  # the last two would be arguments after a row's end
    "–": "--", "—": "---", "…": r"\ldots{}", "\u00a0": "~", "\u2212": "$-$", "\u2011": "-",
}
SYMBOLS = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ", (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon varphi chi "
    "psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega").split(), strict=True)) | {
    "≤": "leq", "≥": "geq", "≈": "approx", "≠": "neq", "×": "times", "±": "pm", "·": "cdot", "→": "to", "∞": "infty",
    "²": "^2", "³": "^3", "°": "^\\circ", "√": "surd", "∼": "sim", "µ": "mu",
}
LATIN = set("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ")  # every engine and encoding has these
# Letters of other scripts: set by engines that have them, a question mark elsewhere.
OTHER = r"\providecommand{\LGother}[1]{\ifdefined\XeTeXversion#1\else\ifdefined\directlua#1\else?\fi\fi}"
DIGITS = "Zero One Two Three Four Five Six Seven Eight Nine".split()
ACROSS, LONG = 100, 24  # letters of small print in a line; of a text that may be broken
UNITS = {".": "Point", "-": "Minus"}


def escape(text: str) -> str:
    """Any text as LaTeX that prints it: specials escaped, symbols in mathematics, control characters dropped."""
    out = []
    for letter in re.sub(r"\s+", " ", text):
        if letter in SPECIAL:
            out.append(SPECIAL[letter])
        elif letter in SYMBOLS:
            name = SYMBOLS[letter]
            out.append(f"${name}$" if name.startswith("^") else f"$\\{name}$")
        elif " " <= letter <= "~" or letter in LATIN:
            out.append("{}-" if letter == "-" and out and out[-1].endswith("-") else letter)  # two are not a dash
        elif letter.isprintable():
            out.append(f"\\LGother{{{letter}}}")
    return "".join(out)


def needs(text: str) -> str:
    """What has to stand before a text made by `escape`: the definition of `LGother`, if it is used."""
    return OTHER + "\n" if "\\LGother" in text else ""


def macro(*parts: str) -> str:
    """A name for a macro, of letters only, from words: stable, and readable: `LGVaeActive`, `LGCvaeBetaFourNmi`."""
    words = []
    for word in re.findall(r"[0-9]|[A-Za-z]+|(?<=[0-9])\.(?=[0-9])|(?<![A-Za-z0-9])-(?=[0-9])", " ".join(parts)):
        words.append(DIGITS[int(word)] if word.isdigit() else UNITS.get(word, word))
    return "LG" + "".join(word[0].upper() + word[1:] for word in words)


def table(data: pd.DataFrame, caption: str = "", label: str = "", numbers: Sequence[bool] = ()) -> str:
    """A table with booktabs' rules, made smaller where it would not fit its column or page. All text is escaped.

    `numbers` says which columns are set flush right. With a caption it floats. Needs booktabs and graphicx.
    """
    body = "\n".join([
        r"\begingroup\setbox0=\hbox{\small", rows(data, column_format(data, numbers)).strip() + "}%",
        r"\ifdim\ht0>0.4\textheight\setbox0=\hbox{\resizebox{!}{0.8\textheight}{\box0}}\fi",  # half hangs below
        r"\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\box0}\else\box0\fi\endgroup",
    ])
    if caption:
        body = "\n".join([r"\begin{table}", r"\centering", f"\\caption{{{escape(caption)}}}", f"\\label{{tab:{label}}}",
                          body, r"\end{table}"])
    return needs(body) + body + "\n"


def column_format(data: pd.DataFrame, numbers: Sequence[bool]) -> str:
    """Numbers flush right, texts flush left; where a line has no room for all letters, long texts are broken, in widths
    that share what the others leave (estimated: `ACROSS` letters are as wide as a page, a column's gap as two)."""
    numbers = numbers or [False] * data.shape[1]
    takes = [max(map(len, [str(name), *map(str, column)])) for name, column in data.items()]
    words = [max((len(word) for text in [str(name), *map(str, column)] for word in text.split()), default=1)
             for name, column in data.items()]
    long = [i for i, n in enumerate(takes) if not numbers[i] and n > LONG]
    left = ACROSS - 2 * len(takes) - sum(n for i, n in enumerate(takes) if i not in long)
    if not long or sum(takes[i] for i in long) <= left:
        return "".join("r" if n else "l" for n in numbers)
    shares = {i: max(words[i], left * takes[i] ** 0.5 / sum(takes[j] ** 0.5 for j in long)) / ACROSS for i in long}
    return "".join(f"p{{{shares[i]:.2f}\\linewidth}}" if i in shares else "r" if number else "l"
                   for i, number in enumerate(numbers))


def rows(data: pd.DataFrame, columns: str = "", **options: str) -> str:
    """A table's rows and rules, escaped, as a tabular or another `environment`; `columns` is its column format."""
    head = [escape(str(name)) for name in data]
    style = data.set_axis(range(len(head)), axis=1).reset_index(drop=True).style.hide(axis="index")
    style = style.format(lambda cell: escape(str(cell))).format_index(lambda i: head[i], axis=1)
    return style.to_latex(hrules=True, column_format=columns or "l" * len(head), **options)


def figure(path: str, caption: str, label: str) -> str:
    """A floating figure that shows the PDF at `path` as it is (made for its width), or a PNG as wide as there is room
    for. Needs graphicx."""
    wide = r"[width=\linewidth]" if path.endswith(".png") else ""
    said = f"\\caption{{{escape(caption)}}}\n\\label{{fig:{label}}}"
    picture = f"\\includegraphics{wide}{{{path}}}"
    text = "\n".join([r"\begin{figure}", r"\centering", picture, said, r"\end{figure}", ""])
    return needs(text) + text
