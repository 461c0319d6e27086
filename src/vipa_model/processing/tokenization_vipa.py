"""Text to token ids without a hub: a byte-level BPE small enough to read, and the folder tokenizer for full size."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "chat_template.jinja",
)
PAD, END, IMAGE = 256, 257, 258
_FIRST_MERGE = 259


class ByteTokenizer:
    """Byte-level BPE: ids 0-255 are bytes, then pad, end, image, then merges. Encodes any UTF-8 text.

    merges: pairs of ids in the order learned; merge i makes id 259 + i. Raises ValueError for a merge of ids that are none.
    """

    pad, end, image = PAD, END, IMAGE

    def __init__(self, merges: list[tuple[int, int]] | None = None) -> None:
        self.merges = [tuple(m) for m in merges or []]
        for i, merge in enumerate(self.merges):
            ids = [m for m in merge if type(m) is int and (0 <= m < 256 or _FIRST_MERGE <= m < _FIRST_MERGE + i)]
            if len(merge) != 2 or len(ids) != 2:
                raise ValueError(f"merge {i} is {str(merge)[:60]}; allowed: two ids of bytes or of merges before it")
        self._rank = {pair: i for i, pair in enumerate(self.merges)}

    @classmethod
    def train(cls, texts: list[str], vocab: int) -> ByteTokenizer:
        """Learn merges from the distinct ``texts`` until there are ``vocab`` ids or each text is one token."""
        words = [list(t.encode()) for t in sorted(set(texts))]
        merges: list[tuple[int, int]] = []
        while len(merges) < vocab - _FIRST_MERGE:
            pairs = Counter(pair for word in words for pair in zip(word, word[1:], strict=False))
            if not pairs:
                break
            best = max(pairs, key=lambda p: (pairs[p], p))
            words = [_merge(word, best, _FIRST_MERGE + len(merges)) for word in words]
            merges.append(best)
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``, without special tokens."""
        ids = list(text.encode())
        while len(ids) > 1:
            rank, pair = min((self._rank.get(p, len(self.merges)), p) for p in zip(ids, ids[1:], strict=False))
            if rank == len(self.merges):
                break
            ids = _merge(ids, pair, _FIRST_MERGE + rank)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text of ``ids``; special and unknown ids are left out."""
        return b"".join(self._bytes(i) for i in ids).decode(errors="replace")

    def _bytes(self, i: int) -> bytes:
        if i < 256:
            return bytes([i])
        if not 0 <= i - _FIRST_MERGE < len(self.merges):
            return b""
        left, right = self.merges[i - _FIRST_MERGE]
        return self._bytes(left) + self._bytes(right)


class FolderTokenizer:
    """The tokenizer files of an InternVL checkpoint, read by transformers from a local folder (full size only)."""

    def __init__(self, folder: str | Path) -> None:
        from transformers import AutoTokenizer

        self.folder, self.grown = Path(folder), False
        self.inner = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        self.pad = self.inner.pad_token_id if self.inner.pad_token_id is not None else self.inner.eos_token_id
        turn = self.inner.convert_tokens_to_ids("<|im_end|>")  # ends a turn, whatever the folder's eos is
        self.end = self.inner.eos_token_id if turn in (None, self.inner.unk_token_id) else turn

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text, add_special_tokens=False)

    def add_motion(self, first: int, words: list[str]) -> None:
        """Give the ids from ``first`` on to the motion tokens' ``words``; ids between the folder's last word and them, which the
        embedding has and no text uses, get names of their own. Raises ValueError if the folder has words beyond ``first``."""
        if words[0] in self.inner.get_vocab():
            return
        gap = first - len(self.inner)
        if gap < 0:
            raise ValueError(
                f"{self.folder} has {len(self.inner)} words, the embedding {first}; allowed: as many at most"
            )
        self.inner.add_tokens([f"<|reserved_{i}|>" for i in range(gap)])
        self.inner.add_tokens(words)
        self.grown = True

    def save_pretrained(self, folder: Path) -> None:
        """Write the tokenizer's files into ``folder``: as they were read, unless it has grown."""
        if self.grown:
            self.inner.save_pretrained(str(folder))
            return
        for name in _FILES:
            source = self.folder / name
            if source.is_file() and source.resolve() != (folder / name).resolve():
                shutil.copyfile(source, folder / name)

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(ids, skip_special_tokens=True)


def _merge(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out
