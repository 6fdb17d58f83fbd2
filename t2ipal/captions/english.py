"""English words that decide what a noun of a caption means: the closed lists of the noun filter, all in lower case.

Lemmas (singular nouns, infinitives), unless a list says otherwise.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    return frozenset((first, second) for first, second in (pair.split() for pair in text.strip().split(", ")))


# --- Heads of noun phrases

# A noun before one of these is still what the phrase is about: "pizza slice", "elephant calf", "bike rider".
TRANSPARENT_HEADS = _words("""
    slice piece half bunch herd flock group pair pack set collection wheel trick equipment gear screen stack pile row
    line variety assortment trio family calf cub foal kitten pup baby adult face head ear eye nose tail paw mane neck
    trunk fur back side top front rear end
    """)

# Verbs and adverbs of captions that taggers take for nouns, as written.
NO_HEADS = _words("""
    sits lies lays grazes graze poses pose stares stare looks look waits wait jumps leaps smiles smile eats eat rides
    flies fly paddles tips rests sleeps sleep runs holds plays play stands swims watches drinks hangs performs grinds
    indoors outdoors inside outside together alone overhead nearby cut
    """)

# Verbs whose forms are names of things: "shelves house books", "some bear fruit", "benches that bear names".
VERBS = _words("bear house park train book fork bat fish ship duck sport man crane bowl sink tie watch surf")

# What people and animals do, in words that are nouns too: "a zebra stand in front of rocks".
DOINGS = _words("stand walk rest graze drink swim jump pose ride play fly climb stroll dash sprint race march nap")

# Nouns that end as participles do: "boxing ring", not "giraffe grazing".
ING_NOUNS = _words("""
    ring string king wing building ceiling painting clothing railing earring evening morning spring thing wedding
    bedding carving engraving lettering molding moulding lining stitching netting paneling icing frosting stocking
    housing siding flooring awning sling sibling pudding dumpling duckling
    """)

# Nouns of class lists that are adjectives too.
ADJECTIVES = _words("orange male female adult human mobile individual nude teen royal military remote")

COLOURS = _words("""
    white black grey gray blue red green yellow brown pink purple violet orange silver gold golden beige tan teal cream
    turquoise maroon navy ivory magenta cyan crimson bronze khaki olive
    """)
# Things that colours are called after: "an orange, white and blue bus".
COLOUR_THINGS = _words("orange rose lavender salmon coral navy peach lilac violet olive")
# What only a colour is, before it: "burnt orange", "in orange".
SHADES = _words("""
    bright burnt vibrant dark deep light pale vivid solid neon striking in hue shade tone tint tinge accent streak
    splash touch glow band stripe burst gradient hint wash speck dash
    """)
# "painted orange": the object of these is a colour
COLOURING = _words("wear paint dress color colour turn dye glow light stain tint shade")

POSSESSIVES = frozenset({"my", "your", "his", "her", "its", "our", "their"})
SINGULAR = frozenset({"a", "an", "one", "this", "that", "another", "each", "every"})
SEVERAL = _words("two three four five six seven eight nine ten several many some few these those both various numerous")
DEFINITE = POSSESSIVES | {"the", "this", "that", "these", "those", "both", "each"}

# --- People and animals

# Words that only people are called by, as written.
HUMANS = _words("""
    man men woman women people person persons boy boys girl girls guy guys lady ladies gentleman gentlemen child
    children kid kids toddler toddlers teenager teenagers player players rider riders surfer surfers skier skiers
    snowboarder skateboarder skateboarders driver crowd tourist tourists passenger passengers commuter pedestrian
    pedestrians someone worker workers officer policeman soldier soldiers farmer cowboy student students trainer
    handler vendor cyclist biker spectator spectators audience fisherman bride groom athlete batter catcher individuals
    he him himself she herself his i me my we us our you your person's
    """)
# Words for relatives, ages and sexes, of people and of animals.
KIN = _words("""
    mother father mom mum mama mamma dad papa parent family baby child infant sibling brother sister twin son daughter
    adult male female youngster newborn couple friend companion owner individual youth juvenile
    """)
# Those of them that are people unless an animal is said to be one.
KIN_OF_PEOPLE = _words("baby child infant son daughter couple friend owner family youth individual twin")
ANIMALS = _words("""
    animal bird duck goose swan owl eagle hen rooster chicken penguin ostrich flamingo parrot pigeon gull seagull
    pelican cat kitten dog puppy horse pony foal mare colt donkey zebra mule sheep lamb goat ewe ram cow cattle calf
    bull ox bison buffalo elk moose deer antelope elephant bear cub panda giraffe lion lioness tiger leopard cheetah
    wolf fox monkey ape gorilla chimpanzee pig piglet rabbit squirrel camel kangaroo hippo hippopotamus rhino
    rhinoceros raccoon otter seal whale dolphin turtle tortoise lizard snake frog crocodile alligator hamster
    creature critter bovine feline canine equine pachyderm polar grizzly steer yak llama alpaca gazelle impala
    orangutan walrus heron pelican stork sparrow crow hawk raven vulture robin dove falcon peacock flamingo
    hummingbird woodpecker parakeet cockatoo macaw emu egret mallard ibis kingfisher toucan puffin cormorant
    starling finch pheasant quail magpie turkey duckling chick poodle terrier bulldog dalmatian retriever labrador
    chihuahua dachshund beagle collie pug husky corgi greyhound rottweiler spaniel panda unicorn dragon dinosaur
    fish shark octopus crab lobster butterfly hedgehog beaver badger skunk hare reindeer koala hyena jaguar panther
    lynx
    """)
PETS = _words("cat kitten dog puppy animal creature")
# Parts of the body that show a person, unless something else has them: "the arms of the chair", "clock hands".
PARTS = _words("arm hand finger leg foot face head mouth hair lap thumb knee")

# "a baby's room" needs no baby.
ROOM_OWNERS = _words("someone somebody child children kid kids baby men women boys girls people ladies")
# Those for whom a picture is taken: "looks at the photographer".
BEHOLDERS = _words("photographer cameraman viewer")
TOWARDS = _words("of at to toward towards by for facing faces face")

# --- What is not there

# "a statue of a horse" shows no horse. A thing after one of these and "of" is depicted, not there.
FLAT_DEPICTIONS = _words("""
    painting drawing cartoon mural poster illustration sketch logo emblem silhouette outline doodle graffiti engraving
    symbol icon sign advertisement ad decal sticker print pattern tattoo mosaic billboard artwork caricature graphic
    motif depiction rendering rendition representation portrayal stencil screenshot insignia crest embroidery
    relief fresco etching applique clipart hologram projection pictogram hieroglyph petroglyph watermark reflection
    shadow
    """)
SOLID_DEPICTIONS = _words("""
    statue sculpture carving figurine figure bust replica imitation shape costume mask model cutout effigy gargoyle
    mannequin ornament likeness toy doll puppet topiary dummy plush plushie magnet keychain pinata
    """)
DEPICTIONS = FLAT_DEPICTIONS | SOLID_DEPICTIONS | {"design"}
# These are the caption speaking of its own picture when nothing is named before them: "a photo of a cat".
PICTURES = _words("picture photo photograph image portrait shot view video snapshot close-up closeup print")
# A picture in the picture, by the word before it: "a framed photograph", "a projected image".
FRAMED = _words("framed projected scanned")
# Works of art: what a caption says after one of them as its subject is in the work.
ARTWORKS = _words("""
    painting drawing cartoon mural poster illustration sketch artwork caricature screenshot rendering engraving comic
    """)
# What these show is named with "with", too: "a poster with a dog".
SHOWING = _words(
    "poster mural painting drawing illustration tapestry mosaic sticker decal tattoo logo emblem embroidery comic"
)
# "a face on a shirt", "the singer on the poster": what lives is not there if it is on one of these ...
PRINTED_ON = _words("""
    shirt t-shirt tshirt sweater sweatshirt hoodie jersey apron poster billboard mural label cover stamp postcard banner
    wallpaper logo emblem screen can badge coin tapestry
    """)
# ... or in one of these.
SHOWN_IN = _words("painting drawing mural poster illustration cartoon tapestry mosaic logo advertisement ad reflection")
# "a painted background showing trees"
SURFACES = _words("background backdrop panel wall surface scene scenery screen")
TOY_SUBJECTS = _words("statue sculpture figurine gargoyle mannequin toy doll puppet plush plushie stuffed bust carving")
# They end what is depicted: "a poster of a dog by a wall" is by a real wall.
PLACES = _words("next near behind above outside hanging below under in at by beside ")
# "a sign that shows a bike", "a poster featuring a man", "a sign warning people"
SHOWS = _words("show display feature read say warn advertise tell contain bear list illustrate ask prohibit ban")
# "the statues depict two rhinos", "a bag emblazoned with a cat": verbs for what is no more than a picture.
DEPICTS = _words("depict portray represent symbolize symbolise illustrate imitate mimic resemble evoke emulate")
MARKED = _words("emblazon embellish embroider engrave print paint etch imprint stamp inscribe pattern tattoo")

# Words in a noun phrase that make the thing an imitation: "toy car", "stuffed dog".
IMITATIONS = _words("""
    toy stuffed stuff fake pretend plush miniature inflatable cartoon artificial imaginary lego origami animated mock
    model faux replica animatronic stylized stylised taxidermied mythical mythological fictional virtual simulated
    papier-mache
    """)
# Words of class lists for toys themselves.
TOYS = _words("teddy stuffed plush toy doll")
# ... if the thing would be alive: "a ceramic cat".
IMITATED_LIVES = _words("""
    wooden ceramic porcelain plastic metal bronze marble stone concrete carved painted sculpted paper cardboard
    rubber knitted crocheted decorative ornamental chocolate embroidered engraved printed glass brass iron clay
    wicker gummy crochet knit felt balloon costumed fondant marzipan gingerbread robot robotic mechanical steel
    copper straw wax plaster terracotta resin pewter crystal jade granite beaded woven sewn etched drawn illustrated
    stenciled topiary wire fabric cloth velvet gilded
    """)

# Things that grow are imitated in these too.
NATURAL = _words("leaf flower rose tulip lily petal blossom tree plant branch bush vine")

# "shaped like a fish", "dressed as a cat", "looks like a boat", "similar to a dog"
LIKENESS = _pairs(
    "shaped like, look like, dressed as, dressed like, shape of, form of, reminiscent of, similar to, akin to, "
    "style of, likeness of, disguised as, size of, fashioned into, carved into, shaped into, sculpted into, "
    "hint of, suggestion of, act as, serve as, double as, use as, instead of, lieu of, fashion of, inspire by, "
    "model after, model on, name after, nickname the, know as, remind of, pass for, depict as, draw as, portray as, "
    "paint as, paint like, dress up, pretend to, imitation of, cross between"
)
# "possibly a tower", "what might be a boat"
HEDGES = _words("possibly perhaps maybe presumably probably supposedly apparently likely seemingly")
SEEMING = _words("appear seem")
MODALS = _words("might may could")
# An infinitive follows.
AUXILIARIES = _words("can could will would may might must should shall does do did")

# Nothing named right after one of these is there.
NEGATIONS = frozenset({"no", "without", "zero", "neither", "nor", "minus", "not", "never"})
# ... and after one of these with "of" or "from".
ABSENCES = frozenset({"lack", "absence", "empty", "free", "devoid", "missing", "absent", "bereft", "void", "clear"})
# "the dog is not visible"
SEEN = _words("visible seen see shown show present pictured depicted there in")
# What is waited for is not there yet, unless it stops for people.
ARRIVALS = _words("bus train subway tram plane airplane boat ferry taxi car")
# "a sign with a bike on it"
CARRIERS = _words("sign flag shirt banner billboard sticker card badge mug")
# "made of stone": materials
MATERIAL = _words("make construct build craft carve sculpt")
# "a bear crossing sign"
MARKERS = _words("sign lot area zone lane post")
# "the men's room": what is called after people who need not be there
OWNED = _words("""
    room restroom bathroom bedroom washroom toilet office market day house home shop store station license seat crib
    lounge locker clothes clothing shoe bike bicycle desk name choice wharf pie purse section department aisle area
    memorial
    """)
VEHICLES = _words("jet plane airplane aircraft train bus car ship ferry boat van truck vehicle seat")
# "wire to deter birds": what a thing is for need not be there.
AVERTS = _words("deter prevent repel attract avoid scare warn prohibit")
# "seen from a plane": what one looks from is not in view.
VIEWED = _words(
    "view viewed seen taken shot photographed visible looking look captured filmed photo picture image perspective"
)
VIEWPOINTS = _words("window inside interior cockpit cabin deck balcony porthole")
# People are in one of these with ("on a bus") or without ("inside a bus") a word before that says so: one sees its
# inside.
ENCLOSED = _words("bus train airplane plane aeroplane jet airliner subway tram car van taxi suv")
SEATED = _words("sit sat seat seated passenger sleep asleep nap read eat ride commuter")
INTENDED = _words("mean intend design designate reserve suit suitable ideal perfect")
# --- Other meanings

# With "of", comparisons and measures: "a bed of pebbles", "signs of wear", "a tower of plates".
FIGURES = _words("""
    bed sea ocean river stream pool mountain hill forest tower rainbow cloud wave army flame cascade waterfall sign
    lake jet
    """)
# ... unless they consist of it: "a pool of water", "a forest of trees"
REAL_CONTENTS = _words("water tree pine ice palm sand rock")
# ... and those that are never meant with "of".
NEVER_OF = _words("bed jet sign tower cloud")

# After a noun and a hyphen: what is only like the thing, or lacks it.
LIKE_SUFFIXES = _words("""
    shaped like themed style styled inspired esque sized size colored coloured patterned looking printed print type
    free less only proof made friendly resistant scented flavored flavoured
    """)
# ... without a hyphen as well.
SHAPED = _words("shaped themed inspired esque")
# Before a noun and a hyphen.
UNLIKE_PREFIXES = _words("anti non faux pseudo ex")

# Words with a meaning besides that of the class lists: it counts if one of these words, as written, is in the sentence.
OTHER_SENSES = {
    "apple": _words("laptop computer macbook keyboard monitor logo iphone mac"),
    "ball": _words("""
        baseball pitcher pitchers batter catcher glove bat mound outfield bases cake cupcake frosting ladder juggling
        """),
    "bat": _words("cave vampire halloween pumpkin flying wings winged upside"),
    "batter": _words("bowl blender mixer cake pancake whisk fried mix mixing flour dough"),
    "bear": _words("holding hugging bed couch sofa shelf cake toy pillow crib plush gift store"),
    "bed": _words("truck pickup trailer tractor mulch pebbles pebble gravel soil"),
    "bike": _words("motorcyclist motorcyclists harley bikers biker"),
    "bowl": _words("skate skateboard skateboarder skateboarding skater ramp"),
    "bull": _words("elephant elephants moose elk seal seals"),
    "calf": _words("elephant elephants giraffe giraffes whale whales moose elk hippo rhino camel camels tattoo"),
    "canine": _words("teeth tooth jaw fangs"),
    "colt": _words("zebra zebras football"),
    "controller": _words("urinal toilet shower bathroom thermostat sprinkler"),
    "cub": _words("lion lions lioness tiger tigers leopard cheetah cheetahs wolf fox baseball chicago scout scouts"),
    "catcher": _words("wind dream sun feather feathers hung"),
    "crane": _words("construction"),
    "dish": _words("satellite soap antenna"),
    "dog": _words("mustard ketchup relish chili sauerkraut bun buns fries coleslaw condiments toppings onions"),
    "foal": _words("zebra zebras donkey"),
    "fork": _words("motorcycle bicycle bike suspension branches trunk river"),
    "gondola": _words("ski skiers skier slope slopes mountain cable"),
    "hand": _words("clock watch dial numerals"),
    "horse": _words("carousel merry rocking"),
    "jet": _words("spray nozzle hose fountain"),
    "keyboard": _words("piano organ synthesizer band musician guitar drum drums accordion typewriter calculator music"),
    "mare": _words("zebra zebras"),
    "mouse": _words("cheese trap rodent prey chasing hunting whiskers snake owl hawk"),
    "paper cup": _words("cupcake cupcakes muffin muffins"),
    "palm": _words("hand hands fingers his her"),
    "phone": _words("booth rotary payphone landline receiver corded dial antique payphones booths"),
    "pitcher": _words("""
        water juice milk lemonade tea beer pour pouring pours glass ceramic table tray cup flowers jug liquid counter
        shelf plastic wine
        """),
    "ram": _words("dodge truck pickup"),
    "pup": _words("seal seals wolf fox otter shark"),
    "range": _words("mountain mountains driving wide free"),
    "runner": _words("table rug carpet"),
    "skier": _words("water lake ocean wake boat river"),
    "skiing": _words("water lake ocean wake boat river"),
    "sub": _words("sea navy submarine"),
    "train": _words("gown bridal veil"),
    "stallion": _words("zebra zebras"),
}
OTHER_SENSES |= dict.fromkeys(
    ("turkey", "duck", "goose", "lamb", "hen", "fish", "salmon", "lobster"),
    _words("""
        oven roast roasted roasting bake baked baking cook cooked cooking plate pan tray grill grilled fried sauce gravy
        carving carved thanksgiving sandwich sandwiches cheese ham bread lettuce potatoes stuffing cranberry deli sliced
        meal dinner bacon
        """),
)
# Nothing but toys on a piece of furniture: it may be one of dolls, or hardly show.
OTHER_SENSES |= {
    name: OTHER_SENSES.get(name, frozenset()) | _words("teddies bears dolls animals toys")
    for name in ("bed", "chair", "couch", "sofa")
}
OTHER_SENSES["sunshade"] = _words("windshield van car inside")
OTHER_SENSES["table"] = _words("""
    classroom podium conference meeting panel poker blackjack jack roulette chess pool billiard billiards
    """)
OTHER_SENSES |= dict.fromkeys(
    ("red light", "green light", "yellow light"),
    _words("gauge bike bicycle tail brake lamp led laser dashboard illuminates illuminated candle stage glow glows"),
)
# ... or one of these is.
# In a narrative, a ball without one of these is any round thing.
GAMES = _words("""
    game games player players court field team tennis soccer football basketball baseball volleyball golf bowling match
    playing plays play goal racket bat pitch
    """)
SURE_SENSES = {"ball": _words("hit hits hitting strike strikes kick kicks kicking")}
SURE_SENSES |= dict.fromkeys(
    ("bed", "chair", "couch", "sofa"),
    _words("girl boy man woman child baby person people kid children kids lady dog cat bedroom room"),
)
# Things of sports in these are virtual: "playing tennis on the wii".
CONSOLES = _words("wii nintendo xbox playstation video kinect")
VIRTUAL = _words("""
    ball racket racquet bat mitt glove ski skiing snowboard snowboarding skateboard skateboarding surfing frisbee
    tennis match game
    """)
# Those that mean it unless one of these words is there.
NEEDED_SENSES = {
    "speaker": _words("""
        speak speaks speaking talk talks talking address addresses addressing lecture podium lectern conference audience
        crowd he she his her microphone speech
        """),
    "pitcher": _words("""
        baseball ball mound throw throws throwing pitch pitches pitching batter catcher game player team windup winds
        field uniform league glove
        """),
    "sun": _words("set sets setting rise rises rising horizon visible peek peeks peeking orb disc sphere directly"),
}
# What those are without them: a loudspeaker is nobody; a jug is likely not meant, the light of the sun likely is.
UNKNOWN_SENSES = _words("""
    ball table sunshade pitcher sun bear bike bat light apple bed bowl dog horse skier skiing train phone chair
    couch sofa calf cub pup foal colt bull mare stallion fork gondola
    """)

# Words of class lists that leave a class open name it with one of these in their sentence, or right before them.
SUPPORTS = {"table": _words("food eat eats eating meal dinner lunch breakfast plates")}
SUPPORTS_BEFORE = {"table": _words("at around")}
# Names of classes for which this holds too.
EVEN_NAMES = _words("sun bear apple bed bowl dog horse keyboard mouse train fork chair couch sofa")
# What people do whatever these are: gear is another without snow, "skiing behind a boat".
GEAR = _words("skier skiing skateboarding surfing")

# "a train with several cars": parts of a whole that are called as things of their own are.
TRAINS = _words("train locomotive railroad railway subway tram monorail")
COUPLINGS = _words("with of has have having pull pulls pulling carry carries carrying haul hauling tow towing")

# "running down the side": said of things too.
EXTENDS = frozenset({"running"})
