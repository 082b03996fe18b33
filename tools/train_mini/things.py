"""What the mini model knows: colours, things with their words, and shapes."""

# Colour word -> RGB.  Backgrounds use all; things use those in HUES as well.
BACKGROUNDS = {
    "white": (250, 250, 250), "black": (18, 18, 20), "gray": (128, 128, 130),
    "red": (214, 40, 40), "orange": (245, 140, 30), "yellow": (250, 218, 60),
    "green": (60, 165, 75), "blue": (45, 95, 210), "light blue": (150, 205, 245),
    "purple": (125, 60, 175), "pink": (248, 160, 195), "brown": (120, 75, 45),
}
# Colour word -> (hue in degrees, saturation factor, value factor) of a repaint.
HUES = {
    "red": (2, 1.0, 1.0), "orange": (28, 1.0, 1.1), "yellow": (50, 1.0, 1.2),
    "green": (125, 0.9, 0.85), "blue": (216, 1.0, 0.95),
    "purple": (275, 0.9, 0.9), "pink": (335, 0.5, 1.2),
}
ALL = tuple(HUES)

# The starter vocabulary: everyday things with clearly different silhouettes.
# emoji name: (words, own colour or None, colours it may be repainted in)
STARTER = {
    "red apple": (("apple",), "red", ("red", "green", "yellow")),
    "banana": (("banana",), None, ()),
    "automobile": (("car",), "red", ALL),
    "cat face": (("cat",), None, ()),
    "dog face": (("dog",), None, ()),
    "star": (("star",), "yellow", ALL),
    "red heart": (("heart",), "red", ALL),
    "house": (("house",), None, ()),
    "deciduous tree": (("tree",), None, ()),
    "sun": (("sun",), None, ()),
    "fish": (("fish",), "blue", ("blue", "red", "orange", "green", "purple")),
    "balloon": (("balloon",), "red", ALL),
    "tulip": (("tulip", "flower"), "pink", ("pink", "red", "yellow", "purple")),
    "pear": (("pear",), None, ()),
    "strawberry": (("strawberry",), None, ()),
    "mushroom": (("mushroom",), None, ()),
    "frog": (("frog",), None, ()),
    "panda": (("panda",), None, ()),
    "pig face": (("pig",), None, ()),
    "penguin": (("penguin",), None, ()),
    "umbrella": (("umbrella",), "purple", ("purple", "red", "blue", "green", "yellow")),
    "t-shirt": (("t-shirt", "shirt"), "blue", ALL),
    "crescent moon": (("moon", "crescent moon"), None, ()),
    "soccer ball": (("soccer ball", "ball"), None, ()),
    "lemon": (("lemon",), None, ()),
    "carrot": (("carrot",), None, ()),
    "watermelon": (("watermelon", "slice of watermelon"), None, ()),
    "rabbit face": (("rabbit",), None, ()),
    "bear": (("bear",), None, ()),
    "fox": (("fox",), None, ()),
    "owl": (("owl",), None, ()),
    "turtle": (("turtle",), None, ()),
    "bird": (("bird",), "blue", ("blue", "red", "yellow", "green", "pink")),
    "butterfly": (("butterfly",), "orange", ("orange", "pink", "blue", "green")),
    "bus": (("bus",), None, ()),
    "airplane": (("airplane", "plane"), None, ()),
    "rocket": (("rocket",), None, ()),
    "sailboat": (("sailboat", "boat"), None, ()),
    "palm tree": (("palm tree",), None, ()),
    "cactus": (("cactus",), None, ()),
    "sunflower": (("sunflower",), None, ()),
    "cloud": (("cloud",), None, ()),
    "basketball": (("basketball",), None, ()),
    "dress": (("dress",), "blue", ("blue", "red", "green", "purple", "pink")),
    "crown": (("crown",), None, ()),
    "key": (("key",), None, ()),
    "pizza": (("pizza", "slice of pizza"), None, ()),
    "hot beverage": (("cup of coffee", "coffee"), None, ()),
}

