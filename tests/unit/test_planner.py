"""What a run has to do, from literal files and rows: assessment, refusals, plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalls.assessment import assess
from smalls.errors import Exit, SmallsError, UsageError
from smalls.migration import Migration
from smalls.model import Direction, Edited, HistoryRow, Kind, OnNewer, OutOfOrder, Policies, Revision, Unfinished
from smalls.naming import revision_of_key, revision_of_stem
from smalls.planner import ZERO, parse_target, plan_backward, plan_baseline, plan_forward
from smalls.refusals import raise_first, refusals

BOTH_WAYS = b"def migrate(): pass\ndef rollback(): pass\n"
DEV = Policies(OutOfOrder.APPLY, Edited.WARN, OnNewer.ACCEPT)
PROD = Policies(OutOfOrder.REFUSE, Edited.REFUSE, OnNewer.ACCEPT)


def file(stem, source=BOTH_WAYS):
    return Migration(revision_of_stem(stem), f"migrations/{stem}.py", source)


def files(*stems):
    return [file(stem) for stem in stems]


def row(number, key, **columns):
    return HistoryRow(number, revision_of_key(key), **columns)


def rows(*keys):
    return [row(number, key) for number, key in enumerate(keys, start=1)]


def look(found, recorded=(), policies=DEV, unfinished=()):
    return assess(found, recorded, unfinished, policies)


def names(migrations):
    return [str(getattr(m, "revision", None) or m.row.revision) for m in migrations]


def policies(**changes):
    chosen = {"out_of_order": OutOfOrder.APPLY, "edited": Edited.WARN, "on_newer": OnNewer.ACCEPT} | changes
    return Policies(**chosen)


def codes(assessment, chosen):
    return [int(error.exit_code) for error in refusals(assessment, chosen)]


# ── assessment and forward plans ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stems", "applied", "pending"),
    [
        ((), (), ()),
        (("0001_a", "0002_b"), (), ("0001_a", "0002_b")),
        (("0002_b", "0001_a"), ("0001_a",), ("0002_b",)),
        (("0001_a", "0004_d"), ("0001_a",), ("0004_d",)),
        (("9999_a", "10000_b"), (), ("9999_a", "10000_b")),
        (("0003_b", "0003_a"), (), ("0003_a", "0003_b")),
        (("0003_b", "0003_a"), ("0003_a",), ("0003_b",)),
        (("0001_a", "0002_b", "0003_c"), ("0003_c", "0001_a"), ("0002_b",)),
    ],
)
def test_what_is_pending_in_dev(stems, applied, pending):
    """Every file that is not recorded is pending, in order of number and name; gaps and late ones too."""
    assert names(plan_forward(look(files(*stems), rows(*applied)), DEV)) == list(pending)


@pytest.mark.parametrize(
    ("applied", "late"),
    [
        (("0001_a", "0003_c"), ["0002_b"]),
        (("0002_b",), ["0001_a"]),
        (("0001_a", "0002_b"), []),
        (("0003_d",), ["0001_a", "0002_b", "0003_c"]),
        ((), []),
    ],
)
def test_late_arrivals_by_policy(applied, late):
    """A file below an applied one is late: applied in order, refused whole, or left out, by the policy."""
    found = files("0001_a", "0002_b", "0003_c", "0003_d", "0004_e")
    recorded = rows(*applied)
    waiting = [name for name in names(found) if name not in applied]
    for choice in OutOfOrder:
        chosen = policies(out_of_order=choice)
        assessment = look(found, recorded, chosen)
        assert names(assessment.out_of_order) == late
        if choice is OutOfOrder.REFUSE and late:
            with pytest.raises(SmallsError, match=late[0]) as raised:
                plan_forward(assessment, chosen)
            assert raised.value.exit_code == Exit.HISTORY
        else:
            ignored = late if choice is OutOfOrder.IGNORE else []
            assert names(plan_forward(assessment, chosen)) == [name for name in waiting if name not in ignored]


@pytest.mark.parametrize(
    ("target", "planned"),
    [
        ("2", ["0002_b"]),
        ("0002", ["0002_b"]),
        ("3", ["0002_b", "0003_c", "0003_d"]),
        ("0003_c", ["0002_b", "0003_c"]),
        ("1", []),
        ("zero", []),
    ],
)
def test_up_to_a_target(target, planned):
    """A number takes all files of that number, a full name itself and what is before it."""
    found = files("0001_a", "0002_b", "0003_c", "0003_d", "0004_e")
    assessment = look(found, rows("0001_a"))
    wanted = parse_target(target, [m.revision for m in found])
    assert names(plan_forward(assessment, DEV, wanted)) == planned


@pytest.mark.parametrize("target", ["5", "0009"])
def test_a_target_that_is_not_there(target):
    """A number that no file has is a usage error, not a silent run of something else."""
    with pytest.raises(UsageError, match="no migration"):
        plan_forward(look(files("0001_a")), DEV, parse_target(target, []))


@pytest.mark.parametrize("text", ["", "abcd", "-1", "0001_x", "1.5", "0001_A", "zeros", "¹", "9" * 5000])
def test_what_is_no_target(text):
    """A target is a number, a full name that exists, or zero; anything else is a usage error."""
    with pytest.raises(UsageError):
        parse_target(text, [Revision("", 1, "0001_a")])


def test_targets():
    """Numbers with and without zeros, full names and zero."""
    known = [Revision("", 3, "0003_x")]
    assert parse_target("3", known) == parse_target("0003", known)
    assert parse_target("0003_x", known).name == "0003_x"
    assert parse_target("zero", known).number == ZERO


def test_a_target_among_ignored_ones():
    """A late file that is ignored still is a file: up to it means up to its number."""
    chosen = policies(out_of_order=OutOfOrder.IGNORE)
    assessment = look(files("0001_a", "0002_b", "0003_c", "0004_d"), rows("0003_c"), chosen)
    assert names(plan_forward(assessment, chosen, parse_target("2", []))) == []


# ── what stands against it ──────────────────────────────────────────────────────────────────────────────


def test_edited_by_policy():
    """An edited file is found by its checksum, and refused or let pass by the policy."""
    found = [file("0001_a", BOTH_WAYS + b"x = 1\n"), file("0002_b")]
    recorded = [row(1, "0001_a", checksum=file("0001_a").checksum.recorded())]
    assert [entry.row.key for entry in look(found, recorded).edited] == ["0001_a"]
    assert codes(look(found, recorded), DEV) == []
    assert codes(look(found, recorded, PROD), PROD) == [8]


def test_missing():
    """A row without a file is refused in every environment, and named."""
    for chosen in (DEV, PROD):
        assessment = look(files("0001_a"), rows("0001_a", "0000_z"), chosen)
        (error,) = refusals(assessment, chosen)
        assert (error.exit_code, error.fields["migrations"]) == (8, ["0000_z"])


def test_no_files_at_all():
    """History and not one file is an image without its files."""
    (error,) = refusals(look([], rows("0001_a")), DEV)
    assert (error.exit_code, error.code) == (8, "SML-HISTORY-NO-FILES")
    assert refusals(look([], []), DEV) == []


@pytest.mark.parametrize(
    ("recorded", "own", "outcome"),
    [
        # the row's image_version and min_version, this image's version, what it is
        (("2.0", None), "1.0", "incompatible"),
        (("2.0", "1.0"), "1.0", "compatible"),
        (("2.0", "0.9"), "1.0", "compatible"),
        (("2.0", "1.1"), "1.0", "incompatible"),
        (("2.0", "1.0"), None, "incompatible"),
        (("1.0", "0.1"), "1.0", "missing"),
        (("0.9", "0.1"), "1.0", "missing"),
        ((None, "0.1"), "1.0", "missing"),
        (("1.10", "1.9"), "1.9", "compatible"),
        (("42", "7"), "41", "compatible"),
    ],
)
def test_newer_rows(recorded, own, outcome):
    """A row above the files from a higher image is newer, and compatible where this image is at its floor."""
    version, floor = recorded
    chosen = policies(image_version=own)
    assessment = look(
        files("0001_a"), [row(1, "0001_a"), row(2, "0002_b", image_version=version, min_version=floor)], chosen
    )
    assert [r.key for r in assessment.missing] == (["0002_b"] if outcome == "missing" else [])
    assert [r.key for r in assessment.incompatible] == (["0002_b"] if outcome == "incompatible" else [])
    assert codes(assessment, chosen) == {"missing": [8], "incompatible": [9], "compatible": []}[outcome]


@pytest.mark.parametrize("own", ["1.0", None])
def test_what_only_added_things_needs_no_floor(own):
    """The fact is recorded with the row; what is not known is not compatible, and a floor is always asked for."""
    chosen = policies(image_version=own)
    recorded = [
        row(1, "0001_a"),
        row(2, "0002_b", image_version="2.0", additive=True),
        row(3, "0003_c", image_version="2.0", additive=False),
        row(4, "0004_d", image_version="2.0"),
        row(5, "0005_e", image_version="2.0", additive=True, min_version="1.1"),
    ]
    assessment = look(files("0001_a"), recorded, chosen)
    assert [r.key for r in assessment.incompatible] == ["0003_c", "0004_d", "0005_e"]


def test_an_app_that_this_image_does_not_know_is_newer():
    """Where a higher image recorded it; else its folder may have been forgotten."""
    recorded = [row(1, "0001_a"), row(2, "shop.0001_b", image_version="2", additive=True)]
    known = look(files("0001_a"), recorded, policies(image_version="1"))
    assert ([r.key for r in known.newer], known.missing) == (["shop.0001_b"], ())
    for own in ("2", None):
        assert [r.key for r in look(files("0001_a"), recorded, policies(image_version=own)).missing]


def test_newer_is_above_the_highest_file():
    """A row below the highest file is missing, whatever image recorded it."""
    chosen = policies(image_version="1")
    found = look(files("0001_a", "0003_c"), [row(1, "0002_b", image_version="2", min_version="1")], chosen)
    assert ([r.key for r in found.missing], found.newer) == (["0002_b"], ())


def test_upstreams_version_column_counts():
    """The newer upstream's integer version tells a newer image too; its 0 tells nothing."""
    chosen = policies(image_version="1")
    recorded = [row(1, "0002_b", version=2), row(2, "0003_c", version=0)]
    assessment = look(files("0001_a"), recorded, chosen)
    assert [r.key for r in assessment.newer] == ["0002_b"]
    assert [r.key for r in assessment.missing] == ["0003_c"]


