# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the network library (docs/model/workload.md section 6)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nn_dataflow import nns
from nn_dataflow.core.layer import (
    ConvLayer,
    EltwiseLayer,
    FCLayer,
    InputLayer,
    LocalRegionLayer,
    PoolingLayer,
)
from nn_dataflow.core.network import Network
from nn_dataflow.nns import add_lstm_cell, all_networks, import_network

NETWORKS = json.loads((Path(__file__).parents[1] / "data" / "networks.json").read_text())

# name: network name, input, (Conv, FC, Pooling, Eltwise), ops, filters, ofmaps, ifmaps
CHECKSUMS = {
    "alex_net": ("AlexNet", (3, 224), (10, 3, 6, 0), 725508992, 60954656, 781736, 1227126),
    "zfnet": ("ZFNet", (3, 224), (5, 3, 3, 0), 2479873760, 107616032, 2042056, 2328067),
    "vgg_net": ("VGG", (3, 224), (13, 3, 5, 0), 15476385792, 138344128, 15087080, 15770252),
    "vgg19_net": ("VGG19", (3, 224), (16, 3, 5, 0), 19638183936, 143652544, 16391656, 17223308),
    "googlenet": ("GoogLeNet", (3, 224), (57, 1, 5, 0), 1587096768, 6990272, 3714264, 6876251),
    "resnet50": ("ResNet", (3, 224), (53, 1, 2, 16), 3870918656, 25502912, 16310248, 22176715),
    "resnet152": ("ResNet", (3, 224), (155, 1, 2, 50), 11310614528, 60040384, 35377128, 49390539),
    "mlp_s": ("MLP-S", (784, 1), (0, 3, 0, 0), 519500, 519500, 760, 1534),
    "mlp_m": ("MLP-M", (784, 1), (0, 4, 0, 0), 1411500, 1411500, 1760, 2534),
    "mlp_l": ("MLP-L", (784, 1), (0, 4, 0, 0), 3181000, 3181000, 3010, 3784),
    "lstm_gnmt": ("GNMT", (1000, 1), (0, 16, 0, 17), 32033000, 32000000, 33000, 65000),
    "lstm_phoneme": ("PHONEME", (26, 1), (0, 6, 0, 4), 170100, 168980, 1321, 2406),
    "lstm_showtell": ("ShowTell", (512, 1), (0, 4, 0, 5), 2101760, 2097152, 4608, 8704),
}

# MACs of convolutions and fully-connected layers at batch 1, exact by the published layer shapes.
MACS = {
    "alex_net": 724_406_816,
    "vgg_net": 15_470_264_320,
    "vgg19_net": 19_632_062_464,
    "googlenet": 1_582_671_872,
    "resnet50": 3_857_973_248,
    "resnet152": 11_282_415_616,
    "zfnet": 2_476_704_896,
    "mlp_l": 3_181_000,
    "mlp_m": 1_411_500,
    "mlp_s": 519_500,
    "lstm_gnmt": 32_000_000,
    "lstm_phoneme": 168_980,
    "lstm_showtell": 2_097_152,
}
FC_MACS = {
    "alex_net": 58_621_952,
    "vgg_net": 123_633_664,
    "vgg19_net": 123_633_664,
    "googlenet": 1_024_000,
    "resnet50": 2_048_000,
    "resnet152": 2_048_000,
}
# Published numbers of parameters: filters, one bias per output channel, or, where a batch
# normalisation follows the convolutions, its two parameters per channel.
BIASED_PARAMETERS = {
    "alex_net": 60_965_224,
    "vgg_net": 138_357_544,
    "vgg19_net": 143_667_240,
}
NORMALISED_PARAMETERS = {
    "googlenet": 7_005_832,
    "resnet50": 25_557_032,
    "resnet152": 60_192_808,
}


def layers(name):
    network = import_network(name)
    return [network[layer_name] for layer_name in network]


def write_network(folder, body, name="my_net.py"):
    path = folder / name
    path.write_text(
        "from nn_dataflow.core.layer import ConvLayer, FCLayer, InputLayer\n"
        "from nn_dataflow.core.network import Network\n"
        "NN = Network('mine')\n"
        "NN.set_input_layer(InputLayer(3, 8))\n" + body
    )
    return path


