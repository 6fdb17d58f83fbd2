"""English words that change the meaning of a noun: the closed lists of the noun filter, all singular and lower case."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A noun before one of these is still what the phrase is about: "pizza slice", "elephant calf", "bike rider".
TRANSPARENT_HEADS = _words("""
    slice piece half bunch herd flock group pair pack set collection stack pile row line variety assortment trio family
    calf cub foal kitten pup baby adult face head ear eye nose tail paw mane neck trunk fur back side top front rear end
    """)

# Verbs and adverbs of captions that taggers take for nouns.
NO_HEADS = _words("""
    sits lies lays grazes graze poses pose stares stare looks look waits wait jumps leaps smiles smile eats eat rides
    flies fly paddles tips rests sleeps sleep runs holds plays play stands swims watches drinks hangs performs grinds
    indoors outdoors inside outside together alone overhead nearby
    """)

# Nouns of class lists that are adjectives too.
ADJECTIVES = _words("orange male female adult human mobile individual nude teen royal military")

POSSESSIVES = frozenset({"my", "your", "his", "her", "its", "our", "their"})

# "a statue of a horse" shows no horse. A thing after one of these and "of" is depicted, not there.
DEPICTIONS = _words("""
    statue sculpture carving figurine figure painting drawing cartoon mural poster illustration sketch logo emblem
    silhouette outline replica imitation caricature doodle graffiti engraving symbol icon shape sign advertisement
    ad decal sticker print pattern tattoo mosaic billboard costume mask model
    """)
# These are the caption speaking of its own picture when nothing is named before them: "a photo of a cat".
PICTURES = _words("picture photo photograph image portrait shot view video snapshot close-up closeup print")

# Words in a noun phrase that make the thing an imitation: "toy car", "stuffed dog".
IMITATIONS = _words("""
    toy stuffed fake pretend plush miniature inflatable cartoon artificial imaginary lego origami animated mock model
    """)

# "shaped like a fish", "dressed as a cat", "looks like a boat"
LIKENESS = frozenset({("shaped", "like"), ("look", "like"), ("dressed", "as"), ("dressed", "like"), ("shape", "of")})

# Nothing named right after one of these is there.
NEGATIONS = frozenset({"no", "without", "zero", "neither", "nor", "minus", "not"})
# ... and after one of these with "of" or "from".
ABSENCES = frozenset({"lack", "absence", "empty", "free", "devoid", "missing", "absent"})