def test_newer_can_be_refused():
    """With on_newer=refuse even a compatible row is refused."""
    chosen = policies(image_version="1", on_newer=OnNewer.REFUSE)
    recorded = [row(1, "0002_b", image_version="2", min_version="1")]
    assert codes(look(files("0001_a"), recorded, chosen), chosen) == [9]


def test_precedence():
    """Where several stand against a run, 7 comes before 8 before 9, and the first carries the others."""
    chosen = policies(out_of_order=OutOfOrder.REFUSE, edited=Edited.REFUSE, image_version="1")
    found = [file("0001_a", b"def migrate(): ...\n"), *files("0002_b", "0003_c")]
    recorded = [
        row(1, "0001_a", checksum="1:x:y"),
        row(2, "0003_c"),
        row(3, "0000_z"),
        row(4, "0009_n", image_version="2"),
    ]
    work = Unfinished("0002_b", "failed", Direction.FORWARD, "2026-01-01 00:00:00", {})
    assessment = look(found, recorded, chosen, [work])
    errors = refusals(assessment, chosen)
    assert [error.exit_code for error in errors] == [7, 8, 8, 8, 9]
    with pytest.raises(SmallsError) as raised:
        plan_forward(assessment, chosen)
    assert raised.value.exit_code == 7
    assert len(raised.value.as_dict()["also"]) == 4


