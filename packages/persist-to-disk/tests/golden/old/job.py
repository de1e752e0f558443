"""Run by version 0.0.7, as ``python -m pipeline.job`` in a folder ``project``."""
import argparse

import persist_to_disk as ptd

computed = []


def result(call):
    computed.append(call)
    return {"by": "0.0.7", "call": call}


@ptd.persistf(hashsize=3)
def plain(dataset, lr, epochs=30):
    return result("plain" if dataset == "MNIST" else "other")


@ptd.persistf(groupby=["dataset", "epochs"], expand_dict_kwargs=["kw"], skip_kwargs=["device"])
def grouped(dataset, epochs, kw, device="cpu"):
    return result("grouped")


@ptd.persistf(expand_dict_kwargs="all")
def expanded(options, x):
    return result("expanded")


@ptd.persistf(hash_method="json")
def by_json(x, y):
    return result("json")


@ptd.persistf()
def namespace(args):
    return result("namespace")


@ptd.persistf()
def same_text(a, b):
    return result("same text")


@ptd.persistf(hashsize=1)
def one(x):
    computed.append(x)
    return {"by": "0.0.7", "x": x}


if __name__ == "__main__":
    plain("MNIST", lr=1e-3)
    grouped("MNIST", 20, {"width": 8, "deep": True}, device="cuda")
    expanded({"a": {"b": 1, "c": "x"}}, 5)
    by_json("x", y=(1, 2))
    namespace(argparse.Namespace(lr=0.1, name="n"))
    same_text("text", "text")
    one(1)
