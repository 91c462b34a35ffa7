"""Whose run made an order: run numbers in client ids, and which of them are this journal's own."""

from realtrading.domain.identity import OwnRuns, superseded
from realtrading.domain.values import ClientId, Role


def an_id(run: int, prefix: str = "rt") -> str:
    """A client id of that run."""
    return str(ClientId(prefix=prefix, run=run, strategy="grid", role=Role.ENTRY, counter=1))


def test_runs_begun_and_adopted_are_its_own_and_no_others() -> None:
    """Every run up to the adopted one and every begun one is in; a newer one that was never begun is not."""
    runs = OwnRuns(begun=frozenset({20, 30}), adopted=9)
    assert [run in runs for run in (1, 9, 10, 20, 25, 30, 31)] == [True, True, False, True, False, True, False]


def test_a_fresh_journal_knows_no_strangers() -> None:
    """Without a begun run everything is its own: there is nobody yet who could have been superseded."""
    assert OwnRuns().strange(an_id(7), "rt") is None


def test_a_stranger_is_a_run_of_our_prefix_that_was_never_begun() -> None:
    """Another prefix, an id that is not ours to read, and an own run are nobody's business."""
    runs = OwnRuns(begun=frozenset({20}), adopted=9)
    assert runs.strange(an_id(21), "rt") == 21
    assert runs.strange(an_id(20), "rt") is None
    assert runs.strange(an_id(21, prefix="xy"), "rt") is None
    assert runs.strange("made-by-hand", "rt") is None


def test_only_the_first_run_of_a_restored_journal_adopts_what_it_never_had() -> None:
    """A restored backup adopts all runs below its new one; the next start of the same journal does not."""
    restored = OwnRuns(begun=frozenset({5, 40}), adopted=39)
    assert restored.adopted_by(40)
    assert not restored.adopted_by(41)
    assert not OwnRuns(begun=frozenset({40}), adopted=39).adopted_by(40), "a journal's very first run has nothing to adopt"


def test_the_sentence_names_the_order_the_run_and_the_way_out() -> None:
    """A person learns which order gave it away and which command takes over."""
    told = superseded(21, an_id(21))
    assert an_id(21) in told
    assert "run 21" in told
    assert "journal restore" in told
