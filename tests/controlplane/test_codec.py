"""A record read back is the record that was written, by this version or another."""

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import ModuleType, UnionType
from typing import Final, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alb.model
import autoscaler.actions
import autoscaler.model
import autoscaler.policies
import scheduler.model
from alb.model import FixedResponse, Forward, Rule, WeightedGroup
from autoscaler.policies import ScalableTarget, StepScalingPolicy
from controlplane.codec import Codec, RecordUnreadable
from scheduler.definition import PortMapping
from tests.support.examples import examples
from tests.support.scaling import out


def dataclasses_of(module: ModuleType) -> list[type]:
    return [
        cls
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if dataclasses.is_dataclass(cls) and cls.__module__ == module.__name__
    ]


RECORDS = [
    cls
    for module in (
        alb.model,
        scheduler.model,
        autoscaler.model,
        autoscaler.policies,
        autoscaler.actions,
    )
    for cls in dataclasses_of(module)
]
CODEC = Codec({cls.__qualname__: cls for cls in RECORDS})
MANY: Final = 2


@cache
def values_of(kind: object) -> st.SearchStrategy[object]:
    """Return values of a type with collections of two at most.

    `st.from_type` draws them longer, and records within records within records
    then outgrow an example: most of them are drawn for nothing.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        fields = {
            item.name: values_of(hints[item.name]) for item in dataclasses.fields(kind)
        }
        return st.builds(kind, **fields)
    if origin in (Union, UnionType):
        return st.one_of(*map(values_of, inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values_of(inner[0]), max_size=MANY).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, inner))
    if origin is Mapping:
        return st.dictionaries(*map(values_of, inner), max_size=MANY)
    return st.from_type(kind)  # type: ignore[arg-type] # a type, or an alias of one


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__qualname__)
@settings(max_examples=examples(80), deadline=None)
@given(data=st.data())
def test_every_type_of_the_three_models_survives_a_round_trip(
    cls: type, data: st.DataObject
) -> None:
    kind = cls.__qualname__
    value = data.draw(values_of(cls))

    text = CODEC.encode(kind, value)
    read = CODEC.decode(kind, "key", text)

    assert value == read or "NaN" in text
    assert CODEC.encode(kind, read) == text


def test_alternatives_that_look_alike_stay_apart() -> None:
    codec = Codec({"rule": Rule})
    forward = Rule(1, (), Forward((WeightedGroup("web"),)))
    fixed = Rule(1, (), FixedResponse(200))

    texts = [codec.encode("rule", rule) for rule in (forward, fixed)]

    assert [forward, fixed] == [codec.decode("rule", "k", text) for text in texts]


def test_what_was_written_before_there_were_kinds_is_of_the_first() -> None:
    codec = Codec({"target": ScalableTarget, "policy": StepScalingPolicy})
    target = ScalableTarget("web", 1, 6, (out(),))
    policy = codec.encode("policy", out())
    assert '"_type"' not in policy
    text = codec.encode("target", replace(target, policies=()))
    before = text.replace('"policies":[]', f'"policies":[{policy}]')

    assert target == codec.decode("target", "k", before)


def test_a_field_of_a_later_version_is_ignored() -> None:
    codec = Codec({"port": PortMapping})

    read = codec.decode("port", "k", '{"container_port": 80, "colour": "red"}')

    assert read == PortMapping(80)


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", "{}", '{"container_port": "eighty"}', "null", "7"],
)
def test_what_cannot_be_read_names_the_record(text: str) -> None:
    codec = Codec({"port": PortMapping})

    with pytest.raises(RecordUnreadable, match='record port "a:80" cannot be read'):
        codec.decode("port", "a:80", text)