def describe(layer):
    """Return a layer in the form of the reference data."""
    described = {
        "type": type(layer).__name__,
        "nofm": layer.nofm,
        "sofm": [layer.hofm, layer.wofm],
        "strd": [layer.htrd, layer.wtrd],
    }
    if not isinstance(layer, InputLayer):
        described |= {"nifm": layer.nifm, "sifm": [layer.hifm, layer.wifm]}
    if isinstance(layer, ConvLayer):
        described |= {"sfil": [layer.hfil, layer.wfil]}
    if isinstance(layer, LocalRegionLayer):
        described |= {
            "nreg": layer.nreg,
            "sreg": [layer.hreg, layer.wreg],
            "ntrd": layer.ntrd,
        }
    return described


@pytest.mark.parametrize("reference", NETWORKS, ids=lambda reference: reference["net"])
def test_equals_reference_data(reference):
    network = import_network(reference["net"])
    assert network.net_name == reference["net_name"]
    assert describe(network.input_layer()) == reference["input_layer"]
    assert [
        {"name": name, "layer": describe(network[name])} for name in network.ext_layers()
    ] == reference["ext_layers"]
    assert [
        {
            "name": name,
            "layer": describe(network[name]),
            "prevs": list(network.prevs(name)),
            "total_ops": network[name].total_ops(),
            "total_ifmap_size": network[name].total_ifmap_size(),
            "total_ofmap_size": network[name].total_ofmap_size(),
            "total_filter_size": (
                network[name].total_filter_size() if isinstance(network[name], ConvLayer) else 0
            ),
        }
        for name in network
    ] == reference["layers"]


def test_reference_data_has_all_networks():
    assert sorted(reference["net"] for reference in NETWORKS) == all_networks()
    assert sorted(CHECKSUMS) == sorted(MACS) == all_networks()


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksums(name):
    net_name, sinput, counts, ops, filters, ofmaps, ifmaps = CHECKSUMS[name]
    network, all_layers = import_network(name), layers(name)
    kinds = [type(layer) for layer in all_layers]
    assert network.net_name == net_name
    assert network.input_layer() == InputLayer(*sinput)
    assert len(network) == sum(counts)
    assert tuple(map(kinds.count, (ConvLayer, FCLayer, PoolingLayer, EltwiseLayer))) == counts
    assert sum(layer.total_ops() for layer in all_layers) == ops
    convs = [layer for layer in all_layers if isinstance(layer, ConvLayer)]
    assert sum(conv.total_filter_size() for conv in convs) == filters
    assert sum(layer.total_ofmap_size() for layer in all_layers) == ofmaps
    assert sum(layer.total_ifmap_size() for layer in all_layers) == ifmaps


def conv_layers(name):
    return [layer for layer in layers(name) if isinstance(layer, ConvLayer)]


@pytest.mark.parametrize("name", MACS)
def test_published_macs(name):
    assert sum(conv.total_ops() for conv in conv_layers(name)) == MACS[name]


@pytest.mark.parametrize("name", FC_MACS)
def test_published_macs_of_fully_connected_layers(name):
    fcs = [layer for layer in layers(name) if isinstance(layer, FCLayer)]
    assert sum(fc.total_ops() for fc in fcs) == FC_MACS[name]


@pytest.mark.parametrize("name", BIASED_PARAMETERS)
def test_published_parameters_with_biases(name):
    parameters = sum(conv.total_filter_size() + conv.nofm for conv in conv_layers(name))
    assert parameters == BIASED_PARAMETERS[name]