def test_raise_first_of_nothing():
    """Nothing against it raises nothing."""
    raise_first([])


# ── back ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "undone"),
    [
        ("1", ["0002_b", "0003_c"]),
        ("2", ["0003_c"]),
        ("3", []),
        ("7", []),
        ("0000", ["0002_b", "0003_c", "0001_a"]),
        ("zero", ["0002_b", "0003_c", "0001_a", "0000_z"]),
        ("0001_a", ["0002_b", "0003_c"]),
    ],
)
def test_rollback_undoes_what_is_above_in_reverse_of_application(number, undone):
    """Last applied first, late arrivals included, never the number itself; zero takes number 0 too."""
    stems = ("0000_z", "0001_a", "0003_c", "0002_b")
    assessment = look(files(*stems), rows(*stems))
    target = parse_target(number, [m.revision for m in files(*stems)])
    assert names(plan_backward(assessment, DEV, target)) == undone


@pytest.mark.parametrize("kind", [Kind.BASELINED, Kind.FAKED])
def test_rollback_leaves_alone_what_was_never_run(kind):
    """Baselined and faked rows stay, even where their file has no way back."""
    found = [file("0001_a", b"def migrate(): pass\n"), file("0002_b")]
    assessment = look(found, [row(1, "0001_a", kind=kind), row(2, "0002_b")])
    assert names(plan_backward(assessment, DEV, parse_target("zero", []))) == ["0002_b"]


def test_everything_that_cannot_be_undone_is_named():
    """A missing file, a missing rollback() and reversible = False are all told before anything is undone."""
    found = [
        file("0002_b", b"def migrate(): pass\n"),
        file("0003_c", BOTH_WAYS + b"reversible = False\n"),
        file("0005_e"),
    ]
    assessment = look(found, rows("0002_b", "0003_c", "0004_d", "0005_e"))
    with pytest.raises(SmallsError, match="Nothing was undone") as raised:
        plan_backward(assessment, DEV, parse_target("0", []))
    assert raised.value.exit_code == Exit.HISTORY
    assert all(name in raised.value.message for name in ("0002_b", "0003_c", "0004_d"))
    assert "0005_e" not in raised.value.message


