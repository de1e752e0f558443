"""Real architectures save, load and compute equal outputs, as class and into an instance.

They are built from small configurations; nothing is downloaded.
"""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from torch_saveload import save_load

IDS = torch.arange(12).reshape(2, 6) % 30
IMAGE = torch.linspace(0, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {"vocab_size": 30, "intermediate_size": 32, **SMALL}


@save_load()
class Hugging(nn.Module):
    """Any model of transformers, by the name of its class."""

    def __init__(self, name: str, options: dict):
        super().__init__()
        transformers = pytest.importorskip("transformers")
        model_class = getattr(transformers, name)
        config = model_class.config_class(**options)
        self.model = model_class._from_config(config, attn_implementation="eager")

    def forward(self, **inputs):
        return self.model(**inputs)[0]


HUGGING = {
    "BertForMaskedLM": (TEXT, {"input_ids": IDS}),
    "GPT2LMHeadModel": (
        {"vocab_size": 30, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
        {"input_ids": IDS},
    ),
    "LlamaForCausalLM": (
        {**TEXT, "num_key_value_heads": 1, "tie_word_embeddings": True},
        {"input_ids": IDS},
    ),
    "T5ForConditionalGeneration": (
        {"vocab_size": 30, "d_model": 16, "d_ff": 32, "num_layers": 2, "num_heads": 2, "d_kv": 8},
        {"input_ids": IDS, "decoder_input_ids": IDS},
    ),
    "ViTForImageClassification": (
        {**SMALL, "intermediate_size": 32, "image_size": 32, "patch_size": 8},
        {"pixel_values": IMAGE},
    ),
    "SwinForImageClassification": (
        {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1],
         "num_heads": [2, 2], "window_size": 4},
        {"pixel_values": IMAGE},
    ),
    "ResNetForImageClassification": (
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        {"pixel_values": IMAGE},
    ),
}  # fmt: skip


def check(cls, arguments, inputs, path, monkeypatch):
    """Train nothing, change everything a little, save, load both ways, compare."""
    torch.manual_seed(1)
    model = cls(*arguments).eval()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.1)
    expected = model(**inputs)
    for compress in (False, True):
        model.save(path, compress=compress)
        loaded = cls.load(path).eval()
        assert torch.equal(loaded(**inputs), expected)
        names = [name for name, _ in model.named_parameters()]
        assert [name for name, _ in loaded.named_parameters()] == names, "ties differ"
        other = cls(*arguments).eval()
        other.load(path)
        assert torch.equal(other(**inputs), expected)


@pytest.mark.parametrize("name", HUGGING)
@pytest.mark.filterwarnings("ignore")
def test_transformers(name, tmp_path, monkeypatch):
    options, inputs = HUGGING[name]
    check(Hugging, (name, options), inputs, tmp_path / "m.pth", monkeypatch)


@pytest.mark.filterwarnings("ignore")
def test_a_subclass_of_a_transformers_model(tmp_path):
    transformers = pytest.importorskip("transformers")

    @save_load(save_method_name="keep", load_method_name="take")
    class Bert(transformers.BertModel):
        def __init__(self, layers):
            super().__init__(transformers.BertConfig(**{**TEXT, "num_hidden_layers": layers}))

    model = Bert(1).eval()
    model.keep(tmp_path / "m.pth")
    loaded = Bert.take(tmp_path / "m.pth").eval()
    assert torch.equal(loaded(IDS)[0], model(IDS)[0])


def linear_net(change):
    @save_load()
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
            change(self)

        def forward(self, x):
            return self.body(x)

    return Net


class LowRank(nn.Module):
    """As LoRA does: the layer frozen, a product of two small matrices beside it."""

    def __init__(self, inner, rank=2):
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, inner.in_features))
        self.b = nn.Parameter(torch.zeros(inner.out_features, rank))

    def forward(self, x):
        return self.inner(x) + x @ self.a.T @ self.b.T


class Symmetric(nn.Module):
    def forward(self, w):
        return w.triu() + w.triu(1).transpose(-1, -2)


def lora(net):
    net.body[0], net.body[2] = LowRank(net.body[0]), LowRank(net.body[2])


def weight_norm(net):
    parametrizations.weight_norm(net.body[0])


def old_weight_norm(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(net.body[0])


def spectral_norm(net):
    parametrizations.spectral_norm(net.body[0])
    nn.utils.spectral_norm(net.body[2])


def orthogonal(net):
    parametrizations.orthogonal(net.body[0])


def symmetric(net):
    net.body.insert(0, nn.Linear(4, 4))
    parametrize.register_parametrization(net.body[0], "weight", Symmetric())


def pruned(net):
    from torch.nn.utils import prune

    prune.l1_unstructured(net.body[0], "weight", 0.5)


def recurrent(net):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(4, 8, bidirectional=True, batch_first=True)

        def forward(self, x):
            return self.rnn(x.unsqueeze(1))[0][:, -1, :8]

    net.body[0] = Last()


def attention(net):
    net.body.insert(
        0, nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0, norm_first=True)
    )


@pytest.mark.parametrize(
    "change",
    [lora, weight_norm, old_weight_norm, spectral_norm, orthogonal, symmetric, pruned, recurrent,
     attention],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_wrappers(change, tmp_path):
    torch.manual_seed(1)
    cls = linear_net(change)
    model = cls().eval()
    x = torch.linspace(0, 1, 8).reshape(2, 4)
    model.save(tmp_path / "m.pth")
    loaded = cls.load(tmp_path / "m.pth").eval()
    assert torch.equal(loaded(x), model(x))
    other = cls().eval()
    other.load(tmp_path / "m.pth")
    assert torch.equal(other(x), model(x))


def test_a_merged_state_of_lora_goes_into_the_plain_model(tmp_path):
    adapted, plain = linear_net(lora), linear_net(lambda _: None)
    model = adapted()
    model.save(tmp_path / "m.pth")
    fresh = plain()
    report = fresh.load(
        tmp_path / "m.pth",
        partial=True,
        rename={"body.0.inner": "body.0", "body.2.inner": "body.2"},
    )
    assert not report.missing
    assert torch.equal(fresh.body[0].weight, model.body[0].inner.weight)


def dynamically_quantized(net):
    net.body = torch.ao.quantization.quantize_dynamic(net.body, {nn.Linear}, torch.qint8)


def quantized_per_channel(net):
    engine = torch.ao.quantization.per_channel_dynamic_qconfig
    net.body = torch.ao.quantization.quantize_dynamic(net.body, {nn.Linear: engine})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("change", [dynamically_quantized, quantized_per_channel])
def test_quantized(change, compress, tmp_path):
    if not torch.backends.quantized.supported_engines:
        pytest.skip("this torch has no quantized kernels")
    cls = linear_net(change)
    model = cls().eval()
    x = torch.linspace(0, 1, 8).reshape(2, 4)
    model.save(tmp_path / "m.pth", compress=compress)
    loaded = cls.load(tmp_path / "m.pth").eval()
    assert torch.equal(loaded(x), model(x))
    other = cls().eval()
    other.load(tmp_path / "m.pth")
    assert torch.equal(other(x), model(x))
    read = torch.load(tmp_path / "m.pth", weights_only=True)
    assert {**read["model"], **read.get("compressed", {})}