@pytest.mark.parametrize("name", NORMALISED_PARAMETERS)
def test_published_parameters_with_batch_normalisation(name):
    parameters = sum(
        conv.total_filter_size() + conv.nofm * (1 if isinstance(conv, FCLayer) else 2)
        for conv in conv_layers(name)
    )
    assert parameters == NORMALISED_PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "firsts", "last"),
    [
        ("alex_net", ("conv1_a", "conv1_b"), "fc3"),
        ("googlenet", ("conv1",), "fc"),
        ("resnet50", ("conv1",), "fc"),
        (
            "lstm_gnmt",
            ("cell_l0_cand", "cell_l0_igate", "cell_l0_fgate", "cell_l0_ogate"),
            "Wd",
        ),
        ("lstm_showtell", ("cell_cand", "cell_igate", "cell_fgate", "cell_ogate"), "Wd"),
        ("lstm_phoneme", ("We",), "Wd"),
    ],
)
def test_firsts_and_lasts(name, firsts, last):
    assert import_network(name).firsts() == firsts
    assert import_network(name).lasts() == (last,)


class TestLookup:
    def test_names(self):
        assert all_networks() == sorted(CHECKSUMS)

    def test_same_name_gives_the_same_object(self):
        network = import_network("alex_net")
        assert import_network("alex_net") is network
        assert import_network(Path(nns.__file__).parent / "alex_net.py") is network

    def test_import_loads_no_network(self):
        code = (
            "import sys, nn_dataflow.nns\n"
            "print([m for m in sys.modules if m.startswith('nn_dataflow.nns.')])"
        )
        root = Path(nns.__file__).parents[2]
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
        )
        assert ran.stdout.strip() == "[]"

    @pytest.mark.parametrize(
        ("name", "closest"),
        [("alexnet", "alex_net"), ("resnet51", "resnet50"), ("vgg", "vgg_net"), ("ZFNet", "zfnet")],
    )
    def test_unknown_name(self, name, closest):
        with pytest.raises(ImportError) as caught:
            import_network(name)
        message = str(caught.value)
        assert message == f"unknown network {name!r}, the closest known name is {closest!r}"

    @pytest.mark.parametrize("name", ["", "qqq", "inception"])
    def test_unknown_name_like_no_other(self, name):
        with pytest.raises(ImportError) as caught:
            import_network(name)
        names = ", ".join(all_networks())
        assert str(caught.value) == f"unknown network {name!r}, the known names are {names}"

    @pytest.mark.parametrize("name", ["__init__", "__builders", "os", "alex_net\n"])
    def test_other_modules_are_no_networks(self, name):
        with pytest.raises(ImportError, match=r"^unknown network"):
            import_network(name)


class TestFile:
    def test_a_file_defines_a_network(self, tmp_path, monkeypatch):
        path = write_network(tmp_path, "NN.add('conv', ConvLayer(3, 4, 8, 3))\n")
        network = import_network(path)
        assert network.net_name == "mine"
        assert list(network) == ["conv"]
        assert import_network(str(path)) is network
        monkeypatch.chdir(tmp_path)
        assert import_network("my_net.py") is network
        assert [entry.name for entry in tmp_path.iterdir()] == ["my_net.py"]

    @pytest.mark.parametrize(
        ("body", "place", "reason"),
        [
            (
                "NN.add('fc', FCLayer(4, 9, 8))\n",
                ", line 5, in `NN.add('fc', FCLayer(4, 9, 8))`",
                "ValueError: Network mine: layer fc needs 4 input channels, and its predecessors ",
            ),
            (
                "NN.add('conv', ConvLayer(3, 0, 8, 3))\n",
                ", line 5, in `NN.add('conv', ConvLayer(3, 0, 8, 3))`",
                "ValueError: ConvLayer: nofm must be a positive integer, got 0",
            ),
            (
                "NN.add('fc', FCLayer(3, 9, 8), prevs='conv')\n",
                ", line 5, in `NN.add('fc', FCLayer(3, 9, 8), prevs='conv')`",
                "KeyError: Network mine: predecessor 'conv' of layer fc is unknown",
            ),
            ("\nimport no_such_module\n", ", line 6, in", "ModuleNotFoundError: No module named"),
            ("NN.add('fc',\n", ", line 5: ", "SyntaxError: "),
            ("raise ValueError('two\\nlines')\n", ", line 5, in", "ValueError: two lines"),
            ("raise SystemExit(7)\n", ", line 5, in", "SystemExit: 7"),
            ("raise ValueError\n", ", line 5, in", "ValueError: "),
            ("del NN\n", ": ", "defines no NN"),
            ("NN = None\n", ": ", "NN must be a Network, got None"),
            ("NN = 'net'\n", ": ", "NN must be a Network, got 'net'"),
            ("", ": ", "the network NN has no layers"),
        ],
    )
    def test_a_bad_file_is_refused_in_one_line(self, tmp_path, body, place, reason):
        path = write_network(tmp_path, body)
        with pytest.raises(ImportError) as caught:
            import_network(path)
        message = str(caught.value)
        assert message.startswith(f"network file {path}{place}")
        assert reason.strip() in message
        assert "\n" not in message

    def test_unreadable_files(self, tmp_path):
        with pytest.raises(ImportError, match=r"no_net.py: FileNotFoundError: No such file"):
            import_network(tmp_path / "no_net.py")
        with pytest.raises(ImportError, match="IsADirectoryError: Is a directory"):
            import_network(tmp_path)
        binary = tmp_path / "binary.py"
        binary.write_bytes(b"\xff\x00\xfe")
        with pytest.raises(
            ImportError, match=r"^network file .*binary.py.*: (Syntax|Value)Error: "
        ):
            import_network(binary)

    def test_a_refused_file_can_be_mended(self, tmp_path):
        path = write_network(tmp_path, "del NN\n")
        with pytest.raises(ImportError):
            import_network(path)
        write_network(tmp_path, "NN.add('conv', ConvLayer(3, 4, 8, 3))\n")
        assert len(import_network(path)) == 1


