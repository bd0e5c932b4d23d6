"""What a believable shop sells: the material that seeding makes products from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shelf:
    """A leaf of the category tree: its path, how its SKUs begin, what it holds, for how much."""

    path: str
    prefix: str
    things: tuple[str, ...]
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    cheapest: int
    dearest: int


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


_WOODS = _words("Oak, Beech, Ash, Walnut, Bamboo, Pine")
_METALS = _words("Steel, Stainless, Aluminium, Brass, Copper, Cast-Iron")
_CLOTHS = _words("Cotton, Linen, Wool, Hemp, Merino, Canvas")
_CLAYS = _words("Stoneware, Porcelain, Terracotta, Glass, Enamel")
_PAPERS = _words("Recycled, Laid, Dotted, Lined, Squared")
_WIDTHS = _words("20 cm, 24 cm, 28 cm, 32 cm")
_BODIES = _words("XS, S, M, L, XL, XXL")
_ROOM = _words("Small, Medium, Large")

SHELVES = (
    Shelf(
        "garden/tools",
        "TOOL",
        _words("Spade, Rake, Hoe, Trowel, Fork, Secateurs"),
        _METALS,
        _ROOM,
        9,
        79,
    ),
    Shelf(
        "garden/pots", "POTS", _words("Planter, Pot, Window Box, Saucer"), _CLAYS, _WIDTHS, 4, 69
    ),
    Shelf(
        "garden/furniture",
        "GFUR",
        _words("Bench, Table, Lounger, Chair, Parasol"),
        _WOODS,
        _ROOM,
        49,
        890,
    ),
    Shelf(
        "kitchen/cookware",
        "COOK",
        _words("Pan, Pot, Casserole, Wok, Griddle"),
        _METALS,
        _WIDTHS,
        19,
        249,
    ),
    Shelf(
        "kitchen/knives",
        "KNIF",
        _words("Chef's Knife, Paring Knife, Bread Knife, Cleaver"),
        _METALS,
        _ROOM,
        14,
        189,
    ),
    Shelf(
        "kitchen/tableware",
        "TABL",
        _words("Plate, Bowl, Mug, Jug, Platter"),
        _CLAYS,
        _WIDTHS,
        5,
        59,
    ),
    Shelf(
        "kitchen/boards",
        "BORD",
        _words("Chopping Board, Serving Board, Bread Box"),
        _WOODS,
        _ROOM,
        12,
        99,
    ),
    Shelf(
        "home/lighting",
        "LAMP",
        _words("Floor Lamp, Desk Lamp, Pendant, Wall Light"),
        _METALS,
        _ROOM,
        24,
        399,
    ),
    Shelf(
        "home/textiles",
        "TEXT",
        _words("Throw, Cushion, Curtain, Rug, Towel"),
        _CLOTHS,
        _ROOM,
        9,
        229,
    ),
    Shelf(
        "home/shelving",
        "SHLF",
        _words("Shelf, Bookcase, Sideboard, Coat Rack"),
        _WOODS,
        _ROOM,
        29,
        790,
    ),
    Shelf(
        "clothing/outerwear", "COAT", _words("Jacket, Coat, Parka, Vest"), _CLOTHS, _BODIES, 59, 349
    ),
    Shelf(
        "clothing/knitwear",
        "KNIT",
        _words("Jumper, Cardigan, Scarf, Beanie"),
        _CLOTHS,
        _BODIES,
        19,
        159,
    ),
    Shelf(
        "clothing/shirts", "SHRT", _words("Shirt, Tee, Polo, Overshirt"), _CLOTHS, _BODIES, 15, 99
    ),
    Shelf(
        "stationery/notebooks",
        "NOTE",
        _words("Notebook, Sketchbook, Diary, Pad"),
        _PAPERS,
        _words("A4, A5, A6"),
        3,
        39,
    ),
    Shelf(
        "stationery/pens",
        "PENS",
        _words("Fountain Pen, Ballpoint, Pencil, Marker"),
        _METALS,
        _words("Fine, Medium, Broad"),
        2,
        129,
    ),
    Shelf(
        "outdoor/bags",
        "BAGS",
        _words("Rucksack, Duffel, Tote, Messenger Bag"),
        _CLOTHS,
        _ROOM,
        29,
        219,
    ),
    Shelf(
        "outdoor/camping",
        "CAMP",
        _words("Tent, Lantern, Stove, Flask, Hammock"),
        _METALS,
        _ROOM,
        15,
        459,
    ),
)

MAKERS = _words(
    "Alder & Finch, Bramble, Corvid, Dunmore, Eastwick, Fennel, Gannet, Hollin, Kestrel, Lowland, "
    "Marram, Northcote, Osier, Pemberley, Quayside, Rowan, Saltmarsh, Thornbury, Umber, Wren"
)
COLORS = _words("black, white, sand, moss, ochre, rust, slate, navy, plum, natural")
QUALITIES = _words(
    "Everyday, Classic, Sturdy, Light, Folding, Handmade, Compact, Heritage, Little, Tall"
)
PRAISES = (
    "Made to be mended, and to be handed on.",
    "The one you reach for without thinking.",
    "Plain, solid, and better after ten years.",
    "Made in small batches by people who use it themselves.",
    "It does one thing, and does it well.",
    "Packed without plastic.",
)
