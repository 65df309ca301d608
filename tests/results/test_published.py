"""Published numbers stand beside the results that they can be compared with."""

from __future__ import annotations

from frames import cell, frame_of

from workbench.results.published import with_published

OMNIGLOT = {"train_on": "omniglot", "test_on": "omniglot", "shots": 1}
PROTONET = OMNIGLOT | {"all_options": "distance=euclidean,temperature=1.0"}


def test_the_published_number_stands_beside_its_own_setting():
    lake = "omniglot:split=lake"
    frame = frame_of(
        cell("protonet", [0.5, 0.6], **PROTONET),
        cell("protonet", [0.5], **PROTONET | {"backbone": "conv4:width=32"}),
        cell("protonet", [0.5], **PROTONET | {"train_on": lake, "test_on": lake}),
        cell("protonet", [0.5], **PROTONET | {"train_on": "glyphs"}),
        cell("protonet", [0.5], **PROTONET | {"protocol": "unbalanced"}),
        cell("protonet", [0.5], **PROTONET | {"shots": 3}),
        cell("protonet", [0.5], **PROTONET | {"split": "train"}),
        cell("gone", [0.5], **PROTONET),
    )
    found = with_published(frame)
    assert found["published"].fillna(0).tolist() == [98.8, 98.8, 0, 0, 0, 0, 0, 0, 0]
    assert found["published_spread"].isna().all()
    assert found["published_spread_kind"].eq("").all()
    assert found["published_source"].ne("").tolist() == [True, True] + [False] * 7


def test_where_an_option_tells_published_numbers_apart_its_own_is_shown():
    rows = [
        ("maml", "first_order=false,inner_steps=1", 98.7),
        ("maml", "first_order=true,inner_steps=1", 98.3),
        ("fomaml", "first_order=true,inner_steps=1", 98.3),
        ("reptile", "inductive=true", 95.39),
        ("reptile", "inductive=false", 97.68),
    ]
    cells = []
    for name, options, _ in rows:
        pooling = "stride-whole" if name == "reptile" else "stride"
        setting = OMNIGLOT | {"backbone": f"conv4:norm=batch,pooling={pooling}"}
        cells.append(cell(name, [0.5], all_options=options, **setting))
    found = with_published(frame_of(*cells))
    assert found["published"].tolist() == [number for _, _, number in rows]
    assert "Nichol" in found["published_source"][1]


def test_varying_ways_and_several_training_sets_match():
    together = "ilsvrc_2012 + omniglot + aircraft + cu_birds + dtd + quickdraw + fungi + vgg_flower"
    varying = {"protocol": "meta-dataset", "ways": None, "shots": None, "queries": None}
    frame = frame_of(
        cell(
            "cnaps",
            [0.5],
            train_on=together,
            test_on="omniglot:channels=3,size=84,split=alphabets",
            backbone="resnet18:stem=medium",
            **varying,
        )
    )
    found = with_published(frame)
    assert found["published"].tolist() == [91.7]


def test_a_standard_deviation_over_trainings_is_no_interval():
    setting = OMNIGLOT | {"ways": 20, "backbone": "conv4:norm=batch,pooling=stride"}
    frame = frame_of(cell("anil", [0.5], all_options="nil=true,inner_steps=5", **setting))
    found = with_published(frame)
    assert found["published"].tolist() == [96.7]
    assert found["published_spread"].tolist() == [0.3]
    assert found["published_spread_kind"].tolist() == ["sd"]
    assert found["published_source"][0].endswith("±: standard deviation over trainings")


def test_an_old_number_does_not_stay():
    frame = cell("gone", [0.5], published=98.8, published_source="a paper")
    found = with_published(frame)
    assert found["published"].isna().all()
    assert found["published_source"].tolist() == [""]