class TestLSTMCell:
    @pytest.fixture
    def net(self):
        network = Network("lstm")
        network.set_input_layer(InputLayer(8, 1))
        return network

    def test_layers(self, net):
        assert add_lstm_cell(net, "u", 8, Network.INPUT_LAYER_KEY) == ("u_cout", "u_hout")
        assert {name: net.prevs(name) for name in net} == {
            "u_cand": ("u_hinit", None),
            "u_igate": ("u_hinit", None),
            "u_fgate": ("u_hinit", None),
            "u_ogate": ("u_hinit", None),
            "u_cout_f": ("u_cinit", "u_fgate"),
            "u_cout_i": ("u_cand", "u_igate"),
            "u_cout": ("u_cout_i", "u_cout_f"),
            "u_hout": ("u_cout", "u_ogate"),
        }
        assert net["u_cand"] == FCLayer(16, 8)
        assert net["u_hout"] == EltwiseLayer(8, 1, 2)
        assert net.ext_layers() == ("u_cinit", "u_hinit")

    def test_cells_may_be_chained_over_time_steps(self, net):
        cout, hout = add_lstm_cell(net, "t0", 8, Network.INPUT_LAYER_KEY)
        add_lstm_cell(net, "t1", 8, Network.INPUT_LAYER_KEY, cin=cout, hin=hout)
        assert net.ext_layers() == ("t0_cinit", "t0_hinit")
        assert net.prevs("t1_cout_f") == ("t0_cout", "t1_fgate")
        assert net.prevs("t1_cand") == ("t0_hout", None)

    @pytest.mark.parametrize(
        ("error", "arguments"),
        [
            (ValueError, {"xin": "no_layer"}),
            (ValueError, {"cin": "no_layer"}),
            (ValueError, {"hin": ""}),
            (ValueError, {"size": 9}),
            (ValueError, {"size": 0}),
            (KeyError, {"name": "taken"}),
        ],
    )
    def test_a_refused_cell_leaves_nothing_behind(self, net, error, arguments):
        net.add("taken_cout", FCLayer(8, 8))
        before = repr(net)
        with pytest.raises(error):
            add_lstm_cell(
                net, **{"name": "u", "size": 8, "xin": Network.INPUT_LAYER_KEY} | arguments
            )
        assert repr(net) == before
        assert net.ext_layers() == ()
        assert net.nexts("taken_cout") == (None,)

    def test_needs_a_network(self):
        with pytest.raises(TypeError, match="network must be a Network"):
            add_lstm_cell("net", "u", 8, "x")
