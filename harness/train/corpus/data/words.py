"""Word lists of the stories."""

from harness.train.corpus.data import listed

GIRLS = listed(
    "Mia Lily Anna Emma Ella Nora Ruby Zoe Ivy Lucy Sara Tess Maya Nina Clara Alma Rosa Hana Lena "
    "Kira Edith Olive Amy June Poppy Freya Greta Tilda Leila Wren Daisy Stella Mila Ada Inez Yara "
    "Bella Carla Dora Fern Gwen Holly Iris Jade Kate Luna Mary Pearl Robin Susan Vera Willa"
)
BOYS = listed(
    "Tom Ben Sam Max Leo Jack Finn Noah Theo Oscar Hugo Adam Luke Felix Omar Ravi Milo Otto Eli "
    "Jonas Paul Peter Simon Toby Walter Arlo Emil Ivan Kai Louis Marco Nico Owen Rory Hamid Carl "
    "Dan Erik Frank George Henry Ian Jim Karl Liam Mark Ned Oliver Pedro Ralph Steve Tim"
)
ANIMAL_NAMES = listed(
    "Pip Dot Bramble Hazel Nutmeg Pebble Rusty Fudge Biscuit Clover Maple Button Thimble Whisper "
    "Tumble Acorn Patch Berry Willow Scout Ginger Mossy Twig Bobbin Pepper Juniper Cricket Barley "
    "Feather Conker Saffron Sorrel Tansy Bracken Flint Marlow Quill Russet Teasel Yarrow"
)
ANIMALS = listed(
    "fox rabbit mouse hedgehog squirrel badger otter duck owl frog beaver mole bear deer hare "
    "goose turtle lamb pony sparrow"
)
MORE_ANIMALS = listed("dog cat hen pig donkey monkey panda penguin koala goat horse sheep wolf bee")
FAMILY = (
    *(("Mum", "f"), ("Grandma", "f"), ("Aunt Flora", "f"), ("Aunt Beth", "f"), ("Aunt Marta", "f")),
    *(("Dad", "m"), ("Grandpa", "m"), ("Uncle Joe", "m"), ("Uncle Bill", "m"), ("Uncle Ray", "m")),
)
NEIGHBOURS = (
    *((f"Mrs {name}", "f") for name in listed("Lane Hill Park Green Baker Moss Field Stone Wood")),
    *((f"Mr {name}", "m") for name in listed("Bell Brown Reed Fisher Cook Ash Grey Carter Pond")),
)
OLD_ANIMALS = tuple(
    (f"{title} {name}", gender)
    for title, gender in (("Old Mother", "f"), ("Old Father", "m"))
    for name in listed("Owl Badger Hare Goose Turtle Heron")
)
# So many that a story's uncle must be remembered: with three of them a guess is often right.
MORE_FAMILY = tuple(
    (f"{title} {name}", gender)
    for title, gender, names in (
        ("Aunt", "f", "Nell Ruth Sophie Jane Martha Agnes Helen Joan Polly Ursula Edna Ingrid"),
        ("Uncle", "m", "Fred Albert Hans Viktor Edgar Stan Gus Ralf Morris Basil Cyril Norman"),
    )
    for name in listed(names)
)
MORE_OLD_ANIMALS = tuple(
    (f"{title} {name}", gender)
    for title, gender in (("Old Mother", "f"), ("Old Father", "m"), ("Old Mister", "m"))
    for name in listed("Bear Mole Otter Crow Toad Beaver Stork Raven Moose Swan")
)
TRAITS = listed(
    "kind brave clever curious cheerful shy gentle quiet lively careful friendly honest patient "
    "playful thoughtful helpful polite busy merry bright"
)
COLOURS = listed("red blue green yellow orange purple pink white brown black silver golden")
LOOKS = listed("little big old new shiny small soft lovely pretty wooden tiny round")

# Things by kind; looks that contradict the noun are avoided by giving each kind its own looks.
THINGS = {
    "toy": "ball kite drum doll boat train car puppet robot whistle hoop yo-yo balloon top",
    "wear": "hat scarf cap bonnet ribbon shawl",
    "treasure": "key coin shell ring button bell marble stone feather necklace spoon medal",
    "treat": "cake pie bun loaf cookie pancake tart muffin biscuit pudding",
    "fruit": "apple pear plum peach orange melon cherry lemon",
    "gift": "card book picture necklace basket mug scarf lantern music_box puzzle",
    "craft": "bench birdhouse basket cart ladder raft swing shelf",
    "seed": "sunflower bean pumpkin rose tomato tulip carrot pea",
    "pet": "kitten puppy duckling rabbit bird hamster goat lamb",
    "skill": "swim whistle paint sing dance skate knit juggle climb read row cook",
    "tool": "rake hoe broom ladder pole stick fishing_rod",
    "buildtool": "hammer saw drill axe knife",
    "tune": "flute drum fiddle whistle horn harp banjo",
    "mug": "mug vase bowl plate jug cup teapot",
    "hurtbird": "sparrow robin swallow starling finch",
    "rope": "rope",
    "nightthing": "glow-worm firefly",
    "lunch": "sandwich lunchbox bun pie pear",
    "lamp": "lamp lantern candle torch",
    "picture": "picture painting",
}
THING_LOOKS = {
    "toy": COLOURS,
    "wear": COLOURS,
    "treasure": listed("shiny small silver golden round old white pretty tiny lovely"),
    "treat": listed("warm sweet big small fresh soft round lovely golden"),
    "fruit": listed("ripe sweet big small round juicy fresh"),
    "gift": listed("little pretty lovely small new blue red green"),
    "craft": listed("small wooden strong new little simple green white"),
    "seed": listed("tall small little pretty tiny big strong"),
    "pet": listed("tiny small brown white black grey little spotted"),
    "skill": ("",),
    "tool": listed("long old new strong light"),
    "buildtool": listed("old new big small rusty heavy good"),
    "tune": listed("old small little silver wooden black fine"),
    "mug": listed("blue white old pretty tall green painted yellow"),
    "hurtbird": listed("small little young brown tiny"),
    "rope": listed("long strong old thick"),
    "nightthing": listed("tiny little small green bright"),
    "lunch": listed("big small brown fresh"),
    "lamp": listed("small old little bright yellow"),
    "picture": listed("blue little green bright lovely wonderful"),
}

