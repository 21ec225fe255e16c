"""Heaps of requests: skew heaps by a key, linked by the rows of the request table."""

from vms.engine.compiled import inner


@inner
def before(s, a, b):
    """Return whether request a comes before request b in a heap."""
    x = s.request[a]
    y = s.request[b]
    return x.key < y.key or (x.key == y.key and x.sequence < y.sequence)


@inner
def merged(s, a, b):
    """Return the root of two skew heaps merged; -1 is an empty one.  O(log n) amortised.

    Source: Sleator and Tarjan, Self-Adjusting Heaps, SIAM Journal on Computing 15(1), 1986.
    """
    if a < 0:
        return b
    if b < 0:
        return a
    if before(s, b, a):
        a, b = b, a
    root = a
    while True:
        q = s.request[a]
        rest = q.right
        q.right = q.left
        if rest < 0:
            q.left = b
            return root
        if before(s, b, rest):
            rest, b = b, rest
        q.left = rest
        a = rest


@inner
def without_root(s, root):
    """Return the root of a heap whose root was taken out."""
    q = s.request[root]
    rest = merged(s, q.left, q.right)
    q.left = -1
    q.right = -1
    return rest


@inner
def put(s, root, r, key):
    """Put request r into a heap by a key; returns its root."""
    q = s.request[r]
    q.key = key
    q.left = -1
    q.right = -1
    return merged(s, root, r)
