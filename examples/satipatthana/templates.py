"""Sentences for dialogue_intent.py, made from templates."""

from collections.abc import Sequence

import torch
from torch import Tensor

Intent = tuple[str, str]
"""Verbs and objects, with bars between them."""

OPENINGS = "|please|could you|i want to|can you|i would like to|hello can you"
ENDINGS = "|please|for tomorrow|this evening|as soon as you can|for me|thanks"

KNOWN: Sequence[Intent] = (
    ("book|reserve|get", "a table|a place for two|a table at the restaurant"),
    ("cancel|drop|call off", "my flight|the flight to rome|my plane ticket"),
    ("set|start|switch on", "an alarm|the alarm clock|my morning alarm"),
    ("play|put on|stream", "some music|a song by my band|my favourite album"),
    ("check|tell me|look up", "the weather|the forecast|how warm it gets"),
    ("send|transfer|pay", "money to my sister|the rent|ten euros to anna"),
    ("call|order|fetch", "a taxi|a cab to the station|a car with driver"),
    ("move|shift|postpone", "my meeting|the appointment|the talk with the team"),
)
OLD_WORDS: Sequence[Intent] = (
    ("cancel|drop|call off", "a table|the alarm clock|my meeting|a taxi"),
    ("check|tell me|look up", "my flight|my meeting|the rent"),
    ("move|shift|postpone", "my flight|the alarm clock|a place for two"),
    ("send|transfer|pay", "a song by my band|the forecast|a taxi"),
)
NEW_WORDS: Sequence[Intent] = (
    ("translate|read", "this page|the letter from spain"),
    ("water|feed", "the plants|my cat"),
    ("buy|find", "a present|shoes in my size|a used bicycle"),
    ("check|book", "my blood pressure|a doctor|a haircut"),
)


def sentences(count: int, intents: Sequence[Intent], seed: int) -> tuple[list[str], Tensor]:
    """Sentences, and the number of each one's intent."""
    chance = torch.Generator().manual_seed(seed)

    def one_of(choices: str) -> str:
        found = choices.split("|")
        return found[int(torch.randint(len(found), (1,), generator=chance))]

    intent = torch.randint(len(intents), (count,), generator=chance)
    said = []
    for number in intent.tolist():
        verbs, objects = intents[number]
        said.append(" ".join(map(one_of, (OPENINGS, verbs, objects, ENDINGS))).strip())
    return said, intent
