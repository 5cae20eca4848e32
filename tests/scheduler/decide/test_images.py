"""A tag means one image for a whole deployment."""

from dataclasses import replace

from scheduler.decide.images import resolved, to_resolve, with_images
from tests.support.tasks import container, definition

DIGEST = "web@sha256:1111"


def test_each_tag_is_asked_for_once_and_digests_never() -> None:
    three = definition(
        container("web"),
        container("same"),
        replace(container("pinned"), image="log@sha256:2222"),
        replace(container("free"), image="free:1", version_consistency=False),
        replace(container("process"), image=""),
    )
    assert ["web:1"] == [each.image for each in to_resolve(three)]
    images = resolved(three, {"web:1": DIGEST, "free:1": "free@sha256:3333"})
    assert (("web", DIGEST), ("same", DIGEST)) == images


def test_tasks_run_what_was_found() -> None:
    one = definition(container("web"), replace(container("free"), image="free:1"))
    ran = with_images(one, (("web", DIGEST),))
    assert [DIGEST, "free:1"] == [each.image for each in ran.containers]
    assert one is with_images(one, ()), "nothing was found: as it is written"