# Noun, "in the garden", "to the garden".
PLACES = {
    "outdoor": tuple(
        (noun, f"{prep} the {noun}", f"to the {noun}")
        for prep, nouns in (
            ("in", "garden park meadow orchard field yard square wood playground"),
            ("at", "beach farm market pond bus_stop well"),
            ("by", "river lake bridge fountain gate mill"),
            ("on", "hill path green"),
        )
        for noun in listed(nouns)
    ),
    "indoor": tuple(
        (noun, f"in the {noun}", f"to the {noun}")
        for noun in listed("kitchen bedroom attic hall library workshop study parlour cellar")
    ),
    "nature": tuple(
        (noun, f"{prep} the {noun}", f"to the {noun}")
        for prep, nouns in (
            ("in", "wood meadow valley cave clearing"),
            ("by", "river pond waterfall old_oak lake stream"),
            ("on", "hill"),
        )
        for noun in listed(nouns)
    ),
}

PLACES["wild"] = PLACES["outdoor"] + PLACES["nature"]
PLACES["water"] = tuple(
    place for place in PLACES["wild"] if place[0] in ("beach", "pond", "river", "lake", "stream")
)
PLACES |= {
    noun: ((noun, f"{prep} the {noun}", f"to the {noun}"),)
    for noun, prep in (
        *(("kitchen", "in"), ("garden", "in"), ("bedroom", "in"), ("market", "at")),
        *(("island", "on"), ("school", "at"), ("playground", "in"), ("station", "at")),
        ("sea", "by"),
    )
}

WEATHER = {
    "any": ("sunny", "rainy", "cloudy", "windy", "cold", "warm", "grey", "cool"),
    "clear": ("clear", "quiet", "mild", "warm"),
    "mild": ("sunny", "warm", "bright", "windy", "cloudy", "clear", "mild", "cool", "fresh"),
    "sunny": ("sunny", "warm", "hot", "bright"),
    "windy": ("windy",),
    "rainy": ("rainy", "wet"),
    "stormy": ("stormy",),
    "snowy": ("snowy",),
    "cold": ("cold", "frosty", "chilly"),
}
TIMES = {"day": ("morning", "afternoon"), "morning": ("morning",), "night": ("evening", "night")}
MONTHS = {"snowy": ("January", "February", "December"), "cold": ("October", "November")}
ANY_MONTH = ("April", "May", "June")
ENDS = {
    "happy": ("happy", "glad", "cheerful", "full of joy", "very happy", "so happy"),
    "proud": ("proud", "very proud", "proud and happy", "strong and proud"),
    "calm": ("calm", "safe", "peaceful", "safe and warm", "calm and happy"),
    "thankful": ("thankful", "grateful", "lucky", "thankful and happy"),
}

MACROS = {
    "said": "said",
    "cried": "[said|cried|called|shouted|laughed]",
    "saidso": "said[||||| softly| with a smile| at last| quietly| kindly]",
    "asked": "asked",
    "smiled": "[smiled|grinned|laughed|beamed|nodded|clapped]",
    "ran": "[ran|hurried|rushed|raced|dashed|went quickly]",
    "walked": "[walked|went|strolled|wandered|set off]",
    "then": "[after a while|after that|a little later|soon|before long|a moment later|at last]",
    "suddenly": "[suddenly|just then|all at once|at that moment|all of a sudden]",
    "very": "[very|very|really]",
    "big": "[big|large|huge|great]",
    "small": "[small|little|tiny]",
    "sad": "[sad|unhappy|upset|close to tears|very sad]",
    "scared": "[scared|afraid|frightened]",
    "thanks": "[Thank you|Thanks|Thank you so much|Thank you very much|Many thanks]",
    "wow": "[Look|Oh|Wow|Hooray|How lovely|What luck|My goodness]",
    "please": "please",
    "yes": "[Yes|Of course|Certainly|Sure|With pleasure|Gladly]",
    "looked": "[looked|searched|hunted|peeked]",
    "dont": "[Do not worry|Do not be sad|Cheer up|Never mind|It is all right]",
    "everywhere": "[high and low|everywhere|all over the place|in every corner|up and down]",
    "quickly": "[quickly|at once|right away|without a word|as fast as [a bird|the wind]]",
    "softly": "[softly|gently]",
    "loved": "[loved|liked|enjoyed|adored]",
    "thought": "[thought|thought|said to {himself}]",
}

NOUNS = {kind: listed(nouns) for kind, nouns in THINGS.items()}