def test_only_what_is_above_must_be_undoable():
    """What stays may be as irreversible as it likes."""
    found = [file("0001_a", b"def migrate(): pass\n"), file("0002_b")]
    assessment = look(found, rows("0001_a", "0002_b", "0000_gone"))
    assert names(plan_backward(assessment, DEV, parse_target("1", []))) == ["0002_b"]


def test_rollback_of_an_edited_file():
    """In PROD a changed file's rollback() is not run unseen."""
    found = [file("0001_a", BOTH_WAYS + b"x = 1\n")]
    recorded = [row(1, "0001_a", checksum=file("0001_a").checksum.recorded())]
    target = parse_target("0", [])
    assert names(plan_backward(look(found, recorded), DEV, target)) == ["0001_a"]
    with pytest.raises(SmallsError, match="0001_a"):
        plan_backward(look(found, recorded, PROD), PROD, target)


def test_nothing_is_undone_on_top_of_something_half_done():
    """An unfinished migration is settled first."""
    work = Unfinished("0002_b", "running", Direction.FORWARD, "now", {})
    with pytest.raises(SmallsError) as raised:
        plan_backward(look(files("0001_a"), rows("0001_a"), DEV, [work]), DEV, parse_target("0", []))
    assert raised.value.exit_code == Exit.FAILED_PARTIAL


# ── baseline ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("choice", list(OutOfOrder))
@pytest.mark.parametrize(
    ("applied", "number", "planned"),
    [
        ((), "2", ["0001_a", "0002_b"]),
        ((), "0002_b", ["0001_a", "0002_b"]),
        (("0001_a",), "2", ["0002_b"]),
        (("0001_a", "0002_b"), "2", []),
        (("0003_c",), "2", ["0001_a", "0002_b"]),
        (("0003_c",), "3", ["0001_a", "0002_b"]),
    ],
)
def test_baseline(applied, number, planned, choice):
    """Everything up to the number that is not recorded yet, late ones too, whatever the policy."""
    chosen = policies(out_of_order=choice)
    found = files("0001_a", "0002_b", "0003_c")
    target = parse_target(number, [m.revision for m in found])
    assert names(plan_baseline(look(found, rows(*applied), chosen), target)) == planned


def test_baseline_needs_a_number_that_is_there():
    """A mistyped number baselines nothing."""
    with pytest.raises(UsageError, match="0009"):
        plan_baseline(look(files("0001_a")), parse_target("9", []))


def test_baseline_is_no_way_around_repair():
    """What failed half-way is not recorded as applied without a look and a word of consent."""
    work = Unfinished("0001_a", "failed", Direction.FORWARD, "now", {})
    with pytest.raises(SmallsError) as raised:
        plan_baseline(look(files("0001_a"), unfinished=[work]), parse_target("1", []))
    assert raised.value.exit_code == Exit.FAILED_PARTIAL


# ── laws ────────────────────────────────────────────────────────────────────────────────────────────────

STEMS = st.builds(lambda number, word: f"{number:04d}_{word}", st.integers(0, 30), st.sampled_from("abc"))


@given(
    stems=st.sets(STEMS, max_size=12),
    applied=st.lists(STEMS, unique=True, max_size=8),
    choice=st.sampled_from(OutOfOrder),
)
def test_every_file_and_row_is_accounted_for_once(stems, applied, choice):
    """Each file is applied, pending or ignored, and each row has a file or is missing, whatever there is."""
    chosen = policies(out_of_order=choice)
    assessment = look(files(*stems), rows(*applied), chosen)
    pending, late = names(assessment.pending), names(assessment.out_of_order)
    with_file = {entry.row.key for entry in assessment.applied if entry.migration}
    assert set(pending) | set(late) | with_file == stems
    assert not with_file & (set(pending) | set(late))
    assert with_file | {r.key for r in (*assessment.missing, *assessment.newer)} == set(applied)
    assert pending == sorted(pending)
    assert set(late) <= set(pending) or choice is OutOfOrder.IGNORE
    assert [entry.row.key for entry in assessment.applied] == applied


@given(stems=st.sets(STEMS, min_size=1, max_size=12), number=st.integers(0, 31), order=st.randoms())
def test_forward_then_back_is_the_identity(stems, number, order):
    """Rolling back to a number undoes exactly what migrating from there applied, in the reverse order."""
    every = sorted(stems)
    order.shuffle(every)
    assessment = look(files(*stems), rows(*every))
    undone = names(plan_backward(assessment, DEV, parse_target(str(number), [])))
    assert undone == [key for key in reversed(every) if int(key[:4]) > number]
    left = [key for key in every if key not in undone]
    again = look(files(*stems), rows(*left))
    assert names(plan_forward(again, DEV)) == sorted(undone)
