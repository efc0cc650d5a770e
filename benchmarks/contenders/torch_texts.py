"""The networks for texts as PyTorch's modules, with the work's initial parameters."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from benchmarks.works import Array, Inputs, Work


def text_network(work: Work, inputs: Inputs) -> nn.Module:
    """It takes tokens (n, longest) and lengths (n,)."""
    assert work.texts is not None
    kinds = {layer["type"]: layer for layer in work.texts.layers}
    arrays = iter(inputs.arrays)
    if "lstm" in kinds:
        return LstmClassifier(arrays)
    if "text_cnn" in kinds:
        return KimCnn(arrays, kinds["text_cnn"]["widths"], kinds.get("dropout", {"rate": 0.0})["rate"])
    return Transformer(arrays, **kinds["repeat"]["layers"][0])


class LstmClassifier(nn.Module):
    """Packed sequences, or padded ones with the state at the end of each."""

    def __init__(self, arrays: Iterator[Array]) -> None:
        super().__init__()
        self.packed = True
        self.embedding = nn.Embedding.from_pretrained(_tensor(next(arrays)), freeze=False)
        weight, recurrent, bias = (_by_gate(next(arrays)) for _ in range(3))
        self.lstm = nn.LSTM(weight.shape[1], recurrent.shape[1], batch_first=True)
        with torch.no_grad():
            self.lstm.weight_ih_l0.copy_(weight)
            self.lstm.weight_hh_l0.copy_(recurrent)
            self.lstm.bias_ih_l0.copy_(bias)
            self.lstm.bias_hh_l0.zero_()
        self.lstm.bias_hh_l0.requires_grad_(False)  # a second bias would double the rate of the first
        self.dense = _linear(arrays)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.dense(self._packed(tokens, lengths) if self.packed else self._padded(tokens, lengths))  # type: ignore[no-any-return]

    def _packed(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(tokens, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(PackedSequence(self.embedding(packed.data), *packed[1:]))
        return last[0]  # type: ignore[no-any-return]

    def _padded(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(tokens[:, : int(lengths.max())]))
        return states[torch.arange(len(states)), lengths - 1]  # type: ignore[no-any-return]


class Transformer(nn.Module):
    def __init__(self, arrays: Iterator[Array], heads: int, causal: bool, **_: str) -> None:
        super().__init__()
        table, positions, *blocks, gain, offset = arrays
        self.embedding = nn.Embedding.from_pretrained(_tensor(table), freeze=False)
        self.positions = nn.Parameter(_tensor(positions))
        rest = iter(blocks)
        self.blocks = nn.Sequential(*(Block(rest, heads, causal) for _ in range(len(blocks) // Block.PARAMETERS)))
        self.norm = _norm(iter((gain, offset)))
        self.scale = table.shape[1] ** -0.5

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.blocks(self.embedding(tokens) + self.positions))
        return F.linear(x, self.embedding.weight) * self.scale


class Block(nn.Module):
    PARAMETERS = 12

    def __init__(self, arrays: Iterator[Array], heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before_attention = _norm(arrays)
        self.projection, self.output = _linear(arrays), _linear(arrays)
        self.before_dense = _norm(arrays)
        self.first, self.second = _linear(arrays), _linear(arrays)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, positions, width = x.shape
        projected = self.projection(self.before_attention(x)).view(n, positions, 3, self.heads, width // self.heads)
        queries, keys, values = projected.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=self.causal)
        x = x + self.output(attended.transpose(1, 2).reshape(n, positions, width))
        hidden = F.gelu(self.first(self.before_dense(x)), approximate="tanh")
        return x + self.second(hidden)  # type: ignore[no-any-return]


class KimCnn(nn.Module):
    """Kim 2014: the largest output of each filter over time."""

    def __init__(self, arrays: Iterator[Array], widths: list[int], rate: float) -> None:
        super().__init__()
        table = next(arrays)
        size = table.shape[1]
        self.embedding = nn.Embedding.from_pretrained(_tensor(table), freeze=False)
        weights = [next(arrays) for _ in widths]
        filters = weights[0].shape[1]
        self.convolutions = nn.ModuleList(nn.Conv1d(size, filters, width) for width in widths)
        bias = next(arrays).reshape(len(widths), filters)
        with torch.no_grad():
            for module, weight, own in zip(self.convolutions, weights, bias, strict=True):
                module.weight.copy_(_tensor(weight.reshape(size, -1, filters).transpose(2, 0, 1)))
                module.bias.copy_(_tensor(own))
        self.dropout = nn.Dropout(rate)
        self.dense = _linear(arrays)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = self.embedding(tokens).transpose(1, 2)
        largest = [convolution(x).max(dim=2).values for convolution in self.convolutions]
        return self.dense(self.dropout(F.relu(torch.cat(largest, dim=1))))  # type: ignore[no-any-return]


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.copy())


def _by_gate(array: Array) -> torch.Tensor:
    """Of gates o, i, f, g along the last axis: i, f, g, o along the first one, as PyTorch has them."""
    o, rest = array[..., : array.shape[-1] // 4], array[..., array.shape[-1] // 4 :]
    return torch.cat([_tensor(rest.T), _tensor(o.T)])


def _linear(arrays: Iterator[Array]) -> nn.Linear:
    weight, bias = next(arrays), next(arrays)
    module = nn.Linear(*weight.shape)
    with torch.no_grad():
        module.weight.copy_(_tensor(weight.T))
        module.bias.copy_(_tensor(bias))
    return module


def _norm(arrays: Iterator[Array]) -> nn.LayerNorm:
    gain, offset = next(arrays), next(arrays)
    module = nn.LayerNorm(len(gain))
    with torch.no_grad():
        module.weight.copy_(_tensor(gain))
        module.bias.copy_(_tensor(offset))
    return module
