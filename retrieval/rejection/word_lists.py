"""Words and phrases that text voids are made of: written for this purpose, taken from no data set.

They only ever teach what a library does not hold: whatever its captions know is left out first.
"""

_THINGS = (
    "alpaca anteater armadillo badger bat beaver beetle bison buffalo bumblebee butterfly "
    "camel caterpillar chameleon cheetah chicken chipmunk clam cobra crab cricket crocodile "
    "crow dolphin donkey dragonfly eagle eel emu falcon ferret finch flamingo fox gazelle "
    "gecko giraffe goat goose gorilla grasshopper hamster hawk hedgehog heron hippo hyena "
    "iguana jackal jellyfish kangaroo koala ladybug lemur leopard lion lizard llama lobster "
    "lynx macaw magpie meerkat mole moose mosquito moth mule octopus orangutan ostrich otter "
    "owl oyster panda panther parrot peacock pelican penguin pheasant pig pigeon piranha "
    "porcupine possum python quail raccoon rat raven reindeer rhino rooster salamander salmon "
    "scorpion seal shark sheep shrimp skunk sloth slug snail sparrow spider squid squirrel "
    "starfish stork swan tiger toad tortoise toucan trout tuna turkey turtle vulture walrus "
    "wasp weasel whale wolf woodpecker worm yak zebra almond apple apricot artichoke asparagus "
    "avocado bacon bagel banana basil bean beetroot biscuit blueberry bread broccoli brownie "
    "burger burrito butter cabbage cactus carrot cauliflower celery cereal cheese cheesecake "
    "cherry chestnut chili chocolate cinnamon clover cocoa coconut corn crepe croissant "
    "cucumber cupcake curry daffodil daisy dill doughnut dumpling egg eggplant fern fig garlic "
    "ginger grape grapefruit ham honey ivy jam kale kiwi lasagna lavender leek lemon lentil "
    "lettuce lily lime lotus mango maple melon muffin mushroom mussel mustard noodle nutmeg "
    "oat olive omelette onion orchid pancake papaya parsley pasta peach peanut pear pepper "
    "pickle pie pineapple pistachio pizza plum pomegranate popcorn potato pretzel pumpkin "
    "radish raisin raspberry rice rose salad sausage sesame soup soybean spaghetti spinach "
    "strawberry sunflower sushi taco toast tofu tomato tulip turnip vanilla waffle walnut "
    "watermelon yogurt zucchini abacus accordion aerosol anvil apron armchair ashtray axe "
    "bandage banjo barometer basin bassoon bathtub battery beaker bedsheet binder blender "
    "bobbin bolt bookcase bookshelf bottle bowl bracelet broom bucket bulb cabinet calculator "
    "calendar candle candlestick carpet cello chandelier chisel clarinet clipboard clock comb "
    "compass computer condenser cork couch cradle crayon crib crowbar cupboard curtain cushion "
    "cutlery decanter desk dishwasher doily doormat dresser drill dryer dustpan easel envelope "
    "eraser espresso faucet fireplace flask flute folder fork freezer fridge funnel fuse "
    "gasket gearbox generator globe grater griddle gyroscope hairbrush hammer hammock harp "
    "heater hinge hourglass humidifier inkwell iron jar jigsaw kettle keyboard keychain kiln "
    "ladle lamp lantern lathe lightbulb locket loom magnet magnifier mallet mandolin mattress "
    "metronome microphone microscope microwave mirror mixer monitor mop mortar mousepad "
    "mousetrap mug nail napkin necklace needle notebook nozzle oboe organ oven paintbrush "
    "pajamas pan paperclip pencil perfume piano pillow pincushion pipette pitcher plate pliers "
    "plunger pot printer projector protractor puppet quilt radiator radio rake razor "
    "refrigerator remote router rug ruler sandpaper saucepan saucer saw saxophone scale "
    "scalpel scanner scissors screwdriver sewing-machine shampoo shelf shredder sieve sink "
    "soap socket sofa soldering-iron spatula spindle sponge spoon stapler stethoscope stool "
    "stopwatch stove strainer syringe tablecloth tambourine tape teacup teapot telephone "
    "telescope television thermometer thermostat thimble toaster toilet toolbox toothbrush "
    "toothpaste towel tripod trombone trumpet tweezers typewriter vacuum vase vice violin "
    "wardrobe washbasin washer wastebasket wok wrench xylophone yarn zipper airliner airplane "
    "airship ambulance anchor antenna aqueduct aquarium avalanche balcony barge barn barracks "
    "blimp bulldozer buoy bungalow cannon carousel castle cathedral catamaran caravan cemetery "
    "chapel chimney cockpit combine container conveyor crane dam dome dumpster elevator "
    "escalator excavator ferry forklift fortress freighter gallows gazebo glacier gondola "
    "greenhouse hangar harbor harvester haystack hearse helicopter hovercraft igloo jeep "
    "lawnmower lighthouse limousine locomotive mansion minaret minivan monastery monorail "
    "mosque obelisk observatory oil-rig pagoda parachute pavilion pier pipeline planetarium "
    "plow propeller pyramid radar refinery reservoir rickshaw rocket sailboat satellite "
    "sawmill scaffold schoolbus scooter shipyard silo skyscraper snowmobile snowplow spaceship "
    "steamboat stupa submarine supermarket tank taxi temple tractor trailer tram trolley "
    "trolleybus tugboat turbine unicycle viaduct volcano warehouse warship watermill "
    "waterwheel windmill yacht yurt zeppelin"
)
THINGS = tuple(_THINGS.split())
"""Things with a name, from many walks of life."""

