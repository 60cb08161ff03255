"""Words that the limits of an encoder are measured with: nouns in five languages, words to read."""

LANGUAGES = ("German", "French", "Spanish", "Japanese")

NOUNS: dict[str, tuple[str, ...]] = {
    "Faces": ("face", "Gesicht", "visage", "cara", "顔"),
    "Motorbikes": ("motorcycle", "Motorrad", "moto", "motocicleta", "オートバイ"),
    "airplanes": ("airplane", "Flugzeug", "avion", "avión", "飛行機"),
    "ant": ("ant", "Ameise", "fourmi", "hormiga", "蟻"),
    "bass": ("fish", "Fisch", "poisson", "pez", "魚"),
    "binocular": ("binoculars", "Fernglas", "jumelles", "prismáticos", "双眼鏡"),
    "brain": ("brain", "Gehirn", "cerveau", "cerebro", "脳"),
    "camera": ("camera", "Kamera", "appareil photo", "cámara", "カメラ"),
    "car_side": ("car", "Auto", "voiture", "coche", "車"),
    "cellphone": ("cell phone", "Handy", "téléphone portable", "teléfono móvil", "携帯電話"),
    "chandelier": ("chandelier", "Kronleuchter", "lustre", "lámpara de araña", "シャンデリア"),
    "cougar_face": ("cougar", "Puma", "puma", "puma", "ピューマ"),
    "crayfish": ("crayfish", "Flusskrebs", "écrevisse", "cangrejo de río", "ザリガニ"),
    "crocodile_head": ("crocodile", "Krokodil", "crocodile", "cocodrilo", "ワニ"),
    "dalmatian": ("dalmatian", "Dalmatiner", "dalmatien", "dálmata", "ダルメシアン"),
    "dolphin": ("dolphin", "Delfin", "dauphin", "delfín", "イルカ"),
    "electric_guitar": (
        "electric guitar",
        "elektrische Gitarre",
        "guitare électrique",
        "guitarra eléctrica",
        "エレキギター",
    ),
    "ewer": ("jug", "Krug", "pichet", "jarra", "水差し"),
    "flamingo": ("flamingo", "Flamingo", "flamant rose", "flamenco", "フラミンゴ"),
    "gramophone": ("gramophone", "Grammophon", "gramophone", "gramófono", "蓄音機"),
    "hawksbill": ("sea turtle", "Meeresschildkröte", "tortue de mer", "tortuga marina", "ウミガメ"),
    "hedgehog": ("hedgehog", "Igel", "hérisson", "erizo", "ハリネズミ"),
    "laptop": (
        "laptop",
        "Laptop",
        "ordinateur portable",
        "ordenador portátil",
        "ノートパソコン",
    ),
    "lobster": ("lobster", "Hummer", "homard", "langosta", "ロブスター"),
    "mandolin": ("mandolin", "Mandoline", "mandoline", "mandolina", "マンドリン"),
    "minaret": ("minaret", "Minarett", "minaret", "minarete", "ミナレット"),
    "octopus": ("octopus", "Krake", "poulpe", "pulpo", "タコ"),
    "pagoda": ("pagoda", "Pagode", "pagode", "pagoda", "仏塔"),
    "pigeon": ("pigeon", "Taube", "pigeon", "paloma", "鳩"),
    "platypus": ("platypus", "Schnabeltier", "ornithorynque", "ornitorrinco", "カモノハシ"),
    "revolver": ("pistol", "Pistole", "pistolet", "pistola", "拳銃"),
    "rooster": ("rooster", "Hahn", "coq", "gallo", "雄鶏"),
    "scorpion": ("scorpion", "Skorpion", "scorpion", "escorpión", "サソリ"),
    "stapler": ("stapler", "Tacker", "agrafeuse", "grapadora", "ホッチキス"),
    "stegosaurus": ("dinosaur", "Dinosaurier", "dinosaure", "dinosaurio", "恐竜"),
    "strawberry": ("strawberry", "Erdbeere", "fraise", "fresa", "イチゴ"),
    "tick": ("tick", "Zecke", "tique", "garrapata", "ダニ"),
    "umbrella": ("umbrella", "Regenschirm", "parapluie", "paraguas", "傘"),
    "water_lilly": ("water lily", "Seerose", "nénuphar", "nenúfar", "スイレン"),
    "wild_cat": ("wildcat", "Wildkatze", "chat sauvage", "gato montés", "ヤマネコ"),
    "wrench": ("wrench", "Schraubenschlüssel", "clé anglaise", "llave inglesa", "レンチ"),
}
"""By class of Caltech 101: an everyday English noun, then the four languages in their order."""

PRINTED = """
bread coffee market garden doctor school police hotel music winter
summer bridge castle dragon flower guitar island jacket kitchen ladder
mirror needle orange pepper planet rabbit silver ticket tunnel valley
window yellow anchor basket button candle carpet cherry closed danger
dinner engine finger forest freeze ginger hammer harbour honey hunter
ice jungle kettle lemon letter library magnet medal metro mountain
museum ocean office oven paint paper parking pencil piano pillow
pizza pocket post private prize pump quiet radio rain repair
river rocket salt sauce scale sea shop silk snow soap
space spring stop storm sugar tea theatre toast train welcome
"""
READ = PRINTED.split()
"""A hundred words to be read off pictures that show nothing else."""

ODD_PLURALS = {
    "person": "people",
    "knife": "knives",
    "mouse": "mice",
    "sheep": "sheep",
    "bus": "buses",
    "bench": "benches",
    "couch": "couches",
    "sandwich": "sandwiches",
    "toothbrush": "toothbrushes",
    "wine glass": "wine glasses",
}
UNCOUNTED = {"broccoli", "scissors", "skis"}
"""Names of COCO categories that nobody counts with a bare number."""
NUMBERS = ("one", "two", "three", "four")


def counted(name: str, number: int) -> str:
    """A number and a noun: "one dog", "three people"."""
    return f"{NUMBERS[number - 1]} {name if number == 1 else ODD_PLURALS.get(name, name + 's')}"


def article(phrase: str) -> str:
    """The phrase with its indefinite article."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
