"""How a stack comes to be, for any encoder that gives a grid of tokens: `spectrum train`.

Knows torch and the stack, and no storage: whoever has pictures encodes them through `Course.views`
and hands over what came of it.

Shape letters: B batch, C channels of a token, D width of a stored vector, K captions of an image,
M captions in all, N images, P boxes of an image, S semantic width, V views, Y X grid of tokens.
"""
