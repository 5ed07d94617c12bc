"""Model cards: one record, as JSON for programs and as Markdown for people."""

from dataclasses import replace

import pytest

from model.cards import ModelCard, card_from_json, card_to_json, card_to_markdown, graphs_from_json

CARD = ModelCard(
    name="kimnet-lite",
    version="1.2",
    skeleton="kinepose13",
    input_size=256,
    gflop=1.2112,
    parameters=3_088_905,
    sha256="ab" * 32,
    licence="CC-BY-NC-4.0",
    data="Two data sets | and a half.",
    data_licences={"LSPET": "research only", "JHMDB": "research only"},
    split="splits/kinepose.json, train",
    command="kinepose-train single",
    pck={"jhmdb_test_person@0.2": 84.77},
    pck_per_joint={"jhmdb_test_person@0.2": {"head": 95.5}, "jhmdb_test_torso@0.2": {"left_knee": 51.0}},
    notes="Bars are no people.",
)


def test_a_card_survives_json() -> None:
    """What was written is read; the digest is not in the text but comes from the weights."""
    text = card_to_json(CARD)
    assert CARD.sha256 not in text
    assert card_from_json(text, CARD.sha256) == CARD


def test_graphs_are_named_beside_the_card() -> None:
    """What holds for the graphs survives JSON, and is no part of the card."""
    text = card_to_json(CARD, {"sha256": "cd"})
    assert graphs_from_json(text) == {"sha256": "cd"}
    assert card_from_json(text, CARD.sha256) == CARD
    assert graphs_from_json(card_to_json(CARD)) == {}


@pytest.mark.parametrize("graphs", ["[]", '"yes"', '{"sha256": 1}'])
def test_graphs_of_another_form_are_refused(graphs: str) -> None:
    """A file that was written by hand, and wrongly."""
    with pytest.raises(ValueError, match="object of texts"):
        graphs_from_json(f'{{"graphs": {graphs}}}')


def test_a_list_is_no_card() -> None:
    """JSON of another kind is refused with what it is."""
    with pytest.raises(ValueError, match="expected a JSON object, got list"):
        card_from_json("[]", "")


def test_markdown_tells_what_json_tells() -> None:
    """Facts, licences, measures, joints and the command are all there for a reader."""
    text = card_to_markdown(CARD)
    assert text.startswith("# kimnet-lite 1.2\n")
    for fact in ("1.21", "3.09 M", "CC-BY-NC-4.0", "research only", "84.8", "95.5", "51.0", CARD.sha256):
        assert fact in text
    assert "```\nkinepose-train single\n```" in text


def test_a_table_row_keeps_its_cells() -> None:
    """A bar in a text does not open a column, and a joint without a number leaves its cell empty."""
    text = card_to_markdown(CARD)
    assert "Two data sets \\| and a half." in text
    assert "| head | 95.5 |  |" in text
    assert "| left_knee |  | 51.0 |" in text


def test_what_is_not_known_takes_no_room() -> None:
    """Sections without content are left out."""
    bare = replace(CARD, data_licences={}, pck={}, pck_per_joint={}, command="", notes="", split="")
    text = card_to_markdown(bare)
    assert "##" not in text
    assert "Split" not in text