_ROOMS = (
    "kitchen;bathroom;bedroom;living room;office;hotel room;dining room;laundry room;attic;garage;"
    "bakery;pantry;hospital ward;waiting room;classroom;workshop;airport lounge;train station;"
    "parking lot;intersection;runway;marina;stable;pasture;savanna;zoo;farmyard;vineyard"
)
ROOMS = tuple(_ROOMS.split(";"))
_STUFF = (
    "white toilet;glass shower door;double sink;wooden cabinets;stainless steel stove;microwave;"
    "tile floor;bath tub;large mirror;brown couch;flat screen television;coffee table;laptop;"
    "computer monitor;keyboard and mouse;book shelf;neatly made bed;desk lamp;vase of flowers;"
    "plate of food;slice of cake;bowl of fruit;cup of coffee;glass of wine;pizza with cheese;"
    "sandwich cut in half;donuts on a tray;bunch of bananas;pile of oranges;pot of soup;"
    "herd of sheep;herd of elephants;pair of zebras;tall giraffe;flock of birds;grazing cows;"
    "black cat;sleeping kitten;teddy bear;stuffed animals;double decker bus;passenger train;"
    "freight train;parked motorcycle;fire hydrant;stop sign;traffic light;street sign;"
    "clock tower;jet airplane;commercial airliner;row of boats;parked cars;wooden bench;umbrella;"
    "suitcase;pile of luggage;pair of scissors;hair dryer;toothbrush holder;cell phone;"
    "remote control;video game controller;tennis racket;baseball bat;kite;surf board;pair of skis;"
    "office chair;open refrigerator;toaster oven;old clock;broccoli and carrots;hot dog"
)
STUFF = tuple(_STUFF.split(";"))
SCENES = (
    *("a {room} with a {stuff} and a {other}", "a {stuff} sitting on top of a {other}"),
    *("a {stuff} next to a {other} in a {room}", "the {room} has a {stuff} and {other}"),
    *("there is a {stuff} in the {room}", "a close up of a {stuff}", "a {stuff} in a {room}"),
    *("a picture of a {stuff} and a {other}", "a {room} filled with {stuff} and {other}"),
    *("a {stuff} is displayed near a {other}", "an image of a {room} with {stuff}"),
    *("a person holding a {stuff} in a {room}", "a {stuff} that is on a {other}"),
    *("several {stuff} in front of a {other}", "a view of a {stuff} from a {room}"),
)
"""Scenes of rooms, meals, streets and animals, as people describe photographs of them."""

DOMAINS = (
    ("{n} mg tablets twice daily for {m} days", "blood pressure {n} over {m}"),
    ("mild {organ} enlargement without fracture", "no acute disease of the {organ}"),
    ("biopsy of the {organ} shows {n} percent inflammation", "patient denies pain in the {organ}"),
    ("{n} k ohm resistor in series with a capacitor", "voltage drop across the {part} is {n} V"),
    ("solder the {part} to pin {n}", "datasheet of a {n} volt {part}", "{part} rated {n} amps"),
    ("invoice number {n}{m} payable within {m} days", "subtotal {n}.{m} tax {m} percent"),
    ("thank you for shopping please keep this ticket", "card ending {n}{m} approved"),
    ("quarterly revenue rose {n} percent", "the {paper} expires on the {m}th", "gross margin {n}"),
    ("clause {n} of the {paper} shall prevail", "the parties agree to the {paper}"),
    ("for i in range({n}): total += values[i]", "def load_{part}(path): return open(path).read()"),
    ("select count(*) from orders where price > {n}", "TypeError: expected {n} arguments got {m}"),
    ("import numpy as np; x = np.zeros({n})", "git rebase -i HEAD~{m}", "#include <{part}.h>"),
    ("integral of x^{m} from 0 to {n}", "prove that the matrix has rank {m}"),
    ("titrate {n} ml of sodium hydroxide", "the {part} melts at {n} degrees"),
    ("exit {m} towards terminal {n}", "flight {n}{m} departs at gate {m}"),
    ("best price guaranteed call now", "terms and conditions apply", "meeting moved to {m} pm"),
    ("chapter {m} of the annual report", "the government announced a reform of the {paper}"),
    ("quantum entanglement of two photons", "inflation expectations remain anchored"),
)
"""Phrases of trades that photographs of daily life do not show."""
ORGANS = ("heart", "left lung", "liver", "kidney", "spine", "thyroid", "pancreas", "spleen")
PARTS = (
    *("diode", "transistor", "relay", "inductor", "op-amp", "potentiometer", "regulator", "alloy"),
    *("solvent", "polymer", "rectifier", "oscillator", "thermistor", "bearing", "connector"),
)
PAPERS = ("contract", "lease", "treaty", "patent", "mortgage", "warranty", "licence", "budget")