# What --emoji-set everyday adds: (emoji name, word) or a name that is the word.
EVERYDAY = (
    # plants and food
    "rose", "hibiscus", "maple leaf", "four leaf clover", "evergreen tree", "Christmas tree", "tomato",
    "eggplant", "grapes", "melon", "tangerine", "pineapple", "green apple", "peach", "cherries", "hamburger",
    "meat on bone", "rice ball", "bread", "french fries", "ice cream", "doughnut", "cookie", "chocolate bar",
    "candy", "lollipop", "honey pot", "shortcake", "wine glass", "cocktail glass", "beer mug", "popcorn",
    "birthday cake", "jack-o-lantern", "croissant", "avocado", "cucumber", "potato", "egg", "pancakes",
    "broccoli", "pretzel", "sandwich", "coconut", "kiwi fruit", "mango", "pie",
    # animals
    ("cow face", "cow"), ("tiger face", "tiger"), ("horse face", "horse"), ("monkey face", "monkey"),
    ("mouse face", "mouse"), "snail", "snake", "rooster", "chicken", "elephant", "octopus",
    ("spiral shell", "shell"), "ant", ("honeybee", "bee"), ("lady beetle", "ladybug"), "tropical fish", "blowfish",
    ("hatching chick", "chick"), "koala", "camel", "dolphin", ("spouting whale", "whale"), "wolf", "hamster",
    "polar bear", "crocodile", "crab", "lion", "scorpion", "turkey", "unicorn", "eagle", "duck", "bat", "shark",
    "squid", "shrimp", "lobster", "giraffe", "zebra", "hedgehog", ("T-Rex", "dinosaur"), ("rhinoceros", "rhino"),
    ("hippopotamus", "hippo"), "flamingo", "swan", "parrot", "raccoon", "sloth", "deer", "kangaroo", "peacock",
    "spider", "snowman",
    # things to wear, to hold and to play with
    "backpack", "graduation cap", ("headphone", "headphones"), "top hat", ("ribbon", "bow"),
    ("wrapped gift", "gift"), "ghost", "alien", "skull", "robot", "lipstick", "pill", "ring",
    ("gem stone", "diamond"), "bouquet", "light bulb", "bomb", ("droplet", "drop of water"),
    "money bag", "laptop", "briefcase", "floppy disk", "calendar", "open book", "telephone", "mobile phone", "camera",
    "television", "radio", "battery", ("magnifying glass tilted left", "magnifying glass"), ("locked", "lock"),
    "bell", "fire", "wrench", "hammer", ("kitchen knife", "knife"), "microscope", "telescope", "crystal ball",
    "candle", "alarm clock", ("hourglass done", "hourglass"), "watch", "sunglasses", "glasses", "necktie", "jeans",
    "bikini", "handbag", ("running shoe", "shoe"), "high-heeled shoe", "pencil",
    "paintbrush", "scissors", "trophy", ("bullseye", "target"), ("game die", "die"), "musical note", "saxophone",
    "guitar", "trumpet", "violin", "drum", ("american football", "football"), "volleyball", "teddy bear", "kite",
    "anchor", "snowflake", ("grinning face", "smiling face"), "angry face",
    ("smiling face with sunglasses", "face with sunglasses"), "eye", "ear", ("thumbs up", "thumb"),
    # places and vehicles
    "castle", "hospital", "circus tent", "tent", "church", "mountain", "volcano", "rainbow", "ferris wheel", "helicopter",
    ("locomotive", "train"), "tram", "ambulance", ("fire engine", "fire truck"), "police car", "taxi",
    ("delivery truck", "truck"), "tractor", "ship", "speedboat", "bicycle", "motorcycle", "racing car",
    ("vertical traffic light", "traffic light"), "toilet", "bathtub", "chair", "bed", "door", "shopping cart",
    ("flying saucer", "ufo"), "skateboard",
)

# Plain shapes, drawn rather than loaded; a "letter" is a random one, so only an
# edge map can say which: it teaches ControlNet that lines matter.
SHAPES = ("circle", "square", "triangle", "letter")

# With --emoji-set all: names made of these words are signs or letters rather
# than things, and sequences of people differ too little to be told apart.
UNUSABLE = ("keycap", "button", "arrow", "flag", "symbol", "sign", "input", "family",
            "couple", "kiss", "skin tone", "clock", "-thirty", "square", "mark",
            "person", "woman", "man ", "men ", "women ", "Japanese", "circle")
